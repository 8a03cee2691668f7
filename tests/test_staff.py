"""Who may enter the desk, for how long, and what they may see."""

import time
from datetime import datetime, timedelta

import pytest
from argon2 import extract_parameters
from sqlalchemy import select

from bot import staff
from bot.staff import StaffRefused, hashing
from bot.store.session import Database
from bot.store.tables import Staff, StaffSession
from bot.vocabulary import Role
from tests.builders import NOW, a_school

PASSWORD = "a quiet green river"


@pytest.fixture
def rivera(database: Database) -> int:
    """A specialist of one of two schools; returns the id of hers."""
    with database.begin() as session:
        hers = a_school(session, "Burns School")
        a_school(session, "Parkville School")
        staff.add(
            session,
            email="Rivera@Example.org ",
            name="Ms. Rivera",
            role=Role.SPECIALIST,
            schools=[hers.id],
            password=PASSWORD,
            now=NOW,
        )
        return hers.id


def enter(
    database: Database, now: datetime, email: str = "rivera@example.org", password: str = PASSWORD
) -> str | None:
    with database.begin() as session:
        member = staff.who_is(session, email, password)
        return None if member is None else staff.open_session(session, member, now=now)


def who(database: Database, token: str, now: datetime, *, at_work: bool = True) -> staff.StaffMember | None:
    with database.begin() as session:
        return staff.who(session, token, now, at_work=at_work)


def test_a_specialist_signs_in_and_sees_her_schools_only(
    database: Database, rivera: int, now: datetime
) -> None:
    token = enter(database, now)

    assert token
    member = who(database, token, now)
    assert member
    assert (member.name, member.schools) == ("Ms. Rivera", frozenset({rivera}))
    assert staff.may_see(member, rivera)
    assert not staff.may_see(member, rivera + 1)
    assert staff.may_see(member, None), "a number nobody knows belongs to everybody"


def test_an_address_is_the_same_however_it_is_typed(database: Database, rivera: int, now: datetime) -> None:
    assert enter(database, now, email="  RIVERA@example.ORG")


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("rivera@example.org", "a quiet green rive"),
        ("rivera@example.org", ""),
        ("nobody@example.org", PASSWORD),
        ("", ""),
        ("rivera@example.org\x00", "wrong\x00"),
        ("rivera@example.org", "x" * 100_000),
    ],
)
def test_what_does_not_belong_together_opens_nothing(
    database: Database, rivera: int, now: datetime, email: str, password: str
) -> None:
    assert enter(database, now, email, password) is None
    with database.begin() as session:
        assert session.scalar(select(StaffSession)) is None


def test_an_unknown_address_costs_the_work_of_a_known_one(
    database: Database, rivera: int, now: datetime
) -> None:
    def cost(email: str) -> float:
        times = []
        for _ in range(3):
            # The work itself, not the wall: another process on this machine must decide nothing here.
            began = time.process_time()
            enter(database, now, email, "not the password")
            times.append(time.process_time() - began)
        return min(times)

    known, unknown = cost("rivera@example.org"), cost("nobody@example.org")

    assert unknown > known / 2
    assert extract_parameters(hashing._NOBODY) == extract_parameters(hashing._hasher.hash("x"))


def test_the_same_accents_from_another_keyboard_are_the_same_password(
    database: Database, now: datetime
) -> None:
    with database.begin() as session:
        staff.add(
            session,
            email="p@example.org",
            name="Ms. Peña",
            role=Role.SPECIALIST,
            schools=[],
            password="contrase\u00f1a larga",
            now=NOW,
        )

    assert enter(database, now, "p@example.org", "contrasen\u0303a larga")


def test_only_the_hash_of_a_token_and_of_a_password_is_kept(
    database: Database, rivera: int, now: datetime
) -> None:
    token = enter(database, now)

    assert token
    with database.begin() as session:
        kept = session.scalars(select(StaffSession)).one()
        member = session.scalars(select(Staff)).one()
    assert token not in (kept.token_hash, member.password_hash)
    assert len(kept.token_hash) == 64
    assert member.password_hash.startswith("$argon2id$")
    assert PASSWORD not in member.password_hash


def test_a_session_ends_after_eight_idle_hours(database: Database, rivera: int, now: datetime) -> None:
    token = enter(database, now)
    assert token

    assert who(database, token, now + timedelta(hours=7, minutes=59))
    assert who(database, token, now + timedelta(hours=15)), "she was at work in between"
    assert who(database, token, now + timedelta(hours=23)) is None


def test_a_session_ends_after_a_day_even_without_a_break(
    database: Database, rivera: int, now: datetime
) -> None:
    token = enter(database, now)
    assert token
    for hours in range(1, 24):
        assert who(database, token, now + timedelta(hours=hours))

    assert who(database, token, now + timedelta(hours=24)) is None


def test_a_page_that_refreshes_itself_is_nobody_at_work(
    database: Database, rivera: int, now: datetime
) -> None:
    token = enter(database, now)
    assert token

    assert who(database, token, now + timedelta(hours=7), at_work=False)
    assert who(database, token, now + timedelta(hours=9), at_work=False) is None


def test_signing_out_ends_this_session_and_no_other(database: Database, rivera: int, now: datetime) -> None:
    here, there = enter(database, now), enter(database, now)
    assert here
    assert there

    with database.begin() as session:
        staff.sign_out(session, here, now=now)

    assert who(database, here, now) is None
    assert who(database, there, now)


def test_a_new_password_ends_every_session(database: Database, rivera: int, now: datetime) -> None:
    token = enter(database, now)
    assert token
    with database.begin() as session:
        staff.set_password(session, "rivera@example.org", "another quiet river", now=now)

    assert who(database, token, now) is None
    assert enter(database, now) is None
    assert enter(database, now, password="another quiet river")


def test_a_disabled_staff_member_is_out_at_once_and_can_be_let_in_again(
    database: Database, rivera: int, now: datetime
) -> None:
    token = enter(database, now)
    assert token
    with database.begin() as session:
        staff.disable(session, "rivera@example.org", now=now)

    assert who(database, token, now) is None
    assert enter(database, now) is None
    with database.begin() as session:
        staff.enable(session, "rivera@example.org", now=now)
    assert who(database, token, now) is None, "the old session stays ended"
    assert enter(database, now)


def test_a_district_administrator_sees_every_school(database: Database, rivera: int, now: datetime) -> None:
    with database.begin() as session:
        staff.add(
            session,
            email="office@example.org",
            name="Office",
            role=Role.DISTRICT_ADMINISTRATOR,
            schools=[],
            password=PASSWORD,
            now=NOW,
        )
    token = enter(database, now, "office@example.org")
    assert token

    member = who(database, token, now)
    assert member
    assert len(member.schools) == 2
    with database.begin() as session:
        names = [school.name for school in staff.schools_seen(session, member)]
    assert names == ["Burns School", "Parkville School"]


def test_another_school_replaces_the_one_before(database: Database, rivera: int, now: datetime) -> None:
    token = enter(database, now)
    assert token
    with database.begin() as session:
        staff.assign(session, "rivera@example.org", [rivera + 1], now=now)

    member = who(database, token, now)

    assert member
    assert member.schools == frozenset({rivera + 1})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"email": "rivera"}, "is not an e-mail address"),
        ({"email": "RIVERA@example.org"}, "already a staff member"),
        ({"name": "  "}, "has no name"),
        ({"password": "short"}, "12 to 200 characters"),
        ({"password": "x" * 201}, "12 to 200 characters"),
        ({"schools": [999]}, "there is no school 999"),
    ],
)
def test_a_staff_member_who_cannot_be_added_gets_a_sentence(
    database: Database, rivera: int, change: dict[str, object], sentence: str
) -> None:
    wanted = {
        "email": "new@example.org",
        "name": "New",
        "role": Role.SPECIALIST,
        "schools": [rivera],
        "password": PASSWORD,
        "now": NOW,
        **change,
    }
    with pytest.raises(StaffRefused, match=sentence), database.begin() as session:
        staff.add(session, **wanted)  # type: ignore[arg-type]


def test_nobody_by_that_address_gets_a_sentence(database: Database, now: datetime) -> None:
    with database.begin() as session, pytest.raises(StaffRefused, match="no staff member has the address"):
        staff.set_password(session, "ghost@example.org", PASSWORD, now=now)


def test_an_auditor_reads_and_does_not_act(database: Database, rivera: int, now: datetime) -> None:
    with database.begin() as session:
        staff.add(
            session,
            email="audit@example.org",
            name="Auditor",
            role=Role.AUDITOR,
            schools=[rivera],
            password=PASSWORD,
            now=NOW,
        )
    token = enter(database, now, "audit@example.org")
    assert token

    member = who(database, token, now)

    assert member
    assert staff.may_see(member, rivera)
    assert not member.may_act
