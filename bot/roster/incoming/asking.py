"""What a person must say before a file can be read: which letters it is written in, and what its columns mean."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from bot.roster.attendance.dates import DayFormat
from bot.roster.columns import GuardianColumns, StudentColumns, suggest
from bot.roster.encodings import ENCODINGS, UTF_8, NotUtf8
from bot.roster.incoming.checking import Office, check
from bot.roster.incoming.coming import Pointing, open_for_pointing
from bot.roster.incoming.deciding import DecisionRefused, as_it_came
from bot.roster.report import FileRefused

# What a column of an attendance file may be; the words that offices write in its header.
MARKS = ("student", "day", "school", "code")
_SAID = {
    "student": ("studentid", "studentnumber", "lasid", "number", "permid", "localid", "sasid", "id"),
    "day": ("date", "day", "attdate", "absencedate", "attendancedate"),
    "school": ("schoolid", "schoolnumber", "schoolcode"),
    "code": ("code", "attcode", "attendancecode", "absencecode", "status", "mark", "attendance", "reason"),
}
DAY_FORMATS = (
    "YYYY-MM-DD",
    "MM/DD/YYYY",
    "M/D/YYYY",
    "DD/MM/YYYY",
    "D/M/YYYY",
    "DD.MM.YYYY",
    "YYYYMMDD",
    "DD-MON-YYYY",
)
_MOST_GUARDIANS = 4


def names_as_read(session: Session, file_id: int, office: Office, now: datetime) -> dict[str, list[str]]:
    """Some names of a file that is not UTF-8, as each of the encodings would have them."""
    try:
        check(session, as_it_came(session, file_id), office, now)
    except NotUtf8 as unclear:
        found: dict[str, list[str]] = {}
        for encoding, known in ENCODINGS.items():
            if encoding != UTF_8:
                found[encoding] = [
                    name.encode("cp1252", "replace").decode(known, "replace") for name in unclear.names
                ]
        return found
    except FileRefused:
        pass
    return {}


def pointing(session: Session, file_id: int) -> Pointing:
    """The first rows of a waiting list, for somebody who points at its columns."""
    return open_for_pointing(as_it_came(session, file_id).file)


def suggested_list(header: tuple[str, ...]) -> dict[str, str]:
    """For each column of a roster list what it probably means: "student.id", "guardian1.mobile"."""
    mapping = suggest(header)
    parts = {"student": mapping.student} | {
        f"guardian{number}": one for number, one in enumerate(mapping.guardians[:_MOST_GUARDIANS], start=1)
    }
    return {
        column: f"{part}.{key}"
        for part, columns in parts.items()
        for key, column in vars(columns).items()
        if column
    }


def suggested_marks(header: tuple[str, ...]) -> dict[str, str]:
    """For each column of an attendance list what it probably means: "student", "day", "code"."""
    found: dict[str, str] = {}
    for meant, words in _SAID.items():
        for word in words:
            column = next((one for one in header if _bare(one) == word and one not in found), None)
            if column is not None:
                found[column] = meant
                break
    return found


def suggested_days(pointing: Pointing, column: str) -> str:
    """How the days of this column are probably written: the first form that reads each of them."""
    if column not in pointing.shown:
        return DAY_FORMATS[0]
    at = pointing.shown.index(column)
    written = [row[at] for row in pointing.rows if row[at]]
    for words in DAY_FORMATS:
        if written and all(DayFormat(words).read(one) for one in written):
            return words
    return DAY_FORMATS[0]


def looks_like_marks(header: tuple[str, ...]) -> bool:
    """Whether a list is rather one of marks than of people: it has a day and no name."""
    return "day" in suggested_marks(header).values() and not suggest(header).student.last_name


def list_written(chosen: Mapping[str, str], school: str) -> dict[str, Any]:
    """What somebody has pointed at, {column: "student.id"}, as a mapping's file would say it.

    Raises DecisionRefused for one meaning with two columns.
    """
    by_meaning = _once(chosen)
    student = {
        key.removeprefix("student."): column
        for key, column in by_meaning.items()
        if key.startswith("student.")
    }
    guardians = []
    for number in range(1, _MOST_GUARDIANS + 1):
        start = f"guardian{number}."
        theirs = {key.removeprefix(start): one for key, one in by_meaning.items() if key.startswith(start)}
        if theirs:
            guardians.append(theirs)
    written: dict[str, Any] = {"student": student, "guardian": guardians}
    return written | ({"school": " ".join(school.split())} if school.strip() else {})


def marks_written(
    name: str, chosen: Mapping[str, str], *, day_format: str, everybody: bool, separator: str
) -> dict[str, Any]:
    """The same for an attendance file; what its codes mean is asked afterwards."""
    by_meaning = _once(chosen)
    if not {"student", "day", "code"} <= by_meaning.keys():
        raise DecisionRefused("Point at the student's number, the day and the code; nothing was changed.")
    return {
        "title": name,
        "shape": "table",
        "separator": separator,
        "rows": "everybody" if everybody else "exceptions",
        "columns": by_meaning,
        "day": {"formats": [day_format]},
    }


def meanings() -> dict[str, tuple[str, ...]]:
    """What a column of a roster list may mean, by whom it is about."""
    return {
        "student": tuple(StudentColumns.__dataclass_fields__),
        "guardian": tuple(GuardianColumns.__dataclass_fields__),
    }


def _bare(header: str) -> str:
    return "".join(letter for letter in header.casefold() if letter.isalpha())


def _once(chosen: Mapping[str, str]) -> dict[str, str]:
    by_meaning: dict[str, str] = {}
    for column, meant in chosen.items():
        if not meant:
            continue
        if meant in by_meaning:
            raise DecisionRefused(
                f"{by_meaning[meant][:40]!r} and {column[:40]!r} are said to be the same; "
                "choose one of them; nothing was changed."
            )
        by_meaning[meant] = column
    return by_meaning
