"""What befalls a stormy day, made from a seed: files that correct each other, closings, and when a process is killed."""

import csv
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path

# How often each thing happens, of a hundred days.
_CLOSED_BEFORE = 5
_CLOSED_AFTER = 6
_MISTAKEN = 40  # of the closings
_LATE = 6
_EARLY = 6
# Minutes after the school's time at which a file may come again, and those at which the town looks at its phones.
_FILES = (0, 2, 12, 41, 150)
_LOOKS = (4, 9, 30, 62, 95, 100, 125, 190, 240, 360, 720)


class Kind(StrEnum):
    FILE = "file"
    CLOSE = "close"
    LATE = "late"
    EARLY = "early"
    WITHDRAW = "withdraw"
    LOOK = "look"


@dataclass(frozen=True)
class Row:
    """One row of an attendance file, by the school's own ids."""

    school: str
    student: str
    code: str

    @property
    def absent(self) -> bool:
        return self.code.startswith("A")

    @property
    def excused(self) -> bool:
        return self.code == "AE"


@dataclass(frozen=True)
class Step:
    """Something that happens so many minutes after the school's usual time of asking. `change` names a closing."""

    minute: int
    kind: Kind
    file: str = ""
    schools: tuple[str, ...] = ()
    at_minute: int = 0
    change: str = ""


@dataclass(frozen=True)
class Day:
    """One day's storm: what happens, in order, each file's rows, and after what part of the work a process dies."""

    day: date
    steps: tuple[Step, ...]
    files: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)
    kills: tuple[float, ...] = ()


def storm(
    day: date, marked: Sequence[Row], students: Mapping[str, Sequence[str]], seed: int, most_kills: int
) -> Day:
    """The storm of one day. *marked* are the rows of the sample's file, *students* everybody of each school."""
    chance = random.Random(f"{seed} {day}")
    files = dict(_files(day, marked, students, chance))
    names = list(files)
    steps = [Step(0, Kind.FILE, names[0])]
    steps += [
        Step(minute, Kind.FILE, name)
        for name, minute in zip(names[1:], sorted(chance.sample(_FILES[1:], len(names) - 1)), strict=True)
    ]
    # The same file once more: somebody pressed the button twice, or a job ran again.
    steps += [Step(step.minute, Kind.FILE, step.file) for step in steps if chance.random() < 0.4]
    steps += _changes(sorted(students), chance)
    steps += [Step(minute, Kind.LOOK) for minute in _LOOKS]
    steps.sort(key=lambda step: step.minute)
    kills = tuple(sorted(chance.random() for _ in range(chance.randint(1, most_kills))))
    return Day(day, tuple(steps), files, kills)


def _files(
    day: date, marked: Sequence[Row], students: Mapping[str, Sequence[str]], chance: random.Random
) -> Iterator[tuple[str, tuple[Row, ...]]]:
    """The day's files: the first has it wrong here and there, and those that follow correct one another."""
    right = {row.student: row for row in marked}
    for number in range(chance.randint(1, 4)):
        rows = dict(right)
        for school, known in sorted(students.items()):
            theirs = [row for row in rows.values() if row.school == school]
            for row in theirs:
                if chance.random() < 0.15:  # came after all, or the office knows why
                    rows[row.student] = Row(school, row.student, chance.choice(["T", "AE", "AU"]))
            if chance.random() < 0.3:  # marked absent by mistake, until the next file says otherwise
                student = chance.choice(known)
                rows.setdefault(student, Row(school, student, "AU"))
            if not any(row.school == school for row in rows.values()):
                # A file that does not speak of a school corrects nothing there.
                student = chance.choice(known)
                rows[student] = Row(school, student, "T")
        yield f"{day}-{number}.csv", tuple(rows[student] for student in sorted(rows))


def _changes(schools: Sequence[str], chance: random.Random) -> Iterator[Step]:
    some = tuple(schools) if chance.random() < 0.5 else (chance.choice(schools),)
    kind = chance.random() * 100
    if kind < _CLOSED_BEFORE + _CLOSED_AFTER:
        minute = chance.randint(-90, -5) if kind < _CLOSED_BEFORE else _of_its_own(chance.randint(0, 130))
        yield Step(minute, Kind.CLOSE, schools=some, change="closing")
        if chance.random() * 100 < _MISTAKEN:
            taken_back = _of_its_own(minute + chance.randint(1, 60))
            yield Step(taken_back, Kind.WITHDRAW, schools=some, change="closing")
    elif kind < _CLOSED_BEFORE + _CLOSED_AFTER + _LATE:
        minute = _of_its_own(chance.randint(-90, 3))
        yield Step(minute, Kind.LATE, schools=some, at_minute=chance.choice([60, 90, 120]))
    elif kind < _CLOSED_BEFORE + _CLOSED_AFTER + _LATE + _EARLY:
        minute = _of_its_own(chance.randint(-60, 60))
        yield Step(minute, Kind.EARLY, schools=some, at_minute=chance.choice([80, 150, 180]))


def _of_its_own(minute: int) -> int:
    """The next minute at which nothing else happens: the judge knows what was said before a text and what after."""
    while minute in _FILES or minute in _LOOKS:
        minute += 1
    return minute


_DESCRIPTIONS = {"AU": "Absent unexcused", "AE": "Absent excused", "T": "Tardy", "P": "Partial day"}


def write(folder: Path, day: Day) -> None:
    """Write the day's files as the sample district exports them."""
    for name, rows in day.files.items():
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["date", "school_id", "student_id", "att_code", "description", "status", "excuse"])
            for row in rows:
                table.writerow(
                    [
                        day.day.isoformat(),
                        row.school,
                        row.student,
                        row.code,
                        _DESCRIPTIONS[row.code],
                        row.code[0],
                        row.code[1:],
                    ]
                )


def marked_by_day(path: Path) -> dict[date, list[Row]]:
    """The rows of a whole year's file, by day."""
    found: dict[date, list[Row]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(date.fromisoformat(row["date"]), []).append(
                Row(row["school_id"], row["student_id"], row["att_code"])
            )
    return found
