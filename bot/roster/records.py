"""What the school's files say, by the school's own ids, before it meets the database."""

from dataclasses import dataclass, field
from datetime import date, timedelta

from bot.language import Language

# A student's sourcedId and a guardian's.
Pair = tuple[str, str]


@dataclass(frozen=True)
class School:
    name: str
    district: str


@dataclass(frozen=True)
class Term:
    """Days with school, from `first` until the day before `end` (OR-8)."""

    first: date
    end: date

    def weekdays(self) -> list[date]:
        days = (self.first + timedelta(days=n) for n in range((self.end - self.first).days))
        return [day for day in days if day.weekday() < 5]


@dataclass(frozen=True)
class Student:
    number: str
    given_name: str
    preferred_name: str
    family_name: str
    grade: str
    school: str  # its sourcedId
    enrolled_from: date | None = None  # the first day of the earliest enrollment; None: nobody says


@dataclass(frozen=True)
class Guardian:
    number: str
    given_name: str
    family_name: str
    role: str
    email: str = ""


@dataclass(frozen=True)
class Written:
    """A phone number as some file writes it, not yet known to be one."""

    kind: str
    words: str
    file: str
    line: int
    column: str = ""


@dataclass(frozen=True)
class Number:
    """A guardian's usable number; `position` is its turn, mobile first."""

    kind: str
    position: int
    given_by: str


@dataclass(frozen=True)
class Guardianship:
    """What the contacts file says of one guardian and one student, which OneRoster cannot (OR-9)."""

    relation: str
    contact_order: int
    lives_with: bool
    may_receive_texts: bool
    court_order: bool


@dataclass
class Roster:
    """What a school system's export says. `held` are people whose rows cannot be read: they stay as they were.

    A complete one means that whoever is missing has left. Of a `delta` everybody stays but those
    who are `gone` and the links `undone`; `moved` are students of whom only a new school is told.
    """

    schools: dict[str, School] = field(default_factory=dict)
    terms: list[Term] = field(default_factory=list)
    students: dict[str, Student] = field(default_factory=dict)
    guardians: dict[str, Guardian] = field(default_factory=dict)
    links: dict[Pair, int] = field(default_factory=dict)  # in the order in which the archive names them
    written: dict[str, list[Written]] = field(default_factory=dict)
    students_mobiles: dict[str, list[Written]] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    rows_read: int = 0
    delta: bool = False
    gone: set[str] = field(default_factory=set)
    undone: set[Pair] = field(default_factory=set)
    moved: dict[str, str] = field(default_factory=dict)
    schools_complete: bool = True
    schools_gone: set[str] = field(default_factory=set)
    says_emails: bool = (
        False  # whether it has a column for guardians' addresses; then an empty one is told as well
    )


@dataclass
class Contacts:
    """A contacts file. `held` are guardians with a row that cannot be read: they stay as they were."""

    links: dict[Pair, Guardianship] = field(default_factory=dict)
    languages: dict[str, Language] = field(default_factory=dict)
    written: dict[str, list[Written]] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    rows_read: int = 0


@dataclass
class Closures:
    """A calendar file. An incomplete one, with an event nobody can read, closes days and opens none."""

    days: dict[date, str] = field(default_factory=dict)
    complete: bool = True
    rows_read: int = 0
