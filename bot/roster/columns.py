"""Which column of an office's own list means what: read from a TOML file, or suggested from the headers."""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date, timedelta
from typing import Any

from bot.roster.records import Term
from bot.roster.report import FileRefused


@dataclass(frozen=True)
class StudentColumns:
    """The columns about the student. `id` is the number that attendance files use (OR-16)."""

    id: str
    first_name: str
    last_name: str
    preferred_name: str = ""
    grade: str = ""
    school: str = ""


@dataclass(frozen=True)
class GuardianColumns:
    """The columns about one guardian of a row; a list with three guardians a row has three of these.

    `name` holds the whole name where first and last have no columns of their own. `phone` is of the
    `kind` that column says (mobile, home, work), else a mobile. A `custody` of no, like a
    `may_receive_texts` of no, means that nobody is texted there.
    """

    name: str = ""
    first_name: str = ""
    last_name: str = ""
    id: str = ""
    relation: str = ""
    phone: str = ""
    kind: str = ""
    mobile: str = ""
    home: str = ""
    work: str = ""
    language: str = ""
    custody: str = ""
    court_order: str = ""
    may_receive_texts: str = ""
    lives_with: str = ""
    order: str = ""


@dataclass(frozen=True)
class ColumnMapping:
    """What the columns of one list mean.

    `school` and `district` name those of a list that has no column for them; `terms` are the days with
    school, which such a list cannot say. Without them the calendar stays as it is.
    """

    student: StudentColumns
    guardians: tuple[GuardianColumns, ...] = ()
    school: str = ""
    district: str = ""
    terms: tuple[Term, ...] = ()

    def named(self) -> list[str]:
        """Every column the mapping speaks of, once."""
        parts = (self.student, *self.guardians)
        return list(dict.fromkeys(value for part in parts for value in vars(part).values() if value))


def read_columns(name: str, raw: bytes) -> ColumnMapping:
    """Read a mapping from TOML: [student], one [[guardian]] for each guardian of a row, [[term]] if wanted.

    Raises FileRefused, with what may stand there, for a file that is not one.
    """
    return columns_of(name, columns_written(name, raw))


def columns_written(name: str, raw: bytes) -> dict[str, Any]:
    """What the TOML file says, as JSON can hold it. Raises FileRefused for a file that is not TOML."""
    try:
        written = tomllib.loads(raw.decode("utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as fault:
        raise FileRefused(f"{name} is not TOML ({fault}); nothing was changed") from None
    for term in written.get("term", []) if isinstance(written.get("term"), list) else []:
        if isinstance(term, dict):
            term |= {key: value.isoformat() for key, value in term.items() if type(value) is date}
    return written


def columns_of(name: str, written: dict[str, Any]) -> ColumnMapping:
    """The mapping that *written* says, as its TOML file would. Raises FileRefused."""
    _refuse_unknown(name, "the file", written, ("student", "guardian", "term", "school", "district"))
    terms = tuple(_term(name, one) for one in _tables(name, written, "term"))
    mapping = ColumnMapping(
        student=_part(name, StudentColumns, "[student]", written.get("student", {})),
        guardians=tuple(
            _part(name, GuardianColumns, "[[guardian]]", one) for one in _tables(name, written, "guardian")
        ),
        school=_text(name, "school", written.get("school", "")),
        district=_text(name, "district", written.get("district", "")),
        terms=terms,
    )
    named = [one for one in mapping.guardians if one.name or one.first_name or one.last_name]
    if not named or len(named) < len(mapping.guardians):
        raise FileRefused(
            f"{name}: every list needs a [[guardian]], and each of them a name, or first_name and last_name; "
            "nothing was changed"
        )
    if not mapping.student.school and not mapping.school:
        raise FileRefused(
            f'{name} names no school; give [student] school = "the column", or school = "the name" for all; '
            "nothing was changed"
        )
    return mapping


def written_columns(mapping: ColumnMapping) -> str:
    """The mapping as TOML, for a person to keep beside the list."""
    lines = [
        f"{key} = {_quoted(getattr(mapping, key))}" for key in ("school", "district") if getattr(mapping, key)
    ]
    lines += ["", "[student]", *_lines(mapping.student)]
    for guardian in mapping.guardians:
        lines += ["", "[[guardian]]", *_lines(guardian)]
    for term in mapping.terms:
        lines += ["", "[[term]]", f"first = {term.first}", f"last = {term.end - timedelta(days=1)}"]
    return "\n".join(lines).strip() + "\n"


def _lines(part: StudentColumns | GuardianColumns) -> list[str]:
    return [f"{key} = {_quoted(value)}" for key, value in vars(part).items() if value]


def _quoted(value: str) -> str:
    escaped = "".join(
        f"\\u{ord(letter):04X}" if ord(letter) < 32 or ord(letter) == 127 else letter
        for letter in value.replace("\\", "\\\\").replace('"', '\\"')
    )
    return f'"{escaped}"'


def _tables(name: str, written: dict[str, Any], key: str) -> list[Any]:
    tables = written.get(key, [])
    if not isinstance(tables, list):
        raise FileRefused(f"{name}: write [[{key}]] with two brackets; nothing was changed")
    return tables


def _part(name: str, kind: type[Any], where: str, written: Any) -> Any:
    if not isinstance(written, dict):
        raise FileRefused(f"{name}: {where} is not a table; nothing was changed")
    known = [one.name for one in fields(kind)]
    _refuse_unknown(name, where, written, known)
    if kind is StudentColumns:
        missing = [key for key in ("id", "first_name", "last_name") if not written.get(key)]
        if missing:
            raise FileRefused(f"{name}: {where} lacks {', '.join(missing)}; nothing was changed")
    return kind(**{key: _text(name, f"{where} {key}", value) for key, value in written.items()})


def _refuse_unknown(name: str, where: str, written: dict[str, Any], known: Iterable[str]) -> None:
    unknown = sorted(set(written) - set(known))
    if unknown:
        raise FileRefused(
            f"{name}: {where} has {', '.join(unknown)[:80]}; it may have {', '.join(known)}; nothing was changed"
        )


def _text(name: str, where: str, value: Any) -> str:
    if not isinstance(value, str):
        raise FileRefused(f"{name}: {where} is not text in quotes; nothing was changed")
    return " ".join(value.split())


def _day(written: Any) -> Any:
    try:
        return date.fromisoformat(written) if isinstance(written, str) else written
    except ValueError:
        return None


def _term(name: str, written: Any) -> Term:
    first, last = (
        (_day(written.get("first")), _day(written.get("last"))) if isinstance(written, dict) else (None, None)
    )
    # A TOML date is what is wanted; one with a time is a date to Python as well.
    if type(first) is not date or type(last) is not date or not 0 <= (last - first).days <= 400:
        raise FileRefused(
            f"{name}: a [[term]] needs first = 2021-08-23 and last = 2022-06-10; nothing was changed"
        )
    return Term(first, last + timedelta(days=1))


# --- a suggestion from the headers --------------------------------------------------------------------------

# Words for each column, the surest first; compared without case, blanks and punctuation.
_STUDENT = {
    "id": "studentid studentnumber lasid localid permid studentno sasid id number",
    "preferred_name": "preferredname preferredfirstname nickname studentpreferredname goesby",
    "first_name": "studentfirstname firstname givenname studentfirst first",
    "last_name": "studentlastname lastname familyname surname studentlast last",
    "grade": "grade gradelevel yearlevel currentgrade",
    "school": "school schoolname building campus currentschool",
}
_GUARDIAN = {
    "id": "id contactid personid number",
    "first_name": "firstname givenname first",
    "last_name": "lastname familyname surname last",
    "name": "name fullname",
    "relation": "relation relationship relationshiptostudent type",
    "kind": "phonetype phonekind",
    "mobile": "mobile mobilephone cell cellphone cellnumber mobilenumber textnumber sms",
    "home": "home homephone homenumber",
    "work": "work workphone worknumber",
    "phone": "phone phonenumber telephone primaryphone phone1 tel number",
    "language": "language preferredlanguage contactlanguage correspondencelanguage homelanguage",
    "custody": "custody hascustody legalcustody custodial",
    "court_order": "courtorder nocontact restricted restrainingorder",
    "may_receive_texts": "mayreceivetexts textok receivetexts smsconsent oktotext textpermission",
    "lives_with": "liveswith livesin residesxwith residewith livingwith resideswith",
    "order": "order contactorder priority contactpriority sequence",
}
_PERSON = re.compile(r"(guardian|parent|contact|mother|father|adult)", re.IGNORECASE)


def suggest(headers: Iterable[str]) -> ColumnMapping:
    """Guess what columns mean by their names; what is left empty has to be pointed at by a person."""
    there = [header for header in headers if header.strip()]
    groups: dict[str, list[str]] = {}
    of_students: list[str] = []
    for header in there:
        group = _group(header)
        if group is None:
            of_students.append(header)
        else:
            groups.setdefault(group, []).append(header)
    student = _matched(_STUDENT, of_students, "student")
    guardians = [
        GuardianColumns(**found)
        for group, names in groups.items()
        if (found := _matched(_GUARDIAN, names, group))
    ]
    usable = [one for one in guardians if one.name or one.first_name or one.last_name or one.id]
    return ColumnMapping(
        student=StudentColumns(**({"id": "", "first_name": "", "last_name": ""} | student)),
        guardians=tuple(usable),
    )


def _group(header: str) -> str | None:
    """Whose column it is: "Guardian 2 Phone" belongs to "guardian2"; None for the student's own."""
    match = _PERSON.search(header)
    if not match:
        return None
    digit = re.search(r"\d", header)
    return match[0].casefold() + (digit[0] if digit else "")


def _matched(words: dict[str, str], headers: list[str], group: str) -> dict[str, str]:
    person = group.rstrip("0123456789")
    bare = {header: _bare(header, person) for header in headers}
    found: dict[str, str] = {}
    for key, known in words.items():
        for word in known.split():
            header = next((one for one in headers if bare[one] == word and one not in found.values()), None)
            if header is not None:
                found[key] = header
                break
    return found


def _bare(header: str, person: str) -> str:
    """Without case, blanks, punctuation, numbers and the person the group is named for."""
    plain = "".join(letter for letter in header.casefold() if letter.isalpha())
    return (plain.replace(person, "", 1) if person != "student" else plain) or "name"
