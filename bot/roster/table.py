"""An office's own list of students and guardians, CSV or Excel, read by a saved mapping of its columns."""

import csv
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from bot.language import Language, from_school_code
from bot.roster.columns import ColumnMapping, GuardianColumns
from bot.roster.encodings import decode
from bot.roster.records import Contacts, Guardian, Guardianship, Roster, School, Student, Written
from bot.roster.report import FileRefused, Problem

_LONGEST_VALUE = 255
_LONGEST_GRADE = 20
_LAST = 99
_MOST_ROWS = 500_000
_MOST_COLUMNS = 1_000
_SEPARATORS = (",", ";", "\t")
_YES = {"y", "yes", "true", "1", "x", "t", "sí", "si"}
_NO = {"n", "no", "false", "0", "f"}
_KINDS = {
    "mobile": "mobile",
    "cell": "mobile",
    "cellphone": "mobile",
    "cellular": "mobile",
    "text": "mobile",
    "m": "mobile",
    "c": "mobile",
    "home": "home",
    "h": "home",
    "landline": "home",
    "work": "work",
    "w": "work",
    "business": "work",
    "office": "work",
}


@dataclass(frozen=True)
class Table:
    """A header and its rows, each with its true line."""

    header: tuple[str, ...]
    rows: Iterable[tuple[int, list[str]]]


@dataclass(frozen=True)
class Shown:
    """One row as an import would understand it, for a person to look at before anything is applied."""

    line: int
    student: str
    school: str
    guardians: tuple[str, ...]


@dataclass
class _Reading:
    file: str
    mapping: ColumnMapping
    where: dict[str, int]
    problems: list[Problem]
    roster: Roster = field(default_factory=Roster)
    contacts: Contacts = field(default_factory=Contacts)
    guardians: list["_Said"] = field(default_factory=list)

    def note(self, line: int, reason: str, column: str = "", value: str = "", mend: str = "") -> None:
        self.problems.append(Problem(self.file, line, reason, column=column, value=value, mend=mend))


@dataclass(frozen=True)
class _Said:
    """What one row says of one guardian of its student."""

    line: int
    student: str
    id: str
    given_name: str
    family_name: str
    relation: str
    link: Guardianship
    language: Language | None
    written: tuple[Written, ...]


def open_table(
    name: str, raw: bytes, problems: list[Problem], encoding: str | None = None, columns: Iterable[str] = ()
) -> Table:
    """The header and rows of a CSV file (commas, semicolons or tabs) or an Excel workbook's first sheet.

    Raises FileRefused for what is neither. Only values of *columns* are shown when an encoding is asked for.
    """
    if raw.startswith(b"PK\x03\x04"):
        # Late, because openpyxl takes a while to load and most files are not workbooks.
        from bot.roster.attendance.shapes.workbook import workbook

        sheet = workbook(name, raw)
        return Table(_not_too_wide(name, sheet.header), sheet.rows)
    shown = tuple(columns)
    text = decode(name, raw, problems, encoding, names=lambda text: _names_as_read(text, shown))
    first = text.split("\n", 1)[0]
    separator = max(_SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        header = next(reader, [])
    except csv.Error as fault:
        raise _broken(name, 1, fault) from None
    return Table(_not_too_wide(name, header), _csv_rows(name, text, separator))


def _not_too_wide(name: str, header: Sequence[str]) -> tuple[str, ...]:
    """The header's words. A page that asks about each of a hundred thousand columns takes all memory there is."""
    if len(header) > _MOST_COLUMNS:
        raise FileRefused(
            f"{name} has {len(header):,} columns; expected at most {_MOST_COLUMNS:,}; export fewer; "
            "nothing was changed"
        )
    return tuple(" ".join(cell.split()) for cell in header)


def _csv_rows(name: str, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        next(reader, None)
        line = reader.line_num + 1
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error as fault:
        raise _broken(name, reader.line_num, fault) from None


def _broken(name: str, line: int, fault: csv.Error) -> FileRefused:
    return FileRefused(
        f"{name} line {line}: the quotes or line ends are broken ({fault}); "
        "export it again; nothing was changed"
    )


def _names_as_read(text: str, columns: tuple[str, ...]) -> list[str]:
    """The first few values with accents of the mapped columns alone; a list may hold passwords too."""
    separator = max(_SEPARATORS, key=text.split("\n", 1)[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    found: dict[str, None] = {}
    try:
        header = [" ".join(cell.split()) for cell in next(reader, [])]
        at = [header.index(column) for column in columns if column in header]
        for cells in reader:
            found |= {cells[one]: None for one in at if one < len(cells) and not cells[one].isascii()}
            if len(found) >= 5:
                break
    except csv.Error:
        pass
    return [" ".join(value.split())[:40] for value in found][:5]


def read_table(
    name: str, raw: bytes, mapping: ColumnMapping, problems: list[Problem], encoding: str | None = None
) -> tuple[Roster, Contacts]:
    """Read a complete list: one row for each student, or for each student and guardian, in any order.

    Rows about the same student and guardian are put together. The same name with the same number is
    one guardian of several students. Raises FileRefused when the list as a whole cannot be trusted.
    """
    reading, table = _begin(name, raw, mapping, problems, encoding)
    for count, (line, cells) in enumerate(table.rows, start=1):
        if count > _MOST_ROWS:
            raise FileRefused(f"{name} has more than {_MOST_ROWS} rows; nothing was changed")
        if any(cell and not cell.isspace() for cell in cells):
            reading.roster.rows_read += 1
            _read_row(reading, line, cells)
    if not reading.roster.rows_read:
        raise FileRefused(f"{name} has no rows; export it again; nothing was changed")
    _put_together(reading)
    return reading.roster, reading.contacts


def preview(
    name: str, raw: bytes, mapping: ColumnMapping, rows: int = 20
) -> tuple[list[Shown], list[Problem]]:
    """How an import would understand the first *rows* rows, and what it would say of them. Changes nothing."""
    problems: list[Problem] = []
    reading, table = _begin(name, raw, mapping, problems, None)
    shown: list[Shown] = []
    for line, cells in table.rows:
        if len(shown) == rows:
            break
        if not any(cell and not cell.isspace() for cell in cells):
            continue
        before = len(reading.guardians)
        student = _read_row(reading, line, cells)
        if student is None:
            shown.append(Shown(line, "", "", ()))
            continue
        known = reading.roster.students[student]
        guardians = tuple(
            f"{one.given_name} {one.family_name} ({', '.join(written.kind for written in one.written) or 'no number'})"
            for one in reading.guardians[before:]
        )
        full = f"{known.preferred_name or known.given_name} {known.family_name}, {known.number}"
        shown.append(Shown(line, full, reading.roster.schools[known.school].name, guardians))
    return shown, problems


def _begin(
    name: str, raw: bytes, mapping: ColumnMapping, problems: list[Problem], encoding: str | None
) -> tuple[_Reading, Table]:
    table = open_table(name, raw, problems, encoding, mapping.named())
    missing = [column for column in mapping.named() if column not in table.header]
    if missing:
        raise FileRefused(
            f"{name}: the header has no column {', '.join(missing)[:200]}; "
            "correct the columns file or the list; nothing was changed"
        )
    twice = [column for column in mapping.named() if table.header.count(column) > 1]
    if twice:
        raise FileRefused(f"{name}: the header has {', '.join(twice)[:200]} twice; nothing was changed")
    where = {column: table.header.index(column) for column in mapping.named()}
    reading = _Reading(name, mapping, where, problems)
    reading.roster.terms = list(mapping.terms)
    return reading, table


# --- one row ------------------------------------------------------------------------------------------------


def _read_row(reading: _Reading, line: int, cells: list[str]) -> str | None:
    """The sourcedId of the row's student, or None when the row could not be read."""
    values = {
        column: " ".join(cells[at].split()) if at < len(cells) else "" for column, at in reading.where.items()
    }
    columns = reading.mapping.student
    student = values[columns.id]
    too_long = next((column for column, value in values.items() if len(value) > _LONGEST_VALUE), "")
    if too_long:
        reading.note(
            line, f"{too_long} has more than {_LONGEST_VALUE} characters; the row was left out", too_long
        )
        reading.roster.held |= {student[:_LONGEST_VALUE]} - {""}
        return None
    for column in (columns.id, columns.first_name, columns.last_name):
        if not values[column]:
            reading.note(line, f"{column} is empty; the row was left out", column, mend=f"fill in {column}")
            reading.roster.held |= {student} - {""}
            return None
    school = values[columns.school] if columns.school else reading.mapping.school
    if not school:
        reading.note(line, f"{columns.school} is empty; the row was left out", columns.school)
        reading.roster.held.add(student)
        return None
    _add_student(reading, line, values, student, school)
    for order, guardian in enumerate(reading.mapping.guardians, start=1):
        _add_guardian(reading, line, values, guardian, student, order)
    return student


def _add_student(reading: _Reading, line: int, values: dict[str, str], student: str, school: str) -> None:
    columns, roster = reading.mapping.student, reading.roster
    roster.schools.setdefault(school, School(school, reading.mapping.district))
    grade = values[columns.grade] if columns.grade else ""
    if len(grade) > _LONGEST_GRADE:
        reading.note(
            line, f"{columns.grade} has {len(grade)} characters and was left empty", columns.grade, grade
        )
        grade = ""
    said = Student(
        number=student,
        given_name=values[columns.first_name],
        preferred_name=values[columns.preferred_name] if columns.preferred_name else "",
        family_name=values[columns.last_name],
        grade=grade,
        school=school,
    )
    if roster.students.setdefault(student, said) != said:
        reading.note(
            line,
            "an earlier line says otherwise of the same student; the earlier one was kept",
            columns.id,
            student,
            "give every student a number of their own",
        )


def _add_guardian(
    reading: _Reading, line: int, values: dict[str, str], columns: GuardianColumns, student: str, order: int
) -> None:
    def value(column: str) -> str:
        return values[column] if column else ""

    given, family = _name(value(columns.name), value(columns.first_name), value(columns.last_name))
    written = _written(reading, line, value, columns)
    if not given and not family:
        if written:
            reading.note(
                line,
                "a number has no name beside it; the contact was left out",
                columns.name or columns.first_name or columns.last_name,
                mend="write whose number it is",
            )
        return
    custody = _flag(reading, line, columns.custody, value, unread=False, unmapped=True)
    texts = _flag(reading, line, columns.may_receive_texts, value, unread=False, unmapped=True)
    link = Guardianship(
        relation=value(columns.relation) or "guardian",
        contact_order=_order(reading, line, columns.order, value(columns.order), order),
        lives_with=_flag(reading, line, columns.lives_with, value, unread=False, unmapped=True),
        may_receive_texts=custody and texts,
        court_order=_flag(reading, line, columns.court_order, value, unread=True, unmapped=False),
    )
    language = _language(reading, line, columns.language, value(columns.language))
    reading.guardians.append(
        _Said(
            line, student, value(columns.id), given, family, value(columns.relation), link, language, written
        )
    )


def _name(whole: str, first: str, last: str) -> tuple[str, str]:
    """Given and family name; "Rivera, Ana" and "Ana Rivera" are the same."""
    if first or last or not whole:
        return first, last
    if "," in whole:
        family, _, given = whole.partition(",")
        return given.strip(), family.strip()
    given, _, family = whole.rpartition(" ")
    return (given, family) if given else (family, "")


def _written(
    reading: _Reading, line: int, value: Callable[[str], str], columns: GuardianColumns
) -> tuple[Written, ...]:
    kind = _KINDS.get(value(columns.kind).casefold().replace(" ", ""), "") if columns.kind else "mobile"
    if columns.kind and not kind and value(columns.phone):
        # A fax or a number for emergencies is not to be texted (ED-6); as a home phone it is kept for calls.
        kind = "home"
        said = value(columns.kind)
        reading.note(
            line,
            f"{columns.kind} {said[:40]!r} is neither mobile, home nor work; the number is kept for calls only",
            columns.kind,
            said,
            "write mobile, home or work",
        )
    parts = (
        (columns.mobile, "mobile"),
        (columns.phone, kind),
        (columns.home, "home"),
        (columns.work, "work"),
    )
    return tuple(
        Written(kind, value(column), reading.file, line, column) for column, kind in parts if value(column)
    )


def _flag(
    reading: _Reading, line: int, column: str, value: Callable[[str], str], *, unread: bool, unmapped: bool
) -> bool:
    """A flag as written; one that cannot be read is taken for the answer that sends no text (LAW-43)."""
    if not column:
        return unmapped
    said = value(column)
    if said.casefold() in _YES:
        return True
    if said.casefold() in _NO:
        return False
    # An empty court order is how every list says that there is none; any other empty flag is no permission.
    if not said and unread:
        return False
    taken = "yes" if unread else "no"
    reading.note(
        line,
        f"{column} {said[:40]!r} is neither yes nor no; it was taken as {taken}",
        column,
        said,
        "write Y or N",
    )
    return unread


def _order(reading: _Reading, line: int, column: str, written: str, unmapped: int) -> int:
    if not written:
        return unmapped
    if written.isascii() and written.isdigit() and 0 < int(written) <= _LAST:
        return int(written)
    reading.note(
        line,
        f"{column} {written[:40]!r} is not a number from 1 to {_LAST}; the contact comes last",
        column,
        written,
    )
    return _LAST


def _language(reading: _Reading, line: int, column: str, written: str) -> Language | None:
    if not written:
        return None
    names = {language.english_name.casefold(): language for language in Language}
    names |= {language.own_name.casefold(): language for language in Language}
    language = names.get(written.casefold()) or from_school_code(written)
    if language is None:
        reading.note(
            line,
            f"{column} {written[:40]!r} is not one we speak; the contact is written to in English",
            column,
            written,
        )
        return Language.ENGLISH
    return language


# --- all rows together --------------------------------------------------------------------------------------


def _put_together(reading: _Reading) -> None:
    """One guardian for all rows that mean the same person, with the stricter flags where two rows differ."""
    roster, contacts = reading.roster, reading.contacts
    whose = _same_people(reading.guardians)
    for said in reading.guardians:
        key = whose[_key(said)]
        guardian = Guardian(key, said.given_name, said.family_name, said.relation or "guardian")
        roster.guardians.setdefault(key, guardian)
        pair = (said.student, key)
        earlier = contacts.links.setdefault(pair, said.link)
        if earlier != said.link:
            contacts.links[pair] = replace(
                earlier,
                may_receive_texts=earlier.may_receive_texts and said.link.may_receive_texts,
                court_order=earlier.court_order or said.link.court_order,
                contact_order=min(earlier.contact_order, said.link.contact_order),
            )
        roster.links.setdefault(pair, len(roster.links))
        if said.language and contacts.languages.setdefault(key, said.language) is not said.language:
            reading.note(
                said.line, "an earlier line gives the same contact another language; the earlier one was kept"
            )
        theirs = roster.written.setdefault(key, [])
        known = {(one.kind, one.words) for one in theirs}
        theirs += [one for one in said.written if (one.kind, one.words) not in known]


def _key(said: _Said) -> tuple[str, str]:
    """One person of one student's row: the office's own id, else the name beside that student."""
    return ("", said.id) if said.id else (said.student, f"{said.given_name} {said.family_name}".casefold())


def _same_people(guardians: list[_Said]) -> dict[tuple[str, str], str]:
    """The sourcedId of each; the same name with the same number is one person, of siblings as a rule.

    An id is made from the first such student's number and the name, as a hash, because ids stand in
    logs and names may not. It stays when the number changes, so that history and language stay too.
    """
    first: dict[tuple[str, str], tuple[str, str]] = {}
    whose: dict[tuple[str, str], tuple[str, str]] = {}
    for said in sorted(guardians, key=lambda one: (one.student, one.line)):
        key = _key(said)
        whose.setdefault(key, key)
        if said.id:
            continue
        for written in said.written:
            digits = "".join(letter for letter in written.words if letter.isdigit())[-10:]
            if len(digits) == 10:
                whose[key] = min(whose[key], first.setdefault((key[1], digits), whose[key]))
    return {key: found[1] if not found[0] else _hashed(found) for key, found in whose.items()}


def _hashed(key: tuple[str, str]) -> str:
    return "list-" + hashlib.sha256("\0".join(key).encode()).hexdigest()[:24]
