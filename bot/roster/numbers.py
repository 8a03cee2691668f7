"""Numbers as offices write them: read, or named as a problem without being shown."""

import re
from collections.abc import Iterable

from bot.phone import PhoneNumber, PhoneRefused
from bot.roster.records import Contacts, Number, Roster, Written
from bot.roster.report import Problem

# Where a number came from, which the law asks for (LAW-3).
FROM_CONTACTS = "the school's contacts file"
FROM_ROSTER = "the school's roster"

_POSITIONS = {"mobile": 1, "home": 2, "work": 3}

_SHORTENED = re.compile(r"[\d.,]+E\+?\d+", re.IGNORECASE)
_EXTENSION = re.compile(r"(extension|ext\.?|x)\s*\d+$", re.IGNORECASE)
_MEND = "ask the family for a number with area code, such as 860-555-0123"
_TOLL_FREE = {"800", "833", "844", "855", "866", "877", "888"}


def guardians_numbers(
    roster: Roster, contacts: Contacts | None, problems: list[Problem]
) -> dict[str, dict[str, Number]]:
    """Each guardian's usable numbers, as E.164.

    The contacts file wins; the roster's own numbers serve a guardian for whom it has none.
    """
    students_own = _students_own(roster)
    numbers: dict[str, dict[str, Number]] = {}
    for guardian in roster.guardians:
        own = students_own if guardian not in roster.students else set()
        said = contacts.written.get(guardian, []) if contacts else []
        numbers[guardian] = _usable(said, FROM_CONTACTS, own, problems) or _usable(
            _not_among(said, roster.written.get(guardian, [])), FROM_ROSTER, own, problems
        )
    return numbers


def _not_among(said: Iterable[Written], written: Iterable[Written]) -> list[Written]:
    """What no contacts row says as well, however it is written: one fault is told once."""
    told = {_bare(one.words) for one in said}
    if not told:
        return list(written)
    return [one for one in written if _bare(one.words) not in told]


def _bare(words: str) -> str:
    """Without punctuation and country code."""
    return "".join(character for character in words if character.isalnum())[-10:]


def _students_own(roster: Roster) -> set[str]:
    """The numbers that are one student's alone (OR-11); one that siblings share is their family's."""
    owners: dict[str, int] = {}
    for written in roster.students_mobiles.values():
        for one in written:
            try:
                number = read_number(one.words, one.kind).e164
            except PhoneRefused:
                continue
            owners[number] = owners.get(number, 0) + 1
    return {number for number, count in owners.items() if count == 1}


def _usable(
    written: Iterable[Written], given_by: str, students_own: set[str], problems: list[Problem]
) -> dict[str, Number]:
    """The numbers among what was *written*; the rest are named, a kind given twice too."""
    numbers: dict[str, Number] = {}
    lines: dict[str, int] = {}
    for one in written:
        fault = ""
        try:
            e164 = read_number(one.words, one.kind).e164
        except PhoneRefused as refused:
            fault = str(refused)
        else:
            if e164 in students_own:
                fault = "it is a student's own number"
            elif e164 not in numbers and one.kind in lines:
                fault = f"line {lines[one.kind]} has another one for the same contact"
        if fault:
            reason = f"{_shown(one)}: {fault}; the number was left out"
            problems.append(
                Problem(one.file, one.line, reason, column=one.column, value=_masked(one.words), mend=_MEND)
            )
        elif e164 not in numbers:
            numbers[e164] = Number(one.kind, _POSITIONS[one.kind], given_by)
            lines[one.kind] = one.line
    return numbers


def _shown(one: Written) -> str:
    """A number may not stand in a report (PH-3); words such as "n/a" may."""
    holds_digits = any(character.isdigit() for character in one.words)
    return one.kind if holds_digits else f'{one.kind} "{one.words[:40]}"'


def _masked(words: str) -> str:
    """The last four digits tell a person which number of a row is meant, and nobody else whose it is."""
    digits = "".join(character for character in words if character.isdigit())
    return f"…{digits[-4:]}" if len(digits) > 4 else "" if digits else words[:40]


def read_number(written: str, kind: str) -> PhoneNumber:
    """Read a number as an office or its spreadsheet wrote it.

    Raises PhoneRefused, with what a person can do about it, for what cannot be a guardian's number.
    """
    if _SHORTENED.fullmatch(written):
        raise PhoneRefused(
            "a spreadsheet shortened it to powers of ten; format the column as text and export again"
        )
    if written.strip("#") == "":
        raise PhoneRefused("a spreadsheet column was too narrow to show it; widen it and export again")
    if any(character.isalpha() for character in _EXTENSION.sub("", written)):
        raise PhoneRefused("it holds words; enter the number alone")
    number = PhoneNumber.parse(written)
    if kind == "mobile" and number.e164.startswith("+1") and number.e164[2:5] in _TOLL_FREE:
        raise PhoneRefused("it is a toll-free number, which nobody reads texts on")
    return number
