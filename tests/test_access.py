"""Who may reach what: every role, every route of the application, one's own school and another's."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, time
from enum import StrEnum
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, Table, select
from sqlalchemy.orm import Session
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from bot import access
from bot.access import Act
from bot.advance import Script
from bot.store import tables
from bot.store.session import Database, connect
from bot.understanding import Understanding
from bot.vocabulary import Role
from bot.web import guard
from tests.builders import FRIDAY, NOW, a_guardian, a_school, a_staff_member, a_student, absent, number_of
from tests.conftest import ROOT
from tests.town import Town
from tests.web import Browser, pages

# --- what an address may name ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """A school with one family, and one of everything that can happen to it."""

    name: str
    school: int
    student: int
    guardian: int
    phone: int
    conversation: int
    member: int
    colleague: int


Example = Callable[[Session, Place], int | str]


def kept(table: type[tables.Table], /, **given: Any) -> Example:
    """A row of this table that belongs to the place; what is not *given* gets the first thing that fits."""

    def make(session: Session, place: Place) -> int:
        row = table(**_fitting(table.__table__, place, given))  # type: ignore[arg-type]
        session.add(row)
        session.flush()
        return int(row.id)  # type: ignore[attr-defined]

    return make


def of_no_school(value: int | str) -> Example:
    """Something that belongs to everybody, or that only the office may touch: the role decides alone."""

    def make(_session: Session, _place: Place) -> int | str:
        return value

    make.everybodys = True  # type: ignore[attr-defined]
    return make


# A new name in an address needs an example here: an object of a school, made by `kept` or by hand.
EXAMPLES: dict[str, Example] = {
    "conversation_id": lambda _, place: place.conversation,
    "student_id": lambda _, place: place.student,
    "school_id": lambda _, place: place.school,
    "barrier_id": kept(tables.BarrierFound, resolved_at=None),
    "text_id": kept(tables.InboundText, sender="+12035550199"),
    "picture_id": lambda session, place: kept(
        tables.Picture, inbound_text_id=EXAMPLES["text_id"](session, place)
    )(session, place),
    "note_id": lambda session, place: _a_note(session, place),  # noqa: PLW0108 - it stands below
    "visit_id": lambda session, place: kept(
        tables.HomeVisit, lead_id=place.member, pair_id=place.colleague, place="a street"
    )(session, place),
    "task_id": kept(tables.Task),
    "referral_id": kept(tables.Referral, partner_id=1),
    "device_id": kept(tables.Device),
    "change_id": kept(tables.SchoolDayChanged),
    "file_id": lambda session, place: kept(
        tables.SchoolFile,
        kind="attendance",
        state=tables.FileState.REJECTED,
        decided_at=NOW,
        decided_by="somebody",
        found={"schools": [{"id": place.school, "name": place.name, "absent": 1}]},
    )(session, place),
    "day": of_no_school(FRIDAY.isoformat()),
    "partner_id": of_no_school(1),
    "staff_id": of_no_school(1),
    "name": of_no_school("absence_check"),
    "key": of_no_school("thank_you"),
    "language": of_no_school("es"),
}

# Behind the guard, and for everybody who is signed in.
NAMES_NO_ACT = {"sign_in.leave", "sign_in.front"}
# At one's own school too there may be nothing there: no earlier words, no server that translates, a list
# of which nobody said which, no replies that staff may choose from.
MAY_BE_EMPTY = {
    "desk.family_earlier",
    "desk.translate",
    "desk.in_english",
    "desk.report_list",
    "desk.reports_csv",
    "desk.mark_reply_reviewed",
}
# Where the page asks for more than the role: whoever dropped a file, or somebody who may approve it.
ASKS_FOR_MORE = {"desk.reject_import"}
# What one press does in every school of the district, by design.
OF_EVERY_SCHOOL = {"desk.press_stop", "desk.press_go"}

_keys = itertools.count(1)


def _fitting(table: Table, place: Place, given: dict[str, Any]) -> dict[str, Any]:
    ids = {
        "schools": place.school,
        "students": place.student,
        "guardians": place.guardian,
        "phones": place.phone,
        "conversations": place.conversation,
        "staff": place.member,
    }
    row = dict(given)
    for column in table.columns:
        if column.name in given:
            continue
        keys = [key.column.table.name for key in column.foreign_keys]
        if column.name in ("school_id", "student_id", "conversation_id"):
            row[column.name] = ids[keys[0]]
        elif not column.primary_key and not column.nullable and column.default is None:
            row[column.name] = ids[keys[0]] if keys else _first_that_fits(column)
    return row


def _first_that_fits(column: Any) -> Any:
    if isinstance(column.type, tables.Instant):
        return NOW
    kind: type[Any] = column.type.python_type
    if issubclass(kind, StrEnum):
        return next(iter(kind))
    fits: dict[type[Any], Any] = {
        str: f"k{next(_keys)}",
        date: FRIDAY,
        time: time(10),
        bool: False,
        int: 1,
        float: 1.0,
        bytes: b"a few bytes",
        object: {},  # JSON
    }
    return fits[kind]


def _a_note(session: Session, place: Place) -> int:
    note = int(kept(tables.Note)(session, place))
    session.add(
        tables.NoteVersion(note_id=note, number=1, words=f"of {place.name}", staff_id=place.member, at=NOW)
    )
    return note


# --- two schools, and everybody -------------------------------------------------------------------------------

# Names that stand nowhere else: an answer that holds one of them has told of that family.
THEIRS = ("Zebulon", "Quackenbush", "Ottoline")


@dataclass
class World:
    """Every role at the first school, one place in each of two, and a browser for each role."""

    town: Town
    app: Flask
    here: Place
    there: Place
    members: dict[Role, tables.Staff]
    objects: dict[tuple[str, str], int | str]

    def browser(self, role: Role) -> Browser:
        return Browser(self.app, self.town).signed_in_as(self.members[role])

    def rules(self, method: str) -> Iterator[Rule]:
        """Every route that takes this method and is not open to strangers."""
        for rule in self.app.url_map.iter_rules():
            if method in (rule.methods or ()) and not guard.is_open(rule.endpoint):
                yield rule

    def address(self, rule: Rule, **of: Place) -> str:
        """The address of a route, with objects of the first school where *of* names no other place."""
        values: dict[str, Any] = {}
        for name in rule.arguments:
            place = of.get(name, self.here)
            if (place.name, name) not in self.objects:
                example = EXAMPLES.get(name) or pytest.fail(
                    f"{rule.rule} names <{name}>, which has no example: add one to EXAMPLES at the top of "
                    "tests/test_access.py, so that another school's can be asked for"
                )
                with self.town.database.begin() as session:
                    self.objects[place.name, name] = example(session, place)
            values[name] = self.objects[place.name, name]
        built = rule.build(values)  # this very rule: an endpoint may have several
        assert built, rule
        return built[1]


def a_place(town: Town, name: str, first: str, family: str, guardian: str) -> tuple[Place, str]:
    with town.database.begin() as session:
        school = a_school(session, name)
        student = a_student(session, school, first, family)
        adult = a_guardian(session, student, name=guardian)
        absent(session, student)
        number = number_of(session, adult)
        member = a_staff_member(session, school, name=f"Ms. {name}")
        colleague = a_staff_member(session, school, name=f"Mr. {name}")
        phone = session.scalars(select(tables.Phone.id).where(tables.Phone.number == number)).one()
    return Place(name, school.id, student.id, adult.id, phone, 0, member.id, colleague.id), number


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory,
    sqlite_template: bytes,
    script: Script,
    understanding: Understanding,
) -> Iterator[World]:
    """Made once: nothing that is refused changes it, which is what these tests are about."""
    path = tmp_path_factory.mktemp("access") / "presente.db"
    path.write_bytes(sqlite_template)
    database = Database(connect(f"sqlite:///{path}"))
    yield a_world(Town(database, script, understanding))
    database.close()


def a_world(town: Town) -> World:
    places = [
        a_place(town, "Burns School", "Maya", "Rivera", "Rosa"),
        a_place(town, "Parkville School", THEIRS[0], THEIRS[1], THEIRS[2]),
    ]
    town.morning()
    for _, number in places:
        town.family_writes(number, "I want to talk to a person, we have no food at home")
    with town.database.begin() as session:
        found = [
            Place(
                **{
                    **place.__dict__,
                    "conversation": session.scalars(
                        select(tables.Conversation.id).where(tables.Conversation.school_id == place.school)
                    ).one(),
                }
            )
            for place, _ in places
        ]
        partner = tables.Partner(name="A pantry", changed_at=NOW)
        session.add(partner)
        here = session.get_one(tables.School, found[0].school)
        members = {role: a_staff_member(session, here, name=role.value, role=role) for role in Role}
    return World(town, pages(town), found[0], found[1], members, {})


def ask(browser: Browser, method: str, address: str, csrf: str = "", **form: Any) -> TestResponse:
    if method == "GET":
        return browser.get(address)
    return browser.ask("POST", address, data={"csrf_token": csrf, **form})


def token_of(browser: Browser) -> str:
    return browser.hidden_fields("/desk/account", "/desk/account/factor")["csrf_token"]


def everybodys(name: str) -> bool:
    return getattr(EXAMPLES.get(name), "everybodys", False)


def tells(answer: TestResponse) -> list[str]:
    """What an answer says of the other school's family, also in a workbook's or picture's bytes."""
    return [name for name in THEIRS if name.encode() in answer.data]


BELOW_THE_DISTRICT = [role for role in Role if role is not Role.DISTRICT_ADMINISTRATOR]


# --- the matrix -----------------------------------------------------------------------------------------------


def test_every_route_behind_the_guard_says_what_it_does(world: World) -> None:
    silent = {
        rule.endpoint
        for rule in world.app.url_map.iter_rules()
        if not guard.is_open(rule.endpoint) and guard.act_of(world.app, rule.endpoint) is None
    }

    assert silent <= NAMES_NO_ACT, "put @guard.needs(Act....) under the route"


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_role_reaches_what_the_table_gives_it_and_nothing_else(town: Town, method: str, role: Role) -> None:
    """At one's own school: 403 where the table says no, and something else where it says yes."""
    world = a_world(town)
    browser = world.browser(role)
    csrf = token_of(browser)
    faults = []
    for rule in list(world.rules(method)):
        act = guard.act_of(world.app, rule.endpoint)
        if act is None or rule.endpoint in ("desk.end_other_sessions", "desk.disable_person"):
            continue
        address = world.address(rule)
        status = ask(browser, method, address, csrf).status_code
        may = access.can(role, [world.here.school], act)
        empty = status == 404 and rule.endpoint in MAY_BE_EMPTY
        if status == 403 and rule.endpoint in ASKS_FOR_MORE:
            continue
        if (status in (401, 403, 404, 405, 500) and not empty) if may else status != 403:
            faults.append(f"{method} {address} ({rule.endpoint}) answers {status}")
    assert not faults


@pytest.mark.parametrize("role", BELOW_THE_DISTRICT)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_address_of_another_school_typed_by_hand_opens_nothing(
    world: World, method: str, role: Role
) -> None:
    browser = world.browser(role)
    csrf = token_of(browser)
    faults = []
    for rule in world.rules(method):
        act = guard.act_of(world.app, rule.endpoint)
        bound = [name for name in sorted(rule.arguments) if not everybodys(name)]
        # One's own family with another's child is another's as well: every mixture is asked for.
        for theirs in itertools.chain.from_iterable(
            itertools.combinations(bound, size) for size in range(1, len(bound) + 1)
        ):
            address = world.address(rule, **dict.fromkeys(theirs, world.there))
            before = of_the_other_school(world)
            answer = ask(browser, method, address, csrf)
            may = act is not None and access.can(role, [world.here.school], act)
            # A form that is not even filled in may be refused for that first.
            wanted = ({404} if method == "GET" else {404, 409, 422}) if may else {403}
            said = f"{method} {address} (theirs: {', '.join(theirs)})"
            if answer.status_code not in wanted:
                faults.append(f"{said} answers {answer.status_code}")
            if tells(answer):
                faults.append(f"{said} tells of {tells(answer)}")
            if of_the_other_school(world) != before:
                faults.append(f"{said} has changed something")
    assert not faults


@pytest.mark.parametrize("role", BELOW_THE_DISTRICT)
def test_no_page_of_ones_own_tells_of_another_school_whatever_is_asked_of_it(
    world: World, role: Role
) -> None:
    """Another school's ids as filters: the lists, the reports, the files."""
    browser = world.browser(role)
    asked = "&".join(
        f"{name}={value}"
        for name, value in (
            ("school", world.there.school),
            ("school_id", world.there.school),
            ("schools", world.there.school),
            ("student", world.there.student),
            ("student_id", world.there.student),
            ("conversation", world.there.conversation),
            ("staff", world.there.member),
            ("person", world.there.member),
            ("q", THEIRS[1]),
            ("find", THEIRS[1]),
            ("date", FRIDAY.isoformat()),
            ("day", FRIDAY.isoformat()),
        )
    )
    faults = []
    for rule in world.rules("GET"):
        address = world.address(rule)
        for question in ("", f"?{asked}"):
            answer = browser.get(address + question)
            shown = answer.data.replace(asked.encode(), b"")
            # What was typed into a search box may come back; the family's other names may not.
            told = [
                name
                for name in (THEIRS if not question else (THEIRS[0], THEIRS[2]))
                if name.encode() in shown
            ]
            if told or answer.status_code == 500:
                faults.append(f"{address}{question} answers {answer.status_code}, tells of {told}")
    assert not faults


@pytest.mark.parametrize("role", [Role.SPECIALIST, Role.SUPERVISOR])
def test_a_form_that_names_another_schools_objects_changes_nothing_of_theirs(town: Town, role: Role) -> None:
    world = a_world(town)
    browser = world.browser(role)
    csrf = token_of(browser)
    there = world.there
    named = dict(
        form_key="x" * 32,
        key="y" * 32,
        kind="closed",
        outcome="reached",
        **dict.fromkeys(("school", "school_id", "schools"), there.school),
        **dict.fromkeys(("student", "student_id", "students", "about"), there.student),
        **dict.fromkeys(("conversation", "conversation_id", "family"), there.conversation),
        **dict.fromkeys(("guardian", "guardian_id"), there.guardian),
        **dict.fromkeys(("to", "owner", "owner_id", "lead", "pair", "reader", "readers"), there.member),
        **dict.fromkeys(("words", "because", "reason", "why", "note", "what", "place"), "Words"),
        **dict.fromkeys(("day", "date", "due_on", "on"), FRIDAY.isoformat()),
    )
    faults = []
    for rule in list(world.rules("POST")):
        if rule.endpoint == "sign_in.leave":
            continue
        address = world.address(rule)
        before = of_the_other_school(world)
        answer = ask(browser, "POST", address, csrf, **named)
        if rule.endpoint in OF_EVERY_SCHOOL:
            continue
        after = of_the_other_school(world)
        if answer.status_code == 500 or tells(answer) or after != before:
            changed = [name for name in after if after[name] != before[name]]
            faults.append(f"POST {address} answers {answer.status_code}, {tells(answer)}, changed {changed}")
    assert not faults


def test_somebody_of_no_school_sees_no_family_at_all(world: World) -> None:
    with world.town.database.begin() as session:
        nobody = a_staff_member(session, name="Of no school")
    browser = Browser(world.app, world.town).signed_in_as(nobody)
    for rule in world.rules("GET"):
        if any(not everybodys(name) for name in rule.arguments):
            assert browser.get(world.address(rule)).status_code in (403, 404), rule.rule
        elif not rule.arguments:
            shown = browser.get(world.address(rule))
            assert b"Maya" not in shown.data, rule.rule
            assert not tells(shown), rule.rule
            assert shown.status_code != 500, rule.rule


def test_a_district_administrator_reaches_every_school(world: World) -> None:
    browser = world.browser(Role.DISTRICT_ADMINISTRATOR)
    for rule in world.rules("GET"):
        # A restricted note has its own readers, and of some things there are none yet.
        if rule.arguments and rule.endpoint not in {"desk.note", *MAY_BE_EMPTY}:
            address = world.address(rule, **dict.fromkeys(rule.arguments, world.there))
            assert browser.get(address).status_code in (200, 204, 302, 303), address


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("act", Act)
def test_the_table_is_asked_about_a_school_too(role: Role, act: Act) -> None:
    may = access.can(role, [1], act)

    assert access.can(role, [1], act, 1) is may
    assert access.can(role, [1], act, 2) is False
    assert may or role in (Role.SPECIALIST, Role.SUPERVISOR, Role.AUDITOR), "the office may do everything"


# --- forged posts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "referer"),
    [("", None), ("forged", None), ("right", "https://evil.example/"), ("right", "")],
    ids=["no token", "a wrong token", "from another site", "from nowhere"],
)
def test_a_forged_post_changes_nothing(world: World, token: str, referer: str | None) -> None:
    """The token alone, and over https also where the post comes from."""
    browser = world.browser(Role.DISTRICT_ADMINISTRATOR)
    csrf = {"right": token_of(browser)}.get(token, token)
    addresses = [(rule, world.address(rule)) for rule in world.rules("POST")]
    before = everything(world)
    headers = {} if referer is None else {"Referer": referer, "Origin": referer.rstrip("/")}
    for rule, address in addresses:
        answer = browser.ask("POST", address, data={"csrf_token": csrf, "words": "forged"}, headers=headers)
        assert answer.status_code == 400, f"{rule.endpoint}: {address} answers {answer.status_code}"
        assert everything(world) == before, f"{address} has changed something"


def everything(world: World) -> dict[str, list[Any]]:
    """Every row of every table but when somebody was last seen."""
    with world.town.database.engine.connect() as connection:
        return {
            table.name: _rows(connection, table)
            for table in tables.Table.metadata.sorted_tables
            if table.name != "staff_sessions"
        }


def of_the_other_school(world: World) -> dict[str, list[Any]]:
    """Every row that belongs to the other school, its student, its guardian or their conversation."""
    there = world.there
    bound = {
        "school_id": there.school,
        "student_id": there.student,
        "guardian_id": there.guardian,
        "conversation_id": there.conversation,
        "phone_id": there.phone,
    }
    found = {}
    with world.town.database.engine.connect() as connection:
        for table in tables.Table.metadata.sorted_tables:
            for name, value in bound.items():
                if name in table.columns:
                    query = select(table).where(table.columns[name] == value)
                    found[f"{table.name}.{name}"] = sorted(map(repr, connection.execute(query)))
    return found


def _rows(connection: Connection, table: Table) -> list[str]:
    return sorted(map(repr, connection.execute(select(table))))


@pytest.fixture
def town(sqlite: Database, script: Script, understanding: Understanding) -> Town:
    return Town(sqlite, script, understanding)


def test_the_town_of_these_tests_is_one_that_could_tell(world: World) -> None:
    """Else the tests above would see nothing wherever they look."""
    with world.town.database.begin() as session:
        there = session.get_one(tables.School, world.there.school)
        member = a_staff_member(session, there)
    shown = Browser(world.app, world.town).signed_in_as(member).get("/desk/").text

    assert THEIRS[0] in shown


def test_every_line_of_the_audit_log_goes_through_its_one_door() -> None:
    """It knows of which school a line is; one written elsewhere would be read by everybody."""
    written = [
        path.name for path in (ROOT / "bot").rglob("*.py") if "AuditLine(" in path.read_text(encoding="utf-8")
    ]

    assert sorted(written) == ["audit.py", "tables.py"]
