"""Who is asking: every page needs a signed-in staff member unless it is named here as open."""

from collections.abc import Callable
from typing import TypeVar, cast

from flask import Flask, abort, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from bot import staff
from bot.access import Act
from bot.staff import StaffMember
from bot.web.parts import Parts

_View = TypeVar("_View", bound=Callable[..., ResponseReturnValue])

# The provider's posts never come here (webhooks.py). The style sheets say nothing about anybody; a family's
# chat page opens with the token in its address. Who may read the figures, watched.py asks itself.
OPEN = frozenset(
    {
        "static",
        "sign_in.form",
        "sign_in.enter",
        "chat.show",
        "chat.news",
        "chat.write",
        "watched.health",
        "watched.ready",
        "watched.metrics",
    }
)
# Exists with the simulator only, where every number and family is invented.
OPEN_WHEN_SIMULATED = "phones"
# What a page asks by itself every few seconds. It is no sign of somebody at work.
ASKED_BY_PAGES = frozenset({"desk.queue_news", "desk.family_news", "desk.alarm", "desk.standstill"})

TOKEN = "token"  # noqa: S105 - the name of the cookie's entry


def install(app: Flask, parts: Parts) -> None:
    @app.before_request
    def _only_staff() -> ResponseReturnValue | None:
        if request.endpoint is None or is_open(request.endpoint):
            return None
        member = _signed_in(parts, at_work=request.endpoint not in ASKED_BY_PAGES)
        if member is None:
            return _to_sign_in()
        g.me = member
        if not may_go(app, request.endpoint):
            abort(403)
        return None


def needs(act: Act) -> Callable[[_View], _View]:
    """Say what a route does, so that the guard can ask whether this person may (access.py).

    Of which school, the route itself asks: `me().can(act, school_id)`, or it reads only `me().schools`.
    """

    def named(view: _View) -> _View:
        view.needs = act  # type: ignore[attr-defined]
        return view

    return named


def act_of(app: Flask, endpoint: str) -> Act | None:
    """What the route does, as it says; None for one that needs no more than somebody signed in."""
    return getattr(app.view_functions[endpoint], "needs", None)


def may_go(app: Flask, endpoint: str) -> bool:
    """Whether whoever is asking may use this route at all; of which school, the route asks itself."""
    act = act_of(app, endpoint)
    return act is None or me().can(act)


def is_open(endpoint: str) -> bool:
    return endpoint in OPEN or endpoint.startswith(f"{OPEN_WHEN_SIMULATED}.")


def me() -> StaffMember:
    """The staff member this request is from; only behind the guard."""
    return cast("StaffMember", g.me)


def enter(token: str) -> None:
    """Carry the session's token in the browser's cookie, and nothing of an earlier visitor."""
    session.clear()
    session[TOKEN] = token


def enter_from_the_phones(token: str) -> None:
    """As above, for a visitor of the demo: the forms of the phones in the other tab stay good."""
    session[TOKEN] = token


def _signed_in(parts: Parts, *, at_work: bool) -> StaffMember | None:
    token = session.get(TOKEN)
    if not isinstance(token, str):
        return None
    with parts.database.begin() as database:
        return staff.who(database, token, parts.now, at_work=at_work)


def _to_sign_in() -> ResponseReturnValue:
    if "HX-Request" in request.headers:
        # A page that refreshes itself cannot follow a redirect to a whole page; it must go there.
        return "", 401, {"HX-Redirect": url_for("sign_in.form")}
    back = request.path if request.method == "GET" else None
    return redirect(url_for("sign_in.form", next=back), 303)
