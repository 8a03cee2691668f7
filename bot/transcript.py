"""A conversation as a school person can read it: played on the real engine, printed line by line.

`>` is the family, `<` is us, `!` is what happens besides; a family line in brackets is an event:
(silence), (a person takes over), (a person returns it), (photo) before or instead of words.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import assert_never
from zoneinfo import ZoneInfo

from bot.advance import Script, heard
from bot.conversation.effects import (
    DropQueued,
    Effect,
    HandOff,
    HoldTexting,
    MarkWrongNumber,
    RecordBarrier,
    RecordOutcome,
    RecordReturn,
    ResumeTexting,
    Say,
    SpeakLanguage,
    StopTexting,
    TellStaff,
)
from bot.conversation.state import (
    Begin,
    Child,
    Message,
    NotStarted,
    Silence,
    StaffReturned,
    StaffTook,
    State,
    from_json,
    to_json,
)
from bot.conversation.turn import turn
from bot.handoffs import half_hour
from bot.language import Language
from bot.texts import Values
from bot.understanding import Understanding
from bot.vocabulary import Urgency

_EVENTS: dict[str, Message] = {
    "(silence)": Silence(),
    "(a person takes over)": StaffTook(),
    "(a person returns it)": StaffReturned(),
}

_SATURDAY = 5


class Player:
    """Plays one conversation. The state goes through JSON between turns, as it does through the database."""

    def __init__(
        self,
        script: Script,
        understanding: Understanding,
        *,
        language: Language,
        students: Iterable[str] = ("Maya",),
        school: str = "Burns School",
        now: datetime,
        zone: ZoneInfo,
        with_english: bool = False,
    ) -> None:
        self._script, self._understanding = script, understanding
        self._language, self._school = language, school
        self._children = tuple(Child(number, name) for number, name in enumerate(students, 1))
        self._now, self._zone = now, zone
        self._with_english = with_english
        self._state: State = NotStarted(self._children)

    def begin(self) -> list[str]:
        return self._turn(Begin(self._children))

    def hear(self, written: str) -> list[str]:
        """One line of the family, or an event in brackets."""
        if written in _EVENTS:
            return self._turn(_EVENTS[written])
        has_picture = written.startswith("(photo)")
        words = written.removeprefix("(photo)").strip()
        office = self._script.policy.office(self._zone)
        reading = self._understanding.read(
            words,
            expected=self._language,
            names=[child.name for child in self._children],
            today=self._now.astimezone(self._zone).date(),
        )
        after_hours = not office.contains(self._now)
        return self._turn(
            heard(words, reading, self._children, has_picture=has_picture, after_hours=after_hours)
        )

    def _promised(self, urgency: Urgency) -> datetime:
        """By when a person answers, in a week without closures; the desk asks the school's calendar."""
        office = self._script.policy.office(self._zone)
        today = self._now.astimezone(self._zone).date()
        if urgency is Urgency.P0:
            return self._now + timedelta(minutes=5)
        if urgency is Urgency.P1 and office.contains(self._now):
            return half_hour(self._now + timedelta(hours=2))
        day = today + timedelta(days=1)
        while day.weekday() >= _SATURDAY:
            day += timedelta(days=1)
        hours = 2 if urgency is Urgency.P1 else 4
        return office.on(day)[0] + timedelta(hours=hours)

    def _turn(self, message: Message) -> list[str]:
        self._state, effects = turn(from_json(to_json(self._state)), message, self._script.flows)
        lines: list[str] = []
        for effect in effects:
            lines += self._lines(effect)
        return lines

    def _lines(self, effect: Effect) -> list[str]:
        match effect:
            case Say():
                return self._said(effect)
            case RecordBarrier(code=code, words=words, about=about):
                shown = f' "{words}"' if words else ""
                return [f"! {code.value}{shown}{self._whom(about)}"]
            case RecordReturn(day=day, about=about):
                return [f"! back on {day}{self._whom(about)}"]
            case RecordOutcome(outcome=outcome, about=about):
                return [f"! ledger: {outcome.value}{self._whom(about)}"]
            case HandOff(queue=queue, urgency=urgency, why=why):
                return [f"! handoff: {queue.value} {urgency.value}, {why}"]
            case TellStaff():
                return ["! the desk sees it"]
            case StopTexting():
                return ["! no more texts to this number"]
            case ResumeTexting():
                return ["! texts to this number again"]
            case HoldTexting():
                return ["! automatic texts are held until a person has read this"]
            case MarkWrongNumber():
                return ["! the number is somebody else's"]
            case SpeakLanguage(language=language):
                self._language = language
                return [f"! speaks {language.english_name}"]
            case DropQueued():
                return []
            case _:
                assert_never(effect)

    def _said(self, say: Say) -> list[str]:
        by = self._promised(say.urgency) if say.urgency else None
        values = Values(
            students=[child.name for child in self._children if child.id in say.about],
            schools=[self._school],
            by=by,
            now=self._now,
            zone=self._zone,
            district=self._script.policy.district_name or "Grand Bend ISD",
            office_phone=self._script.policy.office_phone,
            day=say.day,
        )
        rendered = self._script.texts.render(say.key, say.line, values, self._language)
        lines = [f"< {line}" for line in rendered.body.splitlines()]
        if self._with_english and rendered.body != rendered.english:
            lines.append(f"  = {rendered.english}")
        return lines

    def _whom(self, about: tuple[int, ...]) -> str:
        names = [child.name for child in self._children if child.id in about]
        return f" ({', '.join(names)})" if len(self._children) > 1 else ""
