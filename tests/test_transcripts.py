"""Conversations a school social worker could read, played on the real engine and through the real tables.

A file begins with `flow / language / what it is about`; then, if they differ from the usual, `students: Maya,
Luis` and `at: 2021-10-22 19:30`. `>` is the family, `<` is us, `!` is what happens besides. After a change of
wording, `PRESENTE_REWRITE_TRANSCRIPTS=1 pytest tests/test_transcripts.py` writes them anew: read the difference.
"""

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import answering, outreach
from bot.advance import Script, open_conversation
from bot.language import Language
from bot.store.session import Database
from bot.store.tables import (
    Conversation,
    Guardian,
    GuardianPhone,
    OutboundText,
    Outreach,
    School,
    Student,
)
from bot.transcript import Player
from bot.understanding import Understanding
from bot.vocabulary import Purpose
from tests.builders import FRIDAY, NOW, a_guardian, a_school, a_staff_member, a_student, absent, number_of
from tests.conftest import ROOT
from tests.town import Town

FOLDER = ROOT / "tests" / "transcripts"
FILES = sorted(FOLDER.glob("*.txt"))
HARTFORD = ZoneInfo("America/New_York")
REWRITE = bool(os.environ.get("PRESENTE_REWRITE_TRANSCRIPTS"))


@dataclass
class Transcript:
    """A file: its head as written, what the family writes, and every line as it stands."""

    head: list[str]
    language: Language
    students: list[str]
    at: datetime
    family: list[str]
    lines: list[str]


def read(path: Path) -> Transcript:
    lines = path.read_text(encoding="utf-8").splitlines()
    head = [line for line in lines if line and line[0] not in "<>!"]
    settings = dict(line.split(": ", 1) for line in head[1:])
    at = NOW
    if "at" in settings:
        at = datetime.strptime(settings["at"], "%Y-%m-%d %H:%M").replace(tzinfo=HARTFORD)
    return Transcript(
        head,
        Language(head[0].split(" / ")[1]),
        settings.get("students", "Maya").split(", "),
        at,
        [line[2:] for line in lines if line.startswith(">")],
        [line for line in lines if line and line[0] in "<>!"],
    )


def play(told: Transcript, script: Script, understanding: Understanding) -> list[str]:
    player = Player(
        script, understanding, language=told.language, students=told.students, now=told.at, zone=HARTFORD
    )
    lines = player.begin()
    for words in told.family:
        lines.append(f"> {words}".rstrip())
        lines += player.hear(words)
    return lines


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_conversation_goes_as_it_is_written(
    path: Path, script: Script, understanding: Understanding
) -> None:
    told = read(path)
    played = play(told, script, understanding)
    if REWRITE:
        path.write_text("\n".join([*told.head, *played]) + "\n", encoding="utf-8")
        return

    assert told.lines == played


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_tables_carry_it_word_for_word(
    path: Path, sqlite: Database, script: Script, understanding: Understanding
) -> None:
    """The same family, through inbound, the locked conversation, the outbox and the door."""
    told = read(path)
    town = Town(sqlite, script, understanding)
    with sqlite.begin() as session:
        school = a_school(session)
        students = [a_student(session, school, name) for name in told.students]
        guardian = a_guardian(session, *students, speaks=told.language)
        number = number_of(session, guardian)
        member = a_staff_member(session, school)
        _asked_before(session, guardian, students[0], script)
        absent(session, *students)
        planned = outreach.plan(session, FRIDAY, script=script, now=NOW)
        outreach.run(session, planned, script=script, now=NOW)
        conversation = session.scalars(select(Conversation.id).where(Conversation.day == FRIDAY)).one()
    town.work()
    town.now = told.at
    for words in told.family:
        match words:
            case "(silence)":
                with sqlite.begin() as session:
                    talk = session.get_one(Conversation, conversation)
                    talk.silence_at = talk.silence_at and town.now
                outreach.take_silences(sqlite, script=script, now=town.now)
            case "(a person takes over)":
                with sqlite.begin() as session:
                    # Who has come is told to the family at the desk's door, not by the flow (courtesy.py).
                    answering.take(
                        session, conversation, member.id, script=script, now=town.now, announced=False
                    )
            case "(a person returns it)":
                with sqlite.begin() as session:
                    answering.return_to_bot(session, conversation, member.id, script=script, now=town.now)
            case _:
                picture = words.startswith("(photo)")
                town.family_writes(number, words.removeprefix("(photo)").strip(), pictures=int(picture))
    with sqlite.begin() as session:
        queued = session.scalars(select(OutboundText).order_by(OutboundText.id)).all()
        said = [line for text in queued for line in text.body.splitlines()]
        assert session.scalars(select(School)).one().name == "Burns School"

    assert said == [line[2:] for line in told.lines if line.startswith("<")]


def _asked_before(session: Session, guardian: Guardian, student: Student, script: Script) -> None:
    """A week ago too, so that the day opens in the everyday words and not in a family's first text."""
    day, at = FRIDAY - timedelta(days=7), NOW - timedelta(days=7)
    phone = session.scalars(select(GuardianPhone).where(GuardianPhone.guardian_id == guardian.id)).one()
    earlier = open_conversation(
        session,
        phone_id=phone.phone_id,
        guardian_id=guardian.id,
        school_id=student.school_id,
        students=[student.id],
        day=day,
        language=guardian.language,
        script=script,
        now=at,
    )
    session.add(
        Outreach(
            student_id=student.id,
            day=day,
            purpose=Purpose.CHECK_IN,
            guardian_id=guardian.id,
            conversation_id=earlier,
            at=at,
        )
    )
    session.flush()


def test_there_are_enough_of_them_in_every_language() -> None:
    spoken = [read(path).language for path in FILES]

    assert len(FILES) >= 60
    assert all(spoken.count(language) >= 4 for language in Language)
