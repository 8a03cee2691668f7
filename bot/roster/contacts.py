"""The contacts file: whom to reach about whom, in which order and language, and on which numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from bot.language import Language, from_school_code
from bot.roster.files import Columns, Row, read_rows
from bot.roster.records import Contacts, Guardianship, Roster, Written
from bot.roster.report import FileRefused, Problem

_COLUMNS = Columns(
    filled=("student_id", "contact_id"),
    present=(
        "relation",
        "contact_order",
        "lives_with",
        "may_receive_texts",
        "court_order",
        "preferred_language",
        "mobile",
    ),
    optional=("home", "work"),
)
_KINDS = ("mobile", "home", "work")
_YES = {"y", "yes", "true", "1"}
_NO = {"n", "no", "false", "0"}
_LAST = 99


class _Numbered(Protocol):
    @property
    def number(self) -> str: ...


@dataclass
class _Reading:
    file: str
    roster: Roster
    contacts: Contacts
    problems: list[Problem]

    def note(self, row: Row, reason: str, column: str = "", mend: str = "") -> None:
        value = row[column] if column else ""
        self.problems.append(Problem(self.file, row.line, reason, column=column, value=value, mend=mend))


def read_contacts(
    name: str, raw: bytes, roster: Roster, problems: list[Problem], encoding: str | None = None
) -> Contacts:
    """Read a contacts file for the people of *roster*.

    A flag that cannot be read is taken for the answer that sends no text. Raises FileRefused for a
    file that cannot be trusted as a whole.
    """
    rows = read_rows(name, raw, _COLUMNS, problems, encoding)
    if not rows:
        raise FileRefused(f"{name} has no rows; export it again; nothing was changed")
    reading = _Reading(name, roster, Contacts(rows_read=len(rows)), problems)
    students, guardians = _by_any_id(roster.students), _by_any_id(roster.guardians)
    for row in rows:
        guardian = _known(reading, row, "contact_id", guardians)
        student = _known(reading, row, "student_id", students)
        if row.spoiled:
            reading.contacts.held.add(guardian or row["contact_id"])
        elif guardian:
            # Language and numbers are the guardian's own, whichever student the row is about.
            _add_language(reading, row, guardian)
            _add_numbers(reading, row, guardian)
            if student:
                _add_link(reading, row, student, guardian)
    return reading.contacts


def _by_any_id(people: Mapping[str, _Numbered]) -> dict[str, set[str]]:
    """The sourcedIds by what a file may call a person: its number or its sourcedId."""
    found: dict[str, set[str]] = {}
    for sourced_id, person in people.items():
        for name in (sourced_id, person.number):
            found.setdefault(name, set()).add(sourced_id)
    return found


def _known(reading: _Reading, row: Row, column: str, people: dict[str, set[str]]) -> str | None:
    """The one person a row means: who could be two is nobody, for a text must not reach a stranger."""
    found = people.get(row[column], set())
    if len(found) == 1:
        return next(iter(found))
    if not row.spoiled:
        whom = "is in the roster more than once" if found else "is not in the roster"
        left_out = "the row" if column == "contact_id" else "the link"
        reading.note(row, f"{column} {row[column]!r} {whom}; {left_out} was left out", column)
    return None


def _add_link(reading: _Reading, row: Row, student: str, guardian: str) -> None:
    links = reading.contacts.links
    said = Guardianship(
        relation=row["relation"] or reading.roster.guardians[guardian].role,
        contact_order=_order(reading, row),
        lives_with=_flag(reading, row, "lives_with", unread=False),
        may_receive_texts=_flag(reading, row, "may_receive_texts", unread=False),
        court_order=_flag(reading, row, "court_order", unread=True),
    )
    earlier = links.setdefault((student, guardian), said)
    if earlier != said:
        reading.note(row, "an earlier line says otherwise of the same two people; the stricter flags count")
        links[student, guardian] = replace(
            earlier,
            may_receive_texts=earlier.may_receive_texts and said.may_receive_texts,
            court_order=earlier.court_order or said.court_order,
        )


def _order(reading: _Reading, row: Row) -> int:
    written = row["contact_order"]
    if written.isascii() and written.isdigit() and 0 < int(written) <= _LAST:
        return int(written)
    reading.note(
        row,
        f"contact_order {written!r} is not a number from 1 to {_LAST}; the contact comes last",
        "contact_order",
    )
    return _LAST


def _flag(reading: _Reading, row: Row, column: str, *, unread: bool) -> bool:
    written = row[column].casefold()
    if written in _YES:
        return True
    if written in _NO:
        return False
    taken = "Y" if unread else "N"
    reading.note(
        row, f"{column} {row[column]!r} is neither Y nor N; it was taken as {taken}", column, "write Y or N"
    )
    return unread


def _add_language(reading: _Reading, row: Row, guardian: str) -> None:
    code = row["preferred_language"]
    if not code:
        return
    language = from_school_code(code)
    if language is None:
        reading.note(
            row,
            f"preferred_language {code!r} is not one we speak; the contact is written to in English",
            "preferred_language",
        )
        language = Language.ENGLISH
    if reading.contacts.languages.setdefault(guardian, language) is not language:
        reading.note(row, "an earlier line gives the same contact another language; the earlier one was kept")


def _add_numbers(reading: _Reading, row: Row, guardian: str) -> None:
    written = reading.contacts.written.setdefault(guardian, [])
    written += [Written(kind, row[kind], reading.file, row.line, kind) for kind in _KINDS if row[kind]]
