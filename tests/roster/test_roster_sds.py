"""Microsoft School Data Sync 2.1: its own sample, as a folder and as a zip (OR-20)."""

import shutil
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.roster import Change, FileRefused
from bot.store.tables import CalendarDay, Guardian, Guardianship, Phone, School, Student

from .conftest import Office, contents

SAMPLE = Path(__file__).parents[1] / "data" / "sis" / "microsoft-sds-2.1"
NOW = datetime(2021, 10, 1, 12, tzinfo=UTC)


@pytest.fixture
def export(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SAMPLE, tmp_path / "export"))


def _zipped(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    return path


def _folder(folder: Path, _: Path) -> Path:
    return folder


@pytest.mark.parametrize("shape", [_folder, _zipped])
def test_or_20_the_sample_is_read_from_folder_and_zip(
    office: Office, export: Path, shape: Callable[[Path, Path], Path]
) -> None:
    """Three pupils of the school; the college's student and the invalid numbers are named."""
    path = shape(export, office.folder / "sds.zip")
    report = office.import_file(path, now=NOW)
    assert report.changes["students"] == Change(added=3)
    assert report.changes["guardians"] == Change(added=2)
    assert report.changes["guardianships"] == Change(added=3)
    assert office.rows(School.name, School.district) == [("School of TwoDotOne", "Ministry of TwoDotOne")]
    assert office.rows(Student.sourced_id, Student.given_name, Student.grade) == [
        ("114001", "Jack", "10"),
        ("114003", "Fred", "10"),
        ("114004", "Alice", "10"),
    ]
    told = [str(problem) for problem in report.problems]
    assert [line.split(":")[0] for line in told if "no such number exists" in line] == [
        "users.csv line 3",
        "users.csv line 3",
        "users.csv line 6",
        "users.csv line 6",
    ]
    assert any("users.csv line 9: the student is at no school" in line for line in told)
    assert office.rows(Phone.number) == []
    assert office.import_file(path, now=NOW).changed_nothing


def test_or_20_relationships_carry_their_role(office: Office, export: Path) -> None:
    office.import_file(export, now=NOW)
    pairs = office.rows(
        Student.sourced_id,
        Guardian.sourced_id,
        Guardianship.relation,
        where=(Guardianship.student_id == Student.id) & (Guardianship.guardian_id == Guardian.id),
    )
    assert pairs == [
        ("114001", "114002", "guardian"),
        ("114003", "114002", "guardian"),
        ("114004", "114005", "guardian"),
    ]


def test_or_20_a_role_that_is_no_family_role_makes_no_link(office: Office, export: Path) -> None:
    file = export / "relationships.csv"
    file.write_bytes(file.read_bytes().replace(b"114004,114005,guardian", b"114004,114005,doctor"))
    report = office.import_file(export, now=NOW)
    assert report.changes["guardianships"] == Change(added=2)
    assert "relationships.csv line 4: 'doctor' is no family role; the link was left out" in [
        str(problem) for problem in report.problems
    ]


def test_or_20_flags_and_passwords_are_never_read(office: Office, export: Path) -> None:
    """Special education, free lunch: not even a broken file of them is noticed."""
    (export / "userFlags.csv").write_bytes(b"\x81\x00not a file anybody opens")
    report = office.import_file(export, now=NOW)
    with office.database.begin() as session:
        everything = repr(contents(session))
    for secret in ("P@ssword123", "freeLunch", "iep", "hispanic", "classrmtest31"):
        assert secret not in everything + report.as_csv()


def test_or_8_20_a_valid_number_and_a_term_of_the_sample_are_read(office: Office, export: Path) -> None:
    file = export / "users.csv"
    file.write_bytes(file.read_bytes().replace(b"+11234567890", b"+18605550123"))
    office.import_file(export, now=NOW)
    assert office.rows(Phone.number) == [("+18605550123",)]
    with office.database.begin() as session:
        days = session.scalars(select(CalendarDay.day)).all()
    # Of the two sessions the school's own year, not the college's semester, which ends in December.
    assert (min(days), max(days)) == (date(2021, 8, 24), date(2022, 6, 10))


@pytest.mark.parametrize("file", ["users.csv", "roles.csv", "orgs.csv"])
def test_or_20_an_export_that_lacks_a_file_changes_nothing(office: Office, export: Path, file: str) -> None:
    (export / file).unlink()
    with pytest.raises(FileRefused, match=f"export has no {file}"):
        office.import_file(export, now=NOW)
    assert office.rows(Student.id) == []
