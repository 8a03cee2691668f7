"""What staff take down about texting a family: by telephone, on paper, about one child, about a number."""

import pytest
from sqlalchemy import select

from bot import consent
from bot.advance import Script
from bot.store.session import Database
from bot.store.tables import (
    AuditLine,
    ConsentEvent,
    ConsentKind,
    Guardianship,
    Mute,
    Phone,
    School,
    StaffSchool,
    Student,
)
from bot.understanding import Understanding
from bot.vocabulary import Purpose, Role
from tests.builders import a_staff_member
from tests.town import Town
from tests.web import Browser, a_family, pages, words_of


@pytest.fixture
def town(sqlite: Database, script: Script, understanding: Understanding) -> Town:
    return Town(sqlite, script, understanding)


def a_desk(town: Town, *children: str) -> tuple[Browser, str, str]:
    number, member = a_family(town, *children)
    town.morning()
    town.family_writes(number, "quiero hablar con una persona")
    browser = Browser(pages(town), town).signed_in_as(member)
    return browser, number, f"/desk/family/{town.conversation().id}"


def events(town: Town) -> list[tuple[ConsentKind, str, str]]:
    with town.database.begin() as session:
        rows = session.execute(
            select(ConsentEvent.kind, ConsentEvent.source, ConsentEvent.words).order_by(ConsentEvent.id)
        )
        return [(kind, source, words) for kind, source, words in rows]


def test_a_wish_by_telephone_stops_all_texts_and_only_staff_can_end_it(town: Town) -> None:
    """LAW-10, LAW-16, TW-99: the provider knows nothing of it; the family's own START does not undo it."""
    desk, number, page = a_desk(town)

    desk.fill(page, f"{page}/no-more-texts", said="by telephone: no more of these")
    before = len(town.texts_to(number))
    town.family_writes(number, "START")
    town.family_writes(number, "hola")
    assert events(town)[0] == (ConsentKind.OPT_OUT, "staff", "by telephone: no more of these")
    with town.database.begin() as session:
        assert session.scalar(select(Phone.opted_out).where(Phone.number == number))
    assert len(town.texts_to(number)) == before  # it is promised nothing; a person asks

    desk.fill(page, f"{page}/texts-again", said="she called: please text me again")
    with town.database.begin() as session:
        assert not session.scalar(select(Phone.opted_out).where(Phone.number == number))
        acts = session.scalars(select(AuditLine.act).order_by(AuditLine.id)).all()
    assert [act for act in acts if "text" in act] == ["no_more_texts", "texts_again"]
    assert "by telephone: no more of these" in words_of(desk.get(page))


def test_a_start_that_undoes_nothing_reaches_a_person(town: Town) -> None:
    """LAW-16."""
    number, _ = a_family(town)
    with town.database.begin() as session:
        phone = session.scalars(select(Phone.id).where(Phone.number == number)).one()
        consent.opt_out(session, phone, "staff", town.now, words="a letter")

    town.family_writes(number, "START")

    assert not town.texts_to(number)
    assert [handoff.why for handoff in town.handoffs()] == ["wants_texts_again"]


def test_without_the_familys_words_nothing_is_taken_down(town: Town) -> None:
    """LAW-16: the history holds what was said, not that something was."""
    desk, _, page = a_desk(town)

    answer = desk.fill(page, f"{page}/no-more-texts", said="   ")

    assert answer.status_code == 409
    assert "Write what the family said" in words_of(answer)
    assert events(town) == []


def test_a_muted_child_is_not_asked_about_and_its_sister_is(town: Town) -> None:
    desk, number, page = a_desk(town, "Maya", "Luis")
    with town.database.begin() as session:
        maya = session.scalars(select(Student.id).where(Student.given_name == "Maya")).one()

    desk.fill(page, f"{page}/mute/{maya}")
    with town.database.begin() as session:
        assert set(session.scalars(select(Mute.purpose))) == {Purpose.CHECK_IN, Purpose.REMINDER}
    shown = words_of(desk.get(page))
    assert "Maya: no questions by text" in shown
    assert "Luis: asked by text when absent" in shown

    desk.fill(page, f"{page}/mute/{maya}")
    with town.database.begin() as session:
        assert session.scalars(select(Mute)).all() == []
    assert number


def test_a_muted_childs_morning_says_why_nobody_was_asked(town: Town) -> None:
    number, member = a_family(town, "Maya")
    with town.database.begin() as session:
        student = session.scalars(select(Student)).one()
        guardian = session.scalars(select(Guardianship.guardian_id)).one()
        consent.mute(session, guardian, student.id, Purpose.CHECK_IN, town.now, staff_id=member.id)

    town.morning()

    assert not town.texts_to(number)
    with town.database.begin() as session:
        kept = session.scalars(select(ConsentEvent)).one()
        assert (kept.kind, kept.student_id, kept.purpose) == (ConsentKind.MUTE, student.id, "check_in")


def test_a_number_the_carrier_gave_up_is_confirmed_at_the_desk(town: Town) -> None:
    """TW-72."""
    desk, number, page = a_desk(town)
    with town.database.begin() as session:
        phone = session.scalars(select(Phone.id).where(Phone.number == number)).one()
        consent.suspend(session, phone, town.now)
    assert "given this number up" in words_of(desk.get(page))

    desk.fill(page, f"{page}/number-confirmed")

    assert "given this number up" not in words_of(desk.get(page))
    with town.database.begin() as session:
        assert session.scalars(select(Phone.suspended).where(Phone.number == number)).one() is False


def test_a_student_of_another_family_cannot_be_muted_from_here(town: Town) -> None:
    desk, _, page = a_desk(town, "Maya")
    a_family(town, "Noor", school="Burns School")
    with town.database.begin() as session:
        noor = session.scalars(select(Student.id).where(Student.given_name == "Noor")).one()
    fields = desk.hidden_fields(page, f"{page}/no-more-texts")

    answer = desk.post(f"{page}/mute/{noor}", on="yes", **fields)

    assert answer.status_code == 409
    with town.database.begin() as session:
        assert session.scalars(select(Mute)).all() == []


def test_an_auditor_reads_and_takes_nothing_down(town: Town) -> None:
    _, _, page = a_desk(town)
    with town.database.begin() as session:
        auditor = a_staff_member(session, name="Ms. Lee", role=Role.AUDITOR)
        session.add_all(
            StaffSchool(staff_id=auditor.id, school_id=school)
            for school in session.scalars(select(School.id))
        )
    reader = Browser(pages(town), town).signed_in_as(auditor)

    assert "Texts to this number" not in words_of(reader.get(page))
