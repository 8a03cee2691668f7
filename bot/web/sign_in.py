"""Sign in, with a password and perhaps a code or by the district's own sign-in, and out again."""

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import (
    Blueprint,
    Response,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from itsdangerous import BadSignature, URLSafeSerializer

from bot import audit, staff
from bot.access import Act
from bot.staff import District, Pending, SignInRefused, StaffRefused, Try
from bot.store.tables import WayIn
from bot.web import guard, kept
from bot.web.came_from import browser_said, came_from
from bot.web.parts import Parts

# Only to the desk's own pages: an address from outside must not lead a staff member elsewhere.
_DESK_PAGE = re.compile(r"/desk/[A-Za-z0-9/-]*")
_HALF = "half"  # whose password was right, and who still owes a code
_HALF_LASTS = timedelta(minutes=10)
_AT_DISTRICT = "at_district"
_BROWSER = "presente_browser"
_BROWSER_LASTS = timedelta(days=400)
_NO_MATCH = "This e-mail address and password do not belong together. Check both and try again."
_NO_CODE = "That code is not right, or was used before. Wait for the next one and type it again."


def pages(parts: Parts) -> Blueprint:
    page = Blueprint("sign_in", __name__)
    come_in = _ComeIn(parts)
    _with_password(page, parts, come_in)
    _with_code(page, parts, come_in)
    if parts.district is not None:
        _with_district(page, parts, come_in, parts.district)
    _by_link(page, parts)
    _what_was_kept(page, parts)

    if not parts.simulated_phones:  # else the families' phones are what a visitor sees first

        @page.get("/")
        def front() -> ResponseReturnValue:
            return redirect(url_for("desk.today"), 303)

    @page.post("/sign-out")
    def leave() -> ResponseReturnValue:
        with parts.database.begin() as database:
            staff.sign_out(database, guard.token(), now=parts.now)
            audit.note(database, guard.me().id, "sign_out", now=parts.now)
        guard.leave()
        flash("You are signed out.")
        return redirect(url_for("sign_in.form"), 303)

    return page


def _with_password(page: Blueprint, parts: Parts, come_in: "_ComeIn") -> None:
    sealer = staff.Sealer(parts.secret_key)

    @page.get("/sign-in")
    def form() -> ResponseReturnValue:
        return _form(parts, request.args.get("next", ""))

    @page.post("/sign-in")
    def enter() -> ResponseReturnValue:
        email, password = request.form.get("email", ""), request.form.get("password", "")
        back = request.form.get("next", "")
        attempt = come_in.begin(email)
        if attempt.wait is not None:
            return _form(parts, back, email, _wait(attempt.wait, "or have your password reset")), 429
        with parts.database.look() as database:
            member = staff.who_is(database, email, password)
            factor = staff.factor_of(database, member, sealer) if member is not None else None
        if member is None:
            return _form(parts, back, email, _NO_MATCH), 422
        with parts.database.begin() as database:
            failures = staff.let_in(database, attempt, now=parts.now)
            staff.refresh_hash(database, member, password)
        if factor is not None and factor.confirmed_at is not None:
            session[_HALF] = {
                "id": member,
                "at": parts.now.timestamp(),
                "back": back,
                "address": email[:255],
                "failures": failures,
            }
            return redirect(url_for("sign_in.code"), 303)
        return come_in(member, WayIn.PASSWORD, back, failures)


def _with_code(page: Blueprint, parts: Parts, come_in: "_ComeIn") -> None:
    sealer = staff.Sealer(parts.secret_key)

    @page.get("/sign-in/code")
    def code() -> ResponseReturnValue:
        if _half(parts.now) is None:
            return redirect(url_for("sign_in.form"), 303)
        return render_template("sign_in_code.html", wrong="")

    @page.post("/sign-in/code")
    def check_code() -> ResponseReturnValue:
        half = _half(parts.now)
        if half is None:
            flash("That took too long. Sign in again.")
            return redirect(url_for("sign_in.form"), 303)
        # Whoever comes so far knows the password: these are counted for the account, from anywhere.
        attempt = staff.begin_try(parts.database, f"code of {half['id']}", source="code", now=parts.now)
        if attempt.wait is not None:
            return render_template("sign_in_code.html", wrong=_wait(attempt.wait, "or ask the office")), 429
        with parts.database.begin() as database:
            right = staff.factor_says(
                database, half["id"], request.form.get("code", ""), sealer, now=parts.now
            )
            if right:
                staff.let_in(database, attempt, now=parts.now)
        if not right:
            return render_template("sign_in_code.html", wrong=_NO_CODE), 422
        return come_in(half["id"], WayIn.PASSWORD, half["back"], half["failures"])


def _with_district(page: Blueprint, parts: Parts, come_in: "_ComeIn", district_of: District) -> None:
    @page.post("/sign-in/district")
    def district() -> ResponseReturnValue:
        back = request.form.get("next", "")
        try:
            address, pending = district_of.begin(_returns_to(parts), now=parts.now)
        except SignInRefused as why:
            return _form(parts, back, "", str(why)), 503
        session[_AT_DISTRICT] = [pending.state, pending.nonce, pending.verifier, back]
        return redirect(address, 303)

    @page.get("/sign-in/from-district")
    def from_district() -> ResponseReturnValue:
        begun = session.pop(_AT_DISTRICT, None)  # good once, whatever comes of it
        if not isinstance(begun, list) or len(begun) != 4:
            # A portal that leads here by itself brings nothing that we began: begin here.
            return _form(parts, "", "", "Begin the sign-in on this page."), 422
        *pending, back = begun
        try:
            identity = district_of.finish(Pending(*pending), request.args, _returns_to(parts), now=parts.now)
            with parts.database.begin() as database:
                member = staff.by_identity(database, identity, now=parts.now).id
        except SignInRefused as why:
            return _form(parts, back, "", str(why)), 422
        return come_in(member, WayIn.DISTRICT, back, 0)


def _by_link(page: Blueprint, parts: Parts) -> None:
    @page.get("/set-password/<token>")
    def password(token: str) -> ResponseReturnValue:
        return _password_form(parts, token)

    @page.post("/set-password/<token>")
    def set_password(token: str) -> ResponseReturnValue:
        new, again = request.form.get("new_password", ""), request.form.get("again_password", "")
        if new != again:
            return _password_form(parts, token, "The two are not the same. Type both again."), 422
        try:
            with parts.database.begin() as database:
                staff.use_link(database, token, new, now=parts.now)
        except StaffRefused as why:
            return _password_form(parts, token, str(why)), 422
        flash("Your password is set. Sign in with it.")
        return redirect(url_for("sign_in.form"), 303)


def _what_was_kept(page: Blueprint, parts: Parts) -> None:
    @page.get("/sign-in/kept")
    @guard.needs(Act.OWN_ACCOUNT)
    def kept_forms() -> ResponseReturnValue:
        forms = kept.mine(parts, guard.me().id)
        if not forms:
            return redirect(url_for("desk.today"), 303)
        return render_template("sign_in_kept.html", forms=[kept.shown(form) for form in forms])

    @page.post("/sign-in/kept/drop")
    @guard.needs(Act.OWN_ACCOUNT)
    def drop_kept() -> ResponseReturnValue:
        kept.drop(parts, guard.me().id, request.form.get("which", ""))
        flash("Thrown away.")
        return redirect(url_for("sign_in.kept_forms"), 303)


class _ComeIn:
    """The last step of every way in: a new session, a browser that is known from now on, and back to work."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._signer = URLSafeSerializer(parts.secret_key, salt="browser")

    def begin(self, email: str) -> Try:
        """Count a try from this browser, or from where it came if nobody knows the browser."""
        source = came_from(request, self._parts.proxies)
        return staff.begin_try(
            self._parts.database, email, source=source, browser=self._browser(), now=self._parts.now
        )

    def __call__(self, staff_id: int, way: WayIn, back: str, failures: int) -> Response:
        parts = self._parts
        with parts.database.begin() as database:
            before = guard.token()
            same_person = bool(before) and staff.was(database, before) == staff_id
            staff.sign_out(database, before, now=parts.now)
            said = browser_said(request.headers.get("User-Agent", ""))
            token = staff.open_session(database, staff_id, now=parts.now, way=way, browser=said)
            browser = staff.remember_browser(database, staff_id, self._browser(), now=parts.now)
            tries = f", after {failures} tries that failed within a day" if failures else ""
            audit.note(database, staff_id, "sign_in", detail=f"{said or 'a browser'}{tries}", now=parts.now)
        guard.enter(token, same_person=same_person)
        to = back if _DESK_PAGE.fullmatch(back) else url_for("desk.today")
        if kept.mine(parts, staff_id):
            to = url_for("sign_in.kept_forms")
        answer = make_response(redirect(to, 303))
        answer.set_cookie(
            _BROWSER,
            str(self._signer.dumps(browser)),
            max_age=_BROWSER_LASTS,
            httponly=True,
            samesite="Lax",
            secure=parts.public_url.startswith("https://"),
        )
        return answer

    def _browser(self) -> str:
        try:
            found = self._signer.loads(request.cookies.get(_BROWSER, ""))
        except BadSignature:
            return ""
        return found if isinstance(found, str) else ""


def _form(parts: Parts, back: str, email: str = "", wrong: str = "") -> str:
    return render_template(
        "sign_in.html",
        back=back,
        email=email,
        wrong=wrong,
        simulated=parts.simulated_phones,
        district=parts.district.label if parts.district else "",
    )


def _password_form(parts: Parts, token: str, wrong: str = "") -> str:
    with parts.database.look() as database:
        email = staff.link_opens(database, token, now=parts.now)
    return render_template(
        "set_password.html", email=email, token=token, wrong=wrong, shortest=staff.SHORTEST_PASSWORD
    )


def _half(now: datetime) -> dict[str, Any] | None:
    half = session.get(_HALF)
    if not isinstance(half, dict):
        return None
    begun = datetime.fromtimestamp(half["at"], UTC)
    return half if begun <= now < begun + _HALF_LASTS else None


def _returns_to(parts: Parts) -> str:
    return parts.public_url + url_for("sign_in.from_district")


def _wait(wait: timedelta, otherwise: str) -> str:
    minutes = max(1, math.ceil(wait.total_seconds() / 60))
    how_long = "a minute" if minutes == 1 else f"{minutes} minutes"
    return f"Too many tries for this address. Wait {how_long}, {otherwise}."
