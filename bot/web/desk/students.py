"""The student list: filtered, sorted, fifty a page, and the same as a file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlencode

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from bot import audit, export, staff
from bot.access import Act
from bot.clock import school_day
from bot.measures import Tier
from bot.reports import students as listed
from bot.reports.students import Asked, Line, Order
from bot.staff import SchoolSeen
from bot.vocabulary import Barrier
from bot.web import guard, times, words
from bot.web.desk.queue import zones_by_school
from bot.web.parts import Parts

CHRONIC = "chronic"
_LONGEST_NAME = 80
_MOST_DAYS = 60

TIERS = {
    Tier.SATISFACTORY: "under 5 %",
    Tier.AT_RISK: "5 to 9 %",
    Tier.MODERATE: "10 to 19 %",
    Tier.SEVERE: "20 % and more",
}
_ORDERS = {
    Order.RATE: "Most school missed first",
    Order.STREAK: "Longest time away first",
    Order.CONTACT: "Longest without contact first",
    Order.NAME: "By name",
    Order.SCHOOL: "By school",
}
_COLUMNS = (
    "student", "name", "grade", "school", "counted up to", "days enrolled", "days absent", "excused", "unexcused",
    "disciplinary", "rate", "tier", "days away in a row", "last contact", "open barriers", "plan tier",
)  # fmt: skip


@dataclass(frozen=True)
class Filters:
    """What the form holds, as it was chosen; an empty one asks for everybody of one's schools."""

    school: str = ""
    tier: str = ""
    grade: str = ""
    barrier: str = ""
    streak: str = ""
    silent: str = ""
    name: str = ""
    order: str = Order.RATE.value

    @property
    def chosen(self) -> dict[str, str]:
        """As they stand in an address, without what was left open."""
        return {
            name: value
            for name, value in vars(self).items()
            if value and (name, value) != ("order", Order.RATE.value)
        }

    def address(self, **other: str) -> str:
        return urlencode(replace(self, **other).chosen)


@dataclass(frozen=True)
class Row:
    """One line of the list, in the words in which staff read it."""

    line: Line
    tier: str
    rate: str
    last_contact: str
    barriers: str


def add(page: Blueprint, parts: Parts) -> None:
    @page.get("/students")
    @guard.needs(Act.READ)
    def students() -> ResponseReturnValue:
        me, now = guard.me(), parts.now
        filters = _filters()
        with parts.database.look() as session:
            schools = staff.schools_seen(session, me)
            asked = _asked(filters, schools, now)
            tiers, unmeasured = listed.by_tier(session, asked)
            number = (
                sum(tiers[each] for each in asked.tiers) if asked.tiers else sum(tiers.values()) + unmeasured
            )
            pages = max(1, -(-number // listed.PAGE))
            at = min(max(request.args.get("page", 1, type=int), 1), pages)
            lines = listed.lines(session, asked, start=(at - 1) * listed.PAGE)
            grades = listed.grades(session, me.schools)
        return render_template(
            "desk/students.html",
            filters=filters,
            schools=schools,
            grades=grades,
            tiers=[(each, TIERS[each], count) for each, count in tiers.items()],
            unmeasured=unmeasured,
            everybody=sum(tiers.values()) + unmeasured,
            barriers=words.BARRIER,
            orders=_ORDERS,
            chronic=CHRONIC,
            rows=[row_of(line, now) for line in lines],
            number=number,
            at=at,
            pages=pages,
            first=(at - 1) * listed.PAGE + 1,
            through=max((line.day for line in lines if line.day), default=None),
            day_said=times.day_said,
            may_export=me.can(Act.EXPORT),
        )

    @page.get("/students.csv")
    @guard.needs(Act.EXPORT)
    def students_csv() -> ResponseReturnValue:
        rows = _carried_out(parts, "CSV")
        return export.csv_file(_COLUMNS, rows), as_file(export.CSV, "students.csv")

    @page.get("/students.xlsx")
    @guard.needs(Act.EXPORT)
    def students_workbook() -> ResponseReturnValue:
        rows = _carried_out(parts, "Excel")
        return export.workbook([("Students", _COLUMNS, rows)]), as_file(export.XLSX, "students.xlsx")


def as_file(kind: str, name: str) -> dict[str, str]:
    return {"Content-Type": kind, "Content-Disposition": f'attachment; filename="{name}"'}


def _carried_out(parts: Parts, kind: str) -> list[list[export.Cell]]:
    """Everybody the filters ask for; that somebody took the list along is written down."""
    me, now, filters = guard.me(), parts.now, _filters()
    with parts.database.begin() as session:
        asked = _asked(filters, staff.schools_seen(session, me), now)
        rows = _cells(listed.lines(session, asked, most=None))
        detail = f"{len(rows)} students as {kind}; {filters.address() or 'everybody'}"
        audit.note(session, me.id, "list_exported", now=now, detail=detail)
    return rows


def _cells(lines: Sequence[Line]) -> list[list[export.Cell]]:
    return [
        [
            line.number,
            line.name,
            line.grade,
            line.school,
            line.day,
            line.enrolled,
            line.absent,
            line.excused,
            line.unexcused,
            line.disciplinary,
            None if line.rate is None else round(line.rate, 4),
            TIERS[line.tier] if line.tier else "",
            line.streak,
            line.last_contact_at.astimezone(line.zone).strftime("%Y-%m-%d %H:%M")
            if line.last_contact_at
            else "",
            ", ".join(words.BARRIER[barrier] for barrier in line.barriers),
            line.plan_tier,
        ]
        for line in lines
    ]


def _filters() -> Filters:
    given = {name: request.args.get(name, "").replace("\x00", "").strip() for name in vars(Filters())}
    given["name"] = given["name"][:_LONGEST_NAME]
    given["order"] = given["order"] if given["order"] in set(Order) else Order.RATE.value
    return Filters(**given)


def _asked(filters: Filters, schools: Sequence[SchoolSeen], now: datetime) -> Asked:
    """What the filters ask for. One that cannot be, such as another's school, asks for nothing more."""
    mine = frozenset(school.id for school in schools)
    chosen = int(filters.school) if filters.school.isascii() and filters.school.isdigit() else 0
    tiers = frozenset({Tier(filters.tier)}) if filters.tier in set(Tier) else frozenset()
    if filters.tier == CHRONIC:
        tiers = frozenset({Tier.MODERATE, Tier.SEVERE})
    return Asked(
        schools=frozenset({chosen}) & mine if filters.school else mine,
        today=school_day(now, zones_by_school(schools)[""]),
        tiers=tiers,
        grade=filters.grade,
        barrier=Barrier(filters.barrier) if filters.barrier in set(Barrier) else None,
        streak=_days(filters.streak),
        silent=_days(filters.silent),
        name=filters.name,
        order=Order(filters.order),
    )


def _days(typed: str) -> int:
    return min(int(typed), _MOST_DAYS) if typed.isascii() and typed.isdigit() and len(typed) < 4 else 0


def row_of(line: Line, now: datetime) -> Row:
    contact = line.last_contact_at
    return Row(
        line=line,
        tier=TIERS[line.tier] if line.tier else "no marks yet",
        rate="" if line.rate is None else f"{line.rate:.1%}".replace("%", " %"),
        last_contact=times.said(contact, line.zone, now) if contact else "none",
        barriers=", ".join(words.BARRIER[barrier] for barrier in line.barriers),
    )
