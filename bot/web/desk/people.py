"""The staff list: who works the desk, in which role, for which schools; added, disabled and let in again here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bot import staff
from bot.access import Act
from bot.staff import Colleague, SchoolSeen, StaffRefused
from bot.vocabulary import Role
from bot.web import guard, times, words
from bot.web.desk import sent
from bot.web.desk.queue import zones_by_school
from bot.web.parts import Parts

_SCHOOLS_NAMED = 3


@dataclass(frozen=True)
class Line:
    """One staff member in the list."""

    id: int
    name: str
    email: str
    role: str
    schools: str
    seen: str
    ways: str
    active: bool


def add(page: Blueprint, parts: Parts) -> None:
    @page.get("/people")
    @guard.needs(Act.STAFF)
    def people() -> ResponseReturnValue:
        return _list(parts)

    @page.post("/people")
    @guard.needs(Act.STAFF)
    def add_person() -> ResponseReturnValue:
        """Not a redirect: the link is on this answer and nowhere else."""
        form = request.form
        email = form.get("email", "")
        try:
            with parts.database.begin() as database:
                member = staff.add(
                    database,
                    email=email,
                    name=form.get("name", ""),
                    role=_role(form.get("role")),
                    schools=sent.numbers("school"),
                    now=parts.now,
                    by=guard.me().id,
                )
                link = staff.make_link(database, email, now=parts.now, by=guard.me().id)
        except StaffRefused as why:
            return _list(parts, wrong=_sentence(why)), 409
        return _one(parts, member, link=link)

    @page.get("/people/<int:staff_id>")
    @guard.needs(Act.STAFF)
    def person(staff_id: int) -> ResponseReturnValue:
        return _one(parts, staff_id)

    @page.post("/people/<int:staff_id>/link")
    @guard.needs(Act.STAFF)
    def make_password_link(staff_id: int) -> ResponseReturnValue:
        """Not a redirect, as above. A reload makes another link, and this one opens nothing any more."""
        email = _colleague(parts, staff_id).email
        try:
            with parts.database.begin() as database:
                link = staff.make_link(database, email, now=parts.now, by=guard.me().id)
        except StaffRefused as why:
            return _one(parts, staff_id, wrong=_sentence(why)), 409
        return _one(parts, staff_id, link=link)

    @page.post("/people/<int:staff_id>/change")
    @guard.needs(Act.STAFF)
    def change_person(staff_id: int) -> ResponseReturnValue:
        schools = sent.numbers("school")

        def both(database: object, email: str, **more: object) -> None:
            chosen = _role(request.form.get("role"))
            staff.change_role(database, email, chosen, **more)  # type: ignore[arg-type]
            staff.assign(database, email, schools, **more)  # type: ignore[arg-type]

        return _change(parts, staff_id, both, "Changed.")

    @page.post("/people/<int:staff_id>/disable")
    @guard.needs(Act.STAFF)
    def disable_person(staff_id: int) -> ResponseReturnValue:
        return _change(parts, staff_id, staff.disable, "Disabled, and signed out everywhere.")

    @page.post("/people/<int:staff_id>/enable")
    @guard.needs(Act.STAFF)
    def enable_person(staff_id: int) -> ResponseReturnValue:
        return _change(parts, staff_id, staff.enable, "Enabled. The password is the one from before.")

    @page.post("/people/<int:staff_id>/end-sessions")
    @guard.needs(Act.STAFF)
    def end_sessions_of_person(staff_id: int) -> ResponseReturnValue:
        return _change(parts, staff_id, _end_sessions, "Signed out everywhere.")

    @page.post("/people/<int:staff_id>/factor-off")
    @guard.needs(Act.STAFF)
    def switch_off_factor_of_person(staff_id: int) -> ResponseReturnValue:
        return _change(parts, staff_id, _switch_off_factor, "The second factor is off.")

    @page.post("/people/<int:staff_id>/forget-district")
    @guard.needs(Act.STAFF)
    def forget_district_of_person(staff_id: int) -> ResponseReturnValue:
        return _change(parts, staff_id, _forget_identity, "The account at the district is let go.")


def _end_sessions(database: object, email: str, *, now: datetime, by: int) -> None:
    staff.end_sessions(database, staff.id_of(database, email), now=now, by=by)  # type: ignore[arg-type]


def _switch_off_factor(database: object, email: str, *, now: datetime, by: int) -> None:
    staff.switch_off_factor(database, staff.id_of(database, email), now=now, by=by)  # type: ignore[arg-type]


def _forget_identity(database: object, email: str, *, now: datetime, by: int) -> None:
    staff.forget_identity(database, staff.id_of(database, email), now=now, by=by)  # type: ignore[arg-type]


def _change(parts: Parts, staff_id: int, act: Callable[..., object], done: str) -> ResponseReturnValue:
    email = _colleague(parts, staff_id).email
    try:
        with parts.database.begin() as database:
            act(database, email, now=parts.now, by=guard.me().id)
    except StaffRefused as why:
        return _one(parts, staff_id, wrong=_sentence(why)), 409
    flash(done)
    return redirect(url_for("desk.person", staff_id=staff_id), 303)


def _colleague(parts: Parts, staff_id: int) -> Colleague:
    with parts.database.look() as database:
        found = staff.colleague(database, staff_id, since=parts.now - staff.SEEN_WITHIN)
    if found is None:
        abort(404)
    return found


def _list(parts: Parts, *, wrong: str = "") -> str:
    with parts.database.look() as database:
        found = staff.colleagues(database, since=parts.now - staff.SEEN_WITHIN)
        schools = staff.schools_seen(database, guard.me())
    names = {school.id: school.name for school in schools}
    zone = zones_by_school(schools)[""]
    lines = [_line(each, names, zone, parts.now) for each in found]
    return render_template(
        "desk/people.html",
        at_work=[line for line in lines if line.active],
        disabled=[line for line in lines if not line.active],
        schools=schools,
        roles=_roles(),
        chosen=set(sent.numbers("school")),
        chosen_role=request.form.get("role", Role.SPECIALIST.value),
        typed=request.form,
        wrong=wrong,
    )


def _one(parts: Parts, staff_id: int, *, link: str = "", wrong: str = "") -> str:
    now = parts.now
    with parts.database.look() as database:
        found = staff.colleague(database, staff_id, since=now - staff.SEEN_WITHIN)
        if found is None:
            abort(404)
        schools: Sequence[SchoolSeen] = staff.schools_seen(database, guard.me())
        open_ones = staff.sessions_of(database, staff_id, now=now)
    zone = zones_by_school(schools)[""]
    return render_template(
        "desk/person.html",
        person=found,
        seen=times.said(found.seen_at, zone, now) if found.seen_at else "",
        role=words.ROLE[found.role],
        roles=_roles(),
        schools=schools,
        signed_in=[
            f"{each.browser or 'A browser'}, last seen {times.said(each.seen_at, zone, now)}"
            for each in open_ones
        ],
        link=parts.public_url + url_for("sign_in.password", token=link) if link else "",
        link_ends=times.said(now + staff.LINK_LASTS, zone, now) if link else "",
        wrong=wrong,
    )


def _line(each: Colleague, names: Mapping[int, str], zone: ZoneInfo, now: datetime) -> Line:
    theirs = sorted(names[school] for school in each.schools if school in names)
    if each.role is Role.DISTRICT_ADMINISTRATOR or (names and len(theirs) == len(names)):
        schools = "every school"
    elif len(theirs) > _SCHOOLS_NAMED:
        schools = f"{', '.join(theirs[:_SCHOOLS_NAMED])} and {len(theirs) - _SCHOOLS_NAMED} more"
    else:
        schools = ", ".join(theirs) or "none yet"
    ways = [
        said
        for said, there in (
            ("password", each.has_password),
            ("second factor", each.has_factor),
            ("district", each.bound),
        )
        if there
    ]
    seen = times.said(each.seen_at, zone, now) if each.seen_at else "never"
    return Line(
        each.id,
        each.name,
        each.email,
        words.ROLE[each.role],
        schools,
        seen,
        ", ".join(ways) or "none yet",
        each.active,
    )


def _roles() -> list[tuple[str, str]]:
    return [(role.value, words.ROLE[role]) for role in Role]


def _role(given: str | None) -> Role:
    try:
        return Role(given or "")
    except ValueError:
        raise StaffRefused("choose a role from the list") from None


def _sentence(why: StaffRefused) -> str:
    said = str(why)
    return said[0].upper() + said[1:] + ("" if said.endswith(".") else ".")
