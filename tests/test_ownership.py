"""Whose a family is: handed on with a note, put back, back by the clock; and what the family is told of it."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from bot import answering, courtesy, handoffs, looking, ownership
from bot.advance import Script
from bot.answering import NotPossible
from bot.conversation.state import Ended, Waiting, WithStaff, from_json
from bot.policy import Policy
from bot.staff import disable
from bot.store.session import Database
from bot.store.tables import (
    CallOutcome,
    Conversation,
    Handoff,
    HandoffState,
    OutboundText,
    PassedOn,
    School,
    Staff,
    StaffSchool,
    Transfer,
)
from bot.understanding import Understanding
from bot.vocabulary import Owner, Queue, Role, Urgency
from tests.builders import a_guardian, a_school, a_staff_member, a_student, absent, number_of
from tests.town import Town

POLICY = Policy()


class Desk:
    """A mother who asked for a person at 9:41, Ms. Rivera and Mr. Okafor of her school, and the steps they take."""

    def __init__(self, town: Town, words: str = "quiero hablar con una persona", speaks: str = "es") -> None:
        self.town = town
        with town.database.begin() as session:
            school = a_school(session)
            maya = a_student(session, school)
            mother = a_guardian(session, maya, speaks=speaks, name="Rosa")
            absent(session, maya)
            self.number = number_of(session, mother)
            self.rivera = a_staff_member(session, school).id
            self.okafor = a_staff_member(session, school, name="Mr. Okafor").id
            self.elsewhere = a_staff_member(session, a_school(session, "Parkville"), name="Ms. Chen").id
            self.auditor = a_staff_member(session, school, name="Mr. Bell", role=Role.AUDITOR).id
        town.morning()
        town.now += timedelta(minutes=11)
        town.family_writes(self.number, words)
        self.talk = town.conversation().id

    def take(self, who: int) -> None:
        with self.town.database.begin() as session:
            answering.take(session, self.talk, who, script=self.town.script, now=self.town.now)
        self.town.work()

    def reply(self, who: int, words: str) -> None:
        with self.town.database.begin() as session:
            answering.reply(session, self.talk, who, words, script=self.town.script, now=self.town.now)
        self.town.work()

    def hand_on(
        self, who: int, to: int, note: str = "Calls after 3 PM only.", *, leads: bool = False
    ) -> None:
        with self.town.database.begin() as session:
            ownership.transfer(
                session, self.talk, who, to, note, script=self.town.script, leads=leads, now=self.town.now
            )
        self.town.work()

    def put_back(self, who: int, note: str = "") -> None:
        with self.town.database.begin() as session:
            ownership.release(session, self.talk, who, note, now=self.town.now)

    def clock(self, policy: Policy = POLICY) -> int:
        return ownership.come_back(self.town.database, policy=policy, now=self.town.now)

    @property
    def case(self) -> Handoff:
        (case,) = self.town.handoffs()
        return case

    @property
    def has(self) -> int | None:
        return self.town.conversation().staff_id

    def transfers(self) -> list[Transfer]:
        with self.town.database.begin() as session:
            return list(session.scalars(select(Transfer).order_by(Transfer.id)))

    def told(self) -> list[str]:
        return self.town.texts_to(self.number)


@pytest.fixture
def town(database: Database, script: Script, understanding: Understanding) -> Town:
    return Town(database, script, understanding)


@pytest.fixture
def desk(town: Town) -> Desk:
    return Desk(town)


# --- handed on --------------------------------------------------------------------------------------------------


def test_a_colleague_gets_the_family_with_the_note_and_the_program_stays_silent(desk: Desk) -> None:
    desk.take(desk.rivera)
    desk.hand_on(desk.rivera, desk.okafor)

    assert (desk.has, desk.case.taken_by) == (desk.okafor, desk.okafor)
    with desk.town.database.begin() as session:
        schools = list(session.scalars(select(School.id)))
        (line,) = handoffs.waiting(session, schools, handoffs.Asked(mine=desk.okafor))
        assert handoffs.waiting(session, schools, handoffs.Asked(mine=desk.rivera)) == []
    assert line.handed is not None
    assert (line.handed.kind, line.handed.by_name, line.handed.note) == (
        PassedOn.TRANSFERRED,
        "Ms. Rivera",
        "Calls after 3 PM only.",
    )
    before = len(desk.told())
    desk.town.family_writes(desk.number, "hola?")
    assert len(desk.told()) == before


def test_a_family_nobody_has_may_be_handed_on_by_anybody_of_the_school(desk: Desk) -> None:
    desk.hand_on(desk.rivera, desk.okafor)

    assert desk.has == desk.okafor


def test_a_family_without_a_line_gets_one_so_that_the_colleague_finds_it(desk: Desk) -> None:
    desk.take(desk.rivera)
    with desk.town.database.begin() as session:
        handoffs.resolve(session, desk.talk, desk.rivera, "called", desk.town.now)
    desk.hand_on(desk.rivera, desk.okafor)

    assert (desk.case.taken_by, desk.case.why) == (desk.okafor, "transferred")


@pytest.mark.parametrize("to", ["elsewhere", "auditor"])
def test_nobody_is_handed_a_family_they_cannot_help(desk: Desk, to: str) -> None:
    with pytest.raises(NotPossible, match="does not work the desk for the family's school"):
        desk.hand_on(desk.rivera, getattr(desk, to))


def test_only_who_has_it_or_a_leader_hands_a_family_on(desk: Desk) -> None:
    desk.take(desk.rivera)

    with pytest.raises(NotPossible, match=r"Ms\. Rivera has this family"):
        desk.hand_on(desk.okafor, desk.okafor)
    desk.hand_on(desk.okafor, desk.okafor, leads=True)
    assert desk.has == desk.okafor


def test_the_note_may_not_be_empty(desk: Desk) -> None:
    with pytest.raises(NotPossible, match="what your colleague must know"):
        desk.hand_on(desk.rivera, desk.okafor, " \n ")


def test_only_colleagues_of_the_school_who_can_help_are_offered(desk: Desk) -> None:
    with desk.town.database.begin() as session:
        offered = ownership.colleagues(session, desk.talk, but=desk.rivera)

    assert [each.name for each in offered] == ["Mr. Okafor"]


# --- put back ---------------------------------------------------------------------------------------------------


def test_a_family_put_back_waits_for_a_person_and_not_for_the_program(desk: Desk) -> None:
    desk.take(desk.rivera)
    desk.put_back(desk.rivera, "I am out until Monday.")

    assert (desk.case.state, desk.case.taken_by, desk.has) == (HandoffState.OPEN, None, None)
    assert desk.town.conversation().owner is Owner.NOBODY
    assert isinstance(from_json(desk.town.conversation().state), WithStaff)
    before = len(desk.told())
    desk.town.family_writes(desk.number, "hola?")
    assert len(desk.told()) == before
    assert desk.case.waiting_since is not None
    desk.take(desk.okafor)
    assert desk.has == desk.okafor
    assert [each.kind for each in desk.transfers()] == [PassedOn.RELEASED]


def test_what_nobody_has_cannot_be_put_back(desk: Desk) -> None:
    with pytest.raises(NotPossible, match="Nobody has this family"):
        desk.put_back(desk.rivera)


def test_an_open_question_is_asked_again_after_a_detour_over_two_people(
    town: Town, understanding: Understanding
) -> None:
    """Return to the bot resumes where it makes sense: the talk was waiting for an answer."""
    desk = Desk(town, words="no tenemos carro hoy")
    assert isinstance(from_json(town.conversation().state), Waiting)
    desk.take(desk.rivera)
    desk.hand_on(desk.rivera, desk.okafor)
    desk.put_back(desk.okafor)
    desk.take(desk.rivera)
    before = len(desk.told())
    with town.database.begin() as session:
        answering.return_to_bot(session, desk.talk, desk.rivera, script=town.script, now=town.now)
    town.work()

    assert isinstance(from_json(town.conversation().state), Waiting)
    assert len(desk.told()) == before + 1


@pytest.mark.parametrize("words", ["STOP", "quiero suicidarme", "quiero hablar con una persona"])
def test_a_talk_that_has_ended_is_not_begun_again_by_giving_it_back(town: Town, words: str) -> None:
    """Danger, an opt-out, a wish for a person: the program had said its last word."""
    desk = Desk(town, words=words)
    desk.take(desk.rivera)
    before = len(desk.told())
    with town.database.begin() as session:
        answering.return_to_bot(session, desk.talk, desk.rivera, script=town.script, now=town.now)
    town.work()

    assert isinstance(from_json(town.conversation().state), Ended)
    assert len(desk.told()) == before


# --- back by the clock --------------------------------------------------------------------------------------------


def test_a_family_left_waiting_beyond_its_time_comes_back_and_says_from_whom(desk: Desk) -> None:
    desk.take(desk.rivera)
    desk.town.now = desk.case.due_at + timedelta(minutes=29)
    assert desk.clock() == 0
    desk.town.now += timedelta(minutes=2)

    assert desk.clock() == 1
    assert desk.clock() == 0
    assert (desk.case.state, desk.has) == (HandoffState.OPEN, None)
    with desk.town.database.begin() as session:
        (line,) = handoffs.waiting(session, list(session.scalars(select(School.id))))
    assert line.handed is not None
    assert (line.handed.kind, line.handed.from_name) == (PassedOn.CAME_BACK, "Ms. Rivera")


def test_a_night_and_a_weekend_are_not_held_against_who_took_it(desk: Desk) -> None:
    """Friday, 3:50 PM: due at noon on Monday. Nothing comes back before the office has been open."""
    desk.town.now = datetime(2021, 10, 22, 15, 55, tzinfo=UTC)  # 11:55
    desk.take(desk.rivera)
    assert desk.case.due_at < datetime(2021, 10, 22, 20, 0, tzinfo=UTC)
    desk.reply(desk.rivera, "Le llamo hoy.")
    desk.town.now = datetime(2021, 10, 22, 19, 50, tzinfo=UTC)  # 15:50, ten minutes before the office closes
    desk.town.family_writes(desk.number, "gracias, una pregunta mas")
    assert desk.case.due_at == datetime(2021, 10, 25, 14, 0, tzinfo=UTC)  # Monday, 10:00
    for moment in ("2021-10-23T15:00", "2021-10-24T20:00", "2021-10-25T12:30", "2021-10-25T14:29"):
        desk.town.now = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        assert desk.clock() == 0

    desk.town.now = datetime(2021, 10, 25, 14, 31, tzinfo=UTC)
    assert desk.clock() == 1


def test_who_answered_keeps_the_family_until_two_office_days_have_passed_without_a_sign(desk: Desk) -> None:
    desk.take(desk.rivera)
    desk.reply(desk.rivera, "Le llamo el lunes.")
    desk.town.now = datetime(2021, 10, 26, 13, 30, tzinfo=UTC)  # Tuesday 9:30: 14 office hours later
    assert desk.clock() == 0
    with desk.town.database.begin() as session:
        answering.log_call(session, desk.talk, desk.rivera, CallOutcome.VOICEMAIL, "", now=desk.town.now)
    desk.town.now = datetime(2021, 10, 27, 19, 0, tzinfo=UTC)
    assert desk.clock() == 0

    desk.town.now = datetime(2021, 10, 28, 14, 0, tzinfo=UTC)
    assert desk.clock() == 1


def test_danger_that_was_taken_and_left_comes_back_at_night_and_alarms_anew(
    town: Town, understanding: Understanding
) -> None:
    town.now = datetime(2021, 10, 22, 14, 0, tzinfo=UTC)
    desk = Desk(town)
    desk.reply(desk.rivera, "Hola")
    town.now = datetime(2021, 10, 23, 2, 0, tzinfo=UTC)  # ten in the evening
    town.family_writes(desk.number, "quiero suicidarme")
    urgent = next(each for each in town.handoffs() if each.urgency is Urgency.P0)
    with town.database.begin() as session:
        handoffs.seen(session, desk.talk, desk.okafor, town.now)
    desk.take(desk.rivera)
    town.now += timedelta(minutes=14)
    assert desk.clock() == 0
    town.now += timedelta(minutes=2)

    assert desk.clock() == 1
    case = next(each for each in town.handoffs() if each.id == urgent.id)
    assert (case.state, case.seen_at, case.alarm_at) == (HandoffState.OPEN, None, town.now)


@pytest.mark.parametrize("gone", ["account closed", "school taken away"])
def test_what_somebody_had_who_is_gone_comes_back_at_once(desk: Desk, gone: str) -> None:
    desk.take(desk.rivera)
    with desk.town.database.begin() as session:
        member = session.get_one(Staff, desk.rivera)
        if gone == "account closed":
            disable(session, member.email, now=desk.town.now)
        else:
            session.delete(session.scalars(select(StaffSchool).filter_by(staff_id=member.id)).one())

    assert desk.clock() == 1
    assert desk.has is None


def test_nobody_has_to_ask_a_closed_account_for_a_family(desk: Desk) -> None:
    desk.take(desk.rivera)
    with desk.town.database.begin() as session:
        disable(session, session.get_one(Staff, desk.rivera).email, now=desk.town.now)
    desk.take(desk.okafor)

    assert desk.has == desk.okafor


# --- what the family is told ----------------------------------------------------------------------------------


def test_a_waiting_family_reads_in_its_language_who_is_here(desk: Desk) -> None:
    desk.take(desk.rivera)

    assert desk.told()[-1] == "Ms. Rivera, de Burns School, ya está aquí y lee lo que usted escribió."
    with desk.town.database.begin() as session:
        text = session.scalars(select(OutboundText).order_by(OutboundText.id.desc())).first()
        assert text is not None
        assert (text.staff_id, text.key) == (desk.rivera, courtesy.HERE)


def test_it_is_said_once_however_often_the_family_goes_from_hand_to_hand(desk: Desk) -> None:
    desk.take(desk.rivera)
    before = len(desk.told())
    for _ in range(3):
        desk.put_back(desk.rivera)
        desk.take(desk.okafor)
        desk.put_back(desk.okafor)
        desk.take(desk.rivera)

    assert len(desk.told()) == before


def test_who_is_written_to_is_not_told_that_somebody_is_here(desk: Desk) -> None:
    before = len(desk.told())
    desk.reply(desk.rivera, "Buenos días")

    assert desk.told()[before:] == ["Buenos días"]


@pytest.mark.parametrize("words", ["quiero suicidarme", "STOP"])
def test_nothing_is_announced_after_danger_or_an_opt_out(town: Town, words: str) -> None:
    desk = Desk(town, words=words)
    before = len(desk.told())
    desk.take(desk.rivera)

    assert len(desk.told()) == before


def test_nobody_is_woken_to_read_that_somebody_is_here(desk: Desk) -> None:
    desk.town.now = datetime(2021, 10, 23, 3, 0, tzinfo=UTC)  # eleven at night
    before = len(desk.told())
    desk.take(desk.rivera)
    desk.town.now = datetime(2021, 10, 23, 14, 0, tzinfo=UTC)
    desk.town.work()

    assert len(desk.told()) == before


def _evening(desk: Desk, moment: str) -> int:
    desk.town.now = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    with desk.town.database.begin() as session:
        told = courtesy.say_not_before_tomorrow(
            session, texts=desk.town.script.texts, policy=desk.town.script.policy, now=desk.town.now
        )
    desk.town.work()
    return told


def test_who_was_promised_an_answer_today_is_told_once_when_the_office_has_closed(desk: Desk) -> None:
    assert _evening(desk, "2021-10-22T19:59") == 0
    assert _evening(desk, "2021-10-22T20:01") == 1
    assert _evening(desk, "2021-10-22T20:02") == 0

    assert desk.told()[-1].startswith("Hoy ya nadie de Burns School puede contestar.")
    assert "lunes" in desk.told()[-1]


@pytest.mark.parametrize("moment", ["2021-10-22T22:30", "2021-10-23T20:01", "2021-10-25T12:00"])
def test_it_is_said_in_the_hour_after_closing_or_not_at_all(desk: Desk, moment: str) -> None:
    assert _evening(desk, moment) == 0


def test_who_was_answered_is_not_told_that_nobody_answers(desk: Desk) -> None:
    desk.reply(desk.rivera, "Le llamo.")

    assert _evening(desk, "2021-10-22T20:01") == 0


def test_a_family_that_somebody_has_is_told_as_well_by_way_of_who_has_it(desk: Desk) -> None:
    desk.take(desk.rivera)

    assert _evening(desk, "2021-10-22T20:01") == 1
    assert desk.told()[-1].startswith("Hoy ya nadie")


def test_who_is_in_danger_reads_nothing_but_the_safety_text(town: Town) -> None:
    desk = Desk(town, words="quiero suicidarme")

    assert _evening(desk, "2021-10-22T20:01") == 0


def test_who_never_wrote_is_told_nothing(town: Town) -> None:
    """A call task waits for staff, and not the family for us."""
    desk = Desk(town, words="gracias")
    with town.database.begin() as session:
        conversation = session.get_one(Conversation, desk.talk)
        handoffs.open_one(
            session,
            conversation_id=desk.talk,
            school_id=conversation.school_id,
            queue=Queue.ENGAGEMENT,
            urgency=Urgency.P1,
            why="call_task",
            due_at=town.now + timedelta(hours=3),
            now=town.now + timedelta(hours=2),
        )
    before = len(desk.told())
    desk.take(desk.rivera)

    assert _evening(desk, "2021-10-22T20:01") == 0
    assert len(desk.told()) == before


# --- two on one family --------------------------------------------------------------------------------------------


def test_two_people_on_one_family_see_each_other_read_and_write(desk: Desk) -> None:
    now = desk.town.now
    with desk.town.database.begin() as session:
        looking.note(session, desk.talk, desk.rivera, writing=False, now=now)
        assert looking.others(session, desk.talk, desk.rivera, now) == []
        (seen,) = looking.others(session, desk.talk, desk.okafor, now)
        assert (seen.name, seen.writing) == ("Ms. Rivera", False)
        looking.note(session, desk.talk, desk.rivera, writing=True, now=now + timedelta(seconds=10))
        (seen,) = looking.others(session, desk.talk, desk.okafor, now + timedelta(seconds=12))
        assert seen.writing
        assert looking.others(session, desk.talk, desk.okafor, now + timedelta(minutes=1)) == []
        looking.forget_old(session, now + timedelta(days=2))
        assert looking.others(session, desk.talk, desk.okafor, now + timedelta(seconds=12)) == []
