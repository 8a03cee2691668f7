"""Who is asking: every page needs a signed-in staff member unless it is named here as open."""

from collections.abc import Callable
from typing import TypeVar, cast

from flask import Flask, Response, abort, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from bot import staff
from bot.access import Act
from bot.staff import StaffMember
from bot.web import kept
from bot.web.parts import Parts

_View = TypeVar("_View", bound=Callable[..., ResponseReturnValue])

# The provider's posts never come here (webhooks.py). The style sheets say nothing about anybody; a family's
# chat page opens with the token in its address, a system pushes files with one in a header. Who may read the
# figures, watched.py asks itself.
OPEN = frozenset(
    {
        "static",
        "sign_in.form",
        "sign_in.enter",
        "sign_in.code",
        "sign_in.check_code",
        "sign_in.district",
        "sign_in.from_district",
        "sign_in.password",
        "sign_in.set_password",
        "push.take_in",
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
ASKED_BY_PAGES = frozenset(
    {
        "desk.queue_news",
        "desk.family_news",
        "desk.alarm",
        "desk.standstill",
        "desk.looking",
        "desk.today_news",
    }
)
# What somebody may do who must set up a second factor first.
BEFORE_A_SECOND_FACTOR = frozenset(
    {"desk.account", "desk.begin_factor", "desk.confirm_factor", "sign_in.leave"}
)
# What the page's script says when somebody has typed into it (typed.js).
_TYPED = "Presente-Typed"

TOKEN = "token"  # noqa: S105 - the name of the cookie's entry
_FORMS = "csrf_token"


def install(app: Flask, parts: Parts) -> None:
    @app.before_request
    def _only_staff() -> ResponseReturnValue | None:
        if request.endpoint is None or is_open(request.endpoint):
            return None
        member = _signed_in(parts, at_work=request.endpoint not in ASKED_BY_PAGES)
        if member is None:
            return _to_sign_in(parts)
        g.me = member
        if request.method == "POST":
            request.max_content_length = kept.LARGEST_BODY
        if parts.second_factor_required and not member.two_factors:
            away = _to_the_second_factor(request.endpoint)
            if away is not None:
                return away
        if not may_go(app, request.endpoint):
            abort(403)
        return None

    @app.after_request
    def _was_sent(response: Response) -> Response:
        """What was kept for somebody and has now been sent is kept no longer."""
        if request.method == "POST" and response.status_code in (204, 302, 303) and is_somebody():
            kept.sent(parts, me().id)
        return response


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


def is_somebody() -> bool:
    """Whether this request is from somebody signed in."""
    return "me" in g


def token() -> str:
    """The token of this browser's session, of one that has ended too; "" without one."""
    found = session.get(TOKEN)
    return found if isinstance(found, str) else ""


def enter(token: str, *, same_person: bool = False) -> None:
    """Carry the session's token in the browser's cookie, and nothing of an earlier visitor.

    When it is the *same_person* who comes back, the forms in their other tabs stay good.
    """
    stays = {name: session[name] for name in (_FORMS, kept.COOKIE) if name in session}
    session.clear()
    if not same_person:
        stays.pop(_FORMS, None)
    session.update(stays)
    session[TOKEN] = token


def enter_from_the_phones(token: str) -> None:
    """As above, for a visitor of the demo: the forms of the phones in the other tab stay good."""
    session[TOKEN] = token


def leave() -> None:
    """Nothing of the visit stays but whose it was: what is still open in another tab can be kept for them."""
    stays = {name: session[name] for name in (TOKEN, _FORMS, kept.COOKIE) if name in session}
    session.clear()
    session.update(stays)


def _signed_in(parts: Parts, *, at_work: bool) -> StaffMember | None:
    if not token():
        return None
    with parts.database.begin() as database:
        return staff.who(database, token(), parts.now, at_work=at_work)


def _to_sign_in(parts: Parts) -> ResponseReturnValue:
    if request.endpoint in ASKED_BY_PAGES and _TYPED in request.headers:
        return (
            "",
            401,
        )  # leave the page as it is: somebody has typed into it, and it is kept when they send it
    if request.method == "POST":
        refused = kept.keep(parts, token())
        if refused:
            return refused
    if "HX-Request" in request.headers:
        # A page that refreshes itself cannot follow a redirect to a whole page; it must go there.
        return "", 401, {"HX-Redirect": url_for("sign_in.form")}
    back = request.path if request.method == "GET" else None
    return redirect(url_for("sign_in.form", next=back), 303)


def _to_the_second_factor(endpoint: str) -> ResponseReturnValue | None:
    if endpoint in BEFORE_A_SECOND_FACTOR:
        return None
    if endpoint in ASKED_BY_PAGES:
        return "", 204
    if "HX-Request" in request.headers:
        return "", 401, {"HX-Redirect": url_for("desk.account")}
    return redirect(url_for("desk.account"), 303)
