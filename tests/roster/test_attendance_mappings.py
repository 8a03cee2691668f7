"""The ready mappings as a set, and the days that a mapping may describe."""

from datetime import date

import pytest

from bot.roster.attendance import ready
from bot.roster.attendance.dates import DayFormat
from bot.roster.attendance.mapping import _KEYS, READY, Shape

from .attendance_files import EVERY_SYSTEM, give
from .conftest import Office
from .district import District


def test_every_key_of_a_mapping_is_explained_to_the_office() -> None:
    said = (READY / "README.md").read_text(encoding="utf-8")
    assert [key for key in sorted(_KEYS) if f"`{key}`" not in said and f"[{key}]" not in said] == []


def test_every_ready_mapping_is_found_by_the_file_of_its_system_and_no_other(
    office: Office, district: District
) -> None:
    office.roster(district)
    found = set()
    for name, raw in EVERY_SYSTEM.items():
        [line] = [
            line for line in give(office, name, raw).lines() if line.startswith("rows read by mapping ")
        ]
        found.add(line.split()[4].rstrip(":"))
    assert found == {mapping.name for mapping in ready()}


def test_every_shape_has_a_ready_mapping() -> None:
    assert {mapping.shape for mapping in ready()} == set(Shape)


@pytest.mark.parametrize(
    ("words", "written", "day"),
    [
        ("YYYY-MM-DD", "2021-08-23", date(2021, 8, 23)),
        ("YYYY-MM-DD", "2021-8-23", None),
        ("YYYY-MM-DD", "2021-08-23 ", None),
        ("YYYY-MM-DD", "2021-02-29", None),
        ("YYYY-MM-DD", "2021-W34-1", None),
        ("YYYY-MM-DD", "٢٠٢١-٠٨-٢٣", None),
        ("YYYY-MM-DDThh:mm:ss", "2021-08-23T00:00:00", date(2021, 8, 23)),
        ("YYYY-MM-DD hh:mm:ss", "2021-08-23 08:01:05.000", date(2021, 8, 23)),
        ("M/D/YYYY", "8/3/2021", date(2021, 8, 3)),
        ("M/D/YYYY", "08/03/2021", date(2021, 8, 3)),
        ("M/D/YYYY", "8/3/21", None),
        ("MM/DD/YYYY", "8/3/2021", None),
        ("DD.MM.YYYY", "23.08.2021", date(2021, 8, 23)),
        ("DD.MM.YYYY", "23x08x2021", None),
        ("DD-MON-YYYY", "23-AUG-2021", date(2021, 8, 23)),
        ("DD-MON-YYYY", "23-Aug-2021", date(2021, 8, 23)),
        ("DD-MON-YYYY", "23-AOÛ-2021", None),
        ("YYYYMMDD", "20210823", date(2021, 8, 23)),
        ("YYYYMMDD", "0000823", None),
    ],
)
def test_a_day_is_read_as_its_format_says_or_not_at_all(words: str, written: str, day: date | None) -> None:
    assert DayFormat(words).read(written) == day


def test_the_example_of_a_format_is_a_day_of_it() -> None:
    for mapping in ready():
        for form in mapping.days:
            assert form.read(form.example) == date(2021, 8, 23)
