"""One's own account: password, second factor, and where one is signed in."""

from dataclasses import dataclass

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from bot import staff
from bot.access import Act
from bot.staff import StaffRefused
from bot.store.tables import WayIn
from bot.web import guard, kept, times, words
from bot.web.desk.queue import zones_by_school
from bot.web.parts import Parts


@dataclass(frozen=True)
class Place:
    """Where one is signed in, as the page tells it."""

    handle: str
    browser: str
    way: str
    since: str
    seen: str
    here: bool


def add(page: Blueprint, parts: Parts) -> None:
    sealer = staff.Sealer(parts.secret_key)

    @page.get("/account")
    @guard.needs(Act.OWN_ACCOUNT)
    def account() -> ResponseReturnValue:
        return _show(parts, sealer)

    _password(page, parts, sealer)
    _factor(page, parts, sealer)
    _sessions(page, parts)


def _password(page: Blueprint, parts: Parts, sealer: staff.Sealer) -> None:
    @page.post("/account/password")
    @guard.needs(Act.OWN_ACCOUNT)
    def change_password() -> ResponseReturnValue:
        form = request.form
        if form.get("new_password") != form.get("again_password"):
            return _show(parts, sealer, wrong_password=_NOT_THE_SAME), 422
        attempt = _try_password(parts)
        if attempt.wait is not None:
            return _show(parts, sealer, wrong_password=_TOO_MANY), 429
        try:
            with parts.database.begin() as database:
                staff.change_password(
                    database,
                    guard.me().id,
                    form.get("old_password", ""),
                    form.get("new_password", ""),
                    now=parts.now,
                    but=guard.token(),
                )
                staff.let_in(database, attempt, now=parts.now)
        except StaffRefused as why:
            return _show(parts, sealer, wrong_password=_sentence(why)), 422
        flash("Your password is changed. Every other browser was signed out.")
        return redirect(url_for("desk.account"), 303)


def _factor(page: Blueprint, parts: Parts, sealer: staff.Sealer) -> None:
    @page.post("/account/factor")
    @guard.needs(Act.OWN_ACCOUNT)
    def begin_factor() -> ResponseReturnValue:
        try:
            with parts.database.begin() as database:
                staff.begin_factor(database, guard.me().id, sealer, now=parts.now)
        except StaffRefused as why:
            return _show(parts, sealer, wrong_factor=str(why)), 409
        return redirect(url_for("desk.account", _anchor="factor"), 303)

    @page.post("/account/factor/confirm")
    @guard.needs(Act.OWN_ACCOUNT)
    def confirm_factor() -> ResponseReturnValue:
        """Not a redirect: the recovery codes are on this answer and nowhere else."""
        attempt = staff.begin_try(
            parts.database, f"first code of {guard.me().id}", source="code", now=parts.now
        )
        if attempt.wait is not None:
            return _show(parts, sealer, wrong_factor=_TOO_MANY), 429
        try:
            with parts.database.begin() as database:
                codes = staff.confirm_factor(
                    database, guard.me().id, request.form.get("code", ""), sealer, now=parts.now
                )
                staff.let_in(database, attempt, now=parts.now)
        except StaffRefused as why:
            return _show(parts, sealer, wrong_factor=str(why)), 422
        return render_template("desk/recovery_codes.html", codes=codes, alarm=False)

    @page.post("/account/factor/off")
    @guard.needs(Act.OWN_ACCOUNT)
    def switch_off_factor() -> ResponseReturnValue:
        me = guard.me()
        attempt = _try_password(parts)
        if attempt.wait is not None:
            return _show(parts, sealer, wrong_factor=_TOO_MANY), 429
        with parts.database.begin() as database:
            right = staff.password_is(database, me.id, request.form.get("password", ""))
            if right:
                staff.let_in(database, attempt, now=parts.now)
                staff.switch_off_factor(database, me.id, now=parts.now, by=me.id)
        if not right:
            return _show(
                parts, sealer, wrong_factor="That is not your password. The second factor stays on."
            ), 422
        flash("The second factor is off.")
        return redirect(url_for("desk.account"), 303)


def _sessions(page: Blueprint, parts: Parts) -> None:
    @page.post("/account/sessions/end")
    @guard.needs(Act.OWN_ACCOUNT)
    def end_session() -> ResponseReturnValue:
        with parts.database.begin() as database:
            ended = staff.end_session(database, guard.me().id, request.form.get("which", ""), now=parts.now)
        flash("That browser is signed out." if ended else "That browser was signed out already.")
        return redirect(url_for("desk.account", _anchor="sessions"), 303)

    @page.post("/account/sessions/end-others")
    @guard.needs(Act.OWN_ACCOUNT)
    def end_other_sessions() -> ResponseReturnValue:
        with parts.database.begin() as database:
            ended = staff.end_sessions(
                database, guard.me().id, now=parts.now, but=guard.token(), by=guard.me().id
            )
        flash(
            "One other browser was signed out." if ended == 1 else f"{ended} other browsers were signed out."
        )
        return redirect(url_for("desk.account", _anchor="sessions"), 303)


_NOT_THE_SAME = "The two new ones are not the same. Type both again."
_TOO_MANY = "Too many wrong tries. Wait 15 minutes, then try again."


def _try_password(parts: Parts) -> staff.Try:
    """Somebody at a screen that was left open must not guess on."""
    return staff.begin_try(parts.database, f"password of {guard.me().id}", source="account", now=parts.now)


def _show(parts: Parts, sealer: staff.Sealer, *, wrong_password: str = "", wrong_factor: str = "") -> str:
    me, now = guard.me(), parts.now
    with parts.database.look() as database:
        mine = staff.colleague(database, me.id, since=now)
        schools = staff.schools_seen(database, me)
        kept_factor = staff.factor_of(database, me.id, sealer)
        open_ones = staff.sessions_of(database, me.id, now=now, token=guard.token())
    zone = zones_by_school(schools)[""]
    return render_template(
        "desk/account.html",
        role=words.ROLE[me.role],
        schools=[school.name for school in schools],
        has_password=bool(mine and mine.has_password),
        bound=bool(mine and mine.bound),
        wrong_password=wrong_password,
        wrong_factor=wrong_factor,
        factor=kept_factor,
        since=times.said(kept_factor.confirmed_at, zone, now)
        if kept_factor and kept_factor.confirmed_at
        else "",
        picture=_picture(kept_factor.address) if kept_factor and kept_factor.address else "",
        must=parts.second_factor_required and not me.two_factors,
        required=parts.second_factor_required,
        signed_in=[
            Place(
                each.handle,
                each.browser or "A browser",
                _WAYS[each.way],
                times.said(each.opened_at, zone, now),
                times.said(each.seen_at, zone, now),
                each.here,
            )
            for each in open_ones
        ],
        waiting=len(kept.mine(parts, me.id)),
        shortest=staff.SHORTEST_PASSWORD,
    )


_WAYS = {
    WayIn.PASSWORD: "with a password",
    WayIn.DISTRICT: "by the district's sign-in",
    WayIn.DEMO: "from the families' phones",
}


def _picture(address: str) -> Markup:
    """What a telephone's camera reads, drawn here: the secret goes to no other machine."""
    import segno

    # It holds what was just drawn from numbers and our own address: nothing anybody typed is in it as markup.
    return Markup(segno.make(address, error="m").svg_inline(border=3, light="#fff", omitsize=True))  # noqa: S704


def _sentence(why: StaffRefused) -> str:
    said = str(why)
    return said[0].upper() + said[1:] + ("" if said.endswith(".") else ".")
