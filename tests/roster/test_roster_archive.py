"""OneRoster archives: who is read out of them, and which are refused."""

import io
import struct
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.roster import Approval, Change, FileRefused, Problem, import_roster
from bot.store.tables import (
    ConsentEvent,
    ConsentKind,
    Guardian,
    GuardianPhone,
    Guardianship,
    Import,
    Phone,
    School,
    Student,
)

from .conftest import NOW, Office
from .district import District, written


def _reasons(problems: list[Problem]) -> str:
    return "\n".join(str(problem) for problem in problems)


# --- who is read ---------------------------------------------------------------------------------------


def test_students_guardians_and_links_are_read_by_header_name(office: Office, district: District) -> None:
    for row in district.users:
        row["userMasterIdentifier"] = "moved the columns after it"
    report = office.roster(district)
    assert report.changes["students"] == Change(added=12)
    assert report.changes["guardianships"] == Change(added=12)
    rows = office.rows(Student.number, Student.given_name, School.name, where=Student.school_id == School.id)
    assert rows[:2] == [("1001", "Given1", "North School"), ("1002", "Given2", "South School")]
    assert office.rows(School.name, School.district) == [
        ("North School", "Elm District"),
        ("South School", "Elm District"),
    ]


def test_the_preferred_name_is_kept_beside_the_given_one(office: Office, district: District) -> None:
    district.user("s1")["preferredGivenName"] = "Gigi"
    office.roster(district)
    with office.database.begin() as session:
        student = session.scalars(select(Student).where(Student.sourced_id == "s1")).one()
        assert (student.first_name, student.given_name) == ("Gigi", "Given1")


def test_or_13_no_password_reaches_the_database(office: Office, district: District) -> None:
    office.roster(district)
    assert "secret" not in repr(office.everything())


def test_or_7_the_older_shape_with_role_and_orgs_beside_the_user_is_read(
    office: Office, district: District
) -> None:
    for row in district.users:
        number = int(row["sourcedId"][1:])
        row["role"] = "student" if row["sourcedId"].startswith("s") else "guardian"
        row["orgSourcedIds"] = "N" if number % 2 else "S"
    district.manifest |= {"oneroster.version": "1.1", "file.roles": "absent"}
    report = office.roster(district, without=("roles.csv",))
    assert report.changes["students"] == Change(added=12)
    assert report.changes["guardians"] == Change(added=12)


def test_or_9_a_link_may_stand_on_either_side(office: Office, district: District) -> None:
    district.user("s1")["agentSourcedIds"] = ""
    district.user("g2")["agentSourcedIds"] = ""
    assert office.roster(district).changes["guardianships"] == Change(added=12)


def test_or_9_a_teacher_who_is_linked_to_a_student_is_no_guardian(office: Office, district: District) -> None:
    district.users.append(
        {"sourcedId": "t1", "givenName": "Tea", "familyName": "Cher", "agentSourcedIds": "s1"}
    )
    district.roles.append(
        {"userSourcedId": "t1", "role": "teacher", "roleType": "primary", "orgSourcedId": "N"}
    )
    district.user("s1")["agentSourcedIds"] = "g1,t1,s2"
    report = office.roster(district)
    assert report.changes["guardianships"] == Change(added=12)
    assert report.changes["guardians"] == Change(added=12)
    assert report.problems == []


def test_a_student_of_two_schools_belongs_to_the_one_of_today(office: Office, district: District) -> None:
    district.enrollments[0] |= {"schoolSourcedId": "N", "endDate": "2021-08-30"}
    district.enrollments.append(
        district.enrollments[0]
        | {"sourcedId": "x", "schoolSourcedId": "S", "beginDate": "2021-08-30", "endDate": ""}
    )
    office.roster(district, now=datetime(2021, 8, 29, 12, tzinfo=UTC))
    school_of_first = (Student.school_id == School.id) & (Student.sourced_id == "s1")
    assert office.rows(School.sourced_id, where=school_of_first) == [("N",)]
    office.roster(district, now=datetime(2021, 8, 30, 12, tzinfo=UTC))
    assert office.rows(School.sourced_id, where=school_of_first) == [("S",)]


def test_without_enrollments_the_role_tells_the_school(office: Office, district: District) -> None:
    district.manifest["file.enrollments"] = "absent"
    report = office.roster(district, without=("enrollments.csv",))
    assert report.changes["students"] == Change(added=12)


def test_a_roster_alone_is_enough_where_there_was_never_a_contacts_file(
    office: Office, district: District
) -> None:
    """OneRoster's own links and numbers are then all there is: they may be texted."""
    district.user("g1")["sms"] = "(860) 555-0150"
    district.user("g1")["phone"] = "860.555.0151"
    report = office.roster(district, contacts=False)
    assert report.coverage is not None
    assert report.coverage.reachable == 1
    assert office.rows(
        GuardianPhone.kind, GuardianPhone.position, Phone.number, where=GuardianPhone.phone_id == Phone.id
    ) == [
        ("home", 2, "+18605550151"),
        ("mobile", 1, "+18605550150"),
    ]


def test_or_11_a_students_own_number_is_never_taken_for_a_guardians(
    office: Office, district: District
) -> None:
    district.user("s1")["sms"] = "860 555 0190"
    district.user("g1")["sms"] = "(860) 555-0190"
    district.contact("g1")["mobile"] = "+18605550190"
    district.contact("g2")["mobile"] = "860-555-0190"
    report = office.roster(district)
    assert office.rows(Phone.id, where=Phone.number == "+18605550190") == []
    assert _reasons(report.problems).count("it is a student's own number") == 2


def test_or_11_a_number_that_siblings_share_is_their_familys(office: Office, district: District) -> None:
    for student in ("s1", "s2"):
        district.user(student)["sms"] = "860 555 0190"
    district.contact("g1")["mobile"] = "860-555-0190"
    assert office.roster(district).problems == []


# --- a second import -----------------------------------------------------------------------------------


def test_the_same_files_again_change_nothing_and_are_not_noted_twice(
    office: Office, district: District
) -> None:
    office.roster(district)
    before = office.everything()
    again = office.roster(district)
    assert again.changed_nothing
    assert "nothing changed" in again.lines()
    assert office.everything() == before


def test_who_is_missing_becomes_inactive_and_revives_on_returning(office: Office, district: District) -> None:
    district = District(size=20)
    office.roster(district)
    district.lose("s7", "g7")
    report = office.roster(district)
    assert report.changes["students"] == Change(removed=1)
    assert report.changes["guardians"] == Change(removed=1)
    assert report.changes["guardianships"] == Change(removed=1)
    assert office.rows(Student.sourced_id, where=~Student.active) == [("s7",)]
    assert office.rows(Guardian.sourced_id, where=~Guardian.active) == [("g7",)]
    report = office.roster(District(size=20))
    assert report.changes["students"] == Change(added=1)
    assert office.rows(Student.sourced_id, where=~Student.active) == []
    assert office.rows(GuardianPhone.phone_id, where=~GuardianPhone.active) == []


def test_or_5_more_than_a_tenth_of_the_students_never_leave_at_once(office: Office) -> None:
    office.roster(District(size=30))
    before = office.everything()
    cut = District(size=30)
    cut.lose("s1", "s2", "s3", "s4")
    with pytest.raises(FileRefused, match=r"roster.zip: 4 of 30 active students .* nothing was changed"):
        office.roster(cut)
    assert office.everything() == before


def test_or_5_more_than_a_fifth_of_the_guardians_never_leave_at_once(office: Office) -> None:
    office.roster(District(size=20))
    cut = District(size=20)
    cut.lose(*(f"g{index}" for index in range(1, 6)))
    with pytest.raises(FileRefused, match="5 of 20 active guardians"):
        office.roster(cut)


def test_or_5_a_person_may_approve_that_many_have_left(office: Office) -> None:
    office.roster(District(size=30))
    report = office.roster(District(size=20), approval=Approval(by="ana", reason="a school has closed"))
    assert report.changes["students"] == Change(removed=10)
    [kept] = office.rows(Import.summary["approved"], where=(Import.kind == "roster") & (Import.id > 2))
    assert kept[0]["by"] == "ana"
    assert kept[0]["reason"] == "a school has closed"
    assert "10 of 30 active students" in kept[0]["brake"]


def test_or_5_a_column_of_links_that_came_empty_does_not_cut_every_family_off(office: Office) -> None:
    district = District(size=30)
    office.roster(district)
    for row in district.users:
        row["agentSourcedIds"] = ""
    with pytest.raises(FileRefused, match="30 of 30 links of guardians to students"):
        office.roster(district, contacts=False)


def test_or_17_an_opt_out_survives_a_guardian_who_returns_under_a_new_id(
    office: Office, district: District
) -> None:
    office.roster(district)
    with office.database.begin() as session:
        phone = session.scalars(select(Phone).where(Phone.number == "+18605550101")).one()
        phone.opted_out = True
        session.add(ConsentEvent(phone_id=phone.id, kind=ConsentKind.OPT_OUT, source="family", at=NOW))
    district.lose("g1")
    office.roster(district)
    district.add_guardian(99)
    district.user("g99")["agentSourcedIds"] = "s1"
    district.contact("g99").update(student_id="1001", mobile="860-555-0101")
    report = office.roster(district)
    assert report.changes["phones"] == Change()
    assert office.rows(Phone.opted_out, where=Phone.number == "+18605550101") == [(True,)]
    assert len(office.rows(ConsentEvent.id)) == 1
    assert report.coverage is not None
    assert report.coverage.reachable == 11


def test_a_dry_run_reports_and_leaves_nothing_behind(office: Office, district: District) -> None:
    archive = district.archive(office.folder / "roster.zip")
    with office.database.begin() as session:
        report = import_roster(
            session,
            archive,
            contacts=None,
            calendar=None,
            zone="America/New_York",
            morning_at=NOW.time(),
            now=NOW,
        )
        session.rollback()
    assert report.changes["students"] == Change(added=12)
    assert office.rows(Student.id) == []


def test_every_applied_file_is_noted_with_its_hash_and_its_own_problems(
    office: Office, district: District
) -> None:
    district.contact("g1")["mobile"] = "555-12"
    office.roster(district)
    notes = {
        kind: (name, len(sha256), summary)
        for kind, name, sha256, summary in office.rows(
            Import.kind, Import.file_name, Import.sha256, Import.summary["problems"]
        )
    }
    assert notes["roster"] == ("roster.zip", 64, [])
    assert len(notes["contacts"][2]) == 1
    assert notes["contacts"][2][0].startswith("contacts.csv line 2: mobile: it has 5 digits")


# --- rows that cannot be read --------------------------------------------------------------------------


def test_a_bad_row_is_named_by_its_true_line_and_the_others_apply(office: Office, district: District) -> None:
    district.user("s2")["familyName"] = ""
    district.user("s3")["givenName"] = "two\r\nlines"
    report = office.roster(district)
    # Row 3 of the file; the header is line 1, and each person before has one line.
    line = 2 + [row["sourcedId"] for row in district.users].index("s2")
    assert f"users.csv line {line}: familyName is empty; the row was left out" in _reasons(report.problems)
    assert report.changes["students"] == Change(added=11)
    assert office.rows(Student.given_name, where=Student.sourced_id == "s3") == [("two lines",)]


def test_a_person_whose_row_cannot_be_read_stays_as_they_were(office: Office, district: District) -> None:
    office.roster(district)
    before = office.rows(Student.sourced_id, Student.family_name, Student.active)
    district.user("s2")["familyName"] = ""
    district.user("g3")["givenName"] = ""
    report = office.roster(district)
    assert len(report.problems) >= 2
    assert report.changed_nothing
    assert office.rows(Student.sourced_id, Student.family_name, Student.active) == before


def test_a_row_with_too_many_values_is_left_out_because_they_may_have_shifted(
    office: Office, district: District
) -> None:
    raw = written(district.users).replace(b"Given1,Family1", b"Given1,,Family1", 1)
    district.raw["users.csv"] = raw
    report = office.roster(district)
    assert "users.csv line 2: it has" in str(report.problems[0])
    assert report.changes["students"] == Change(added=11)


def test_or_13_short_rows_blank_rows_and_unnamed_columns_do_no_harm(
    office: Office, district: District
) -> None:
    lines = written(district.orgs).decode().splitlines()
    lines[0] += ",,"
    district.raw["orgs.csv"] = ("\n".join([lines[0], "", lines[1], ",,,", *lines[2:]]) + "\n\n").encode()
    district.raw["roles.csv"] = b"\xef\xbb\xbf" + written(district.roles)
    report = office.roster(district)
    assert report.changes["schools"] == Change(added=2)
    assert report.problems == []


def test_a_student_of_an_unknown_school_is_named(office: Office, district: District) -> None:
    district.enrollments[0]["schoolSourcedId"] = "nowhere"
    district.roles[0]["orgSourcedId"] = "nowhere"
    report = office.roster(district)
    assert "the student is at no school of orgs.csv" in _reasons(report.problems)
    assert report.changes["students"] == Change(added=11)


def test_a_link_to_somebody_who_is_not_in_the_file_is_named(office: Office, district: District) -> None:
    district.user("s1")["agentSourcedIds"] = "g1,gone"
    assert "agentSourcedIds names 'gone'" in _reasons(office.roster(district).problems)


def test_two_students_with_one_number_are_named(office: Office, district: District) -> None:
    district.user("s2")["identifier"] = "1001"
    report = office.roster(district)
    assert "its identifier is also that of 's1'" in _reasons(report.problems)


def test_or_6_a_value_too_long_for_an_id_is_named(office: Office, district: District) -> None:
    district.user("s1")["sourcedId"] = "x" * 300
    assert "sourcedId has 300 characters" in _reasons(office.roster(district).problems)


def test_a_user_without_a_role_is_named_and_stays_as_they_were(office: Office, district: District) -> None:
    office.roster(district)
    district.roles = district.roles[1:]
    report = office.roster(district)
    assert "the user has no role" in _reasons(report.problems)
    assert report.changed_nothing


# --- files that cannot be trusted ----------------------------------------------------------------------


def _no_manifest(district: District, path: Path) -> None:
    district.archive(path, without=("manifest.csv",))


def _promised_file_missing(district: District, path: Path) -> None:
    district.manifest["file.demographics"] = "bulk"
    district.archive(path)


def _no_users(district: District, path: Path) -> None:
    district.manifest["file.users"] = ""
    district.archive(path, without=("users.csv",))


def _header_only(district: District, path: Path) -> None:
    district.raw["users.csv"] = b"sourcedId,givenName,familyName\r\n"
    district.archive(path)


def _missing_column(district: District, path: Path) -> None:
    district.raw["users.csv"] = written(district.users).replace(b"familyName", b"surname", 1)
    district.archive(path)


def _column_twice(district: District, path: Path) -> None:
    district.raw["users.csv"] = written(district.users).replace(b"sms,phone", b"phone,phone", 1)
    district.archive(path)


def _semicolons(district: District, path: Path) -> None:
    district.raw["users.csv"] = written(district.users, delimiter=";")
    district.archive(path)


def _open_quote(district: District, path: Path) -> None:
    district.raw["users.csv"] = written(district.users).replace(b"Given5", b'"Given5', 1)
    district.archive(path)


def _not_text(district: District, path: Path) -> None:
    district.raw["users.csv"] = b"\x89PNG\r\n\x1a\n\x00\x00\x81\x8d"
    district.archive(path)


def _utf_16_without_mark(district: District, path: Path) -> None:
    district.raw["users.csv"] = written(district.users).decode().encode("utf-16-le")
    district.archive(path)


def _not_a_zip(district: District, path: Path) -> None:
    path.write_bytes(written(district.users))


def _cut_off(district: District, path: Path) -> None:
    raw = district.archive(path).read_bytes()
    path.write_bytes(raw[: len(raw) // 2])


def _folder(district: District, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, contents in district.files().items():
            archive.writestr(f"export/{name}", contents)


def _with_entry(name: str) -> Callable[[District, Path], None]:
    def write(district: District, path: Path) -> None:
        district.raw[name] = b"x"
        district.archive(path)

    return write


def _link(district: District, path: Path) -> None:
    district.archive(path)
    entry = zipfile.ZipInfo("link.csv")
    entry.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(entry, "/etc/passwd")


def _encrypted(district: District, path: Path) -> None:
    raw = bytearray(district.archive(path).read_bytes())
    directory = raw.index(b"PK\x01\x02")
    struct.pack_into("<H", raw, directory + 8, 1)
    path.write_bytes(raw)


def _too_many(district: District, path: Path) -> None:
    district.raw |= {f"{index}.csv": b"x" for index in range(200)}
    district.archive(path)


def _bomb(district: District, path: Path) -> None:
    raw = bytearray(district.archive(path).read_bytes())
    directory = raw.index(b"PK\x01\x02")
    struct.pack_into("<I", raw, directory + 24, 2_000_000_000)
    path.write_bytes(raw)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (_no_manifest, "has no manifest.csv at its top; export it again as OneRoster 1.2"),
        (_folder, "zip the files themselves, not their folder"),
        (_promised_file_missing, "the manifest promises demographics.csv, which is not there"),
        (_no_users, "has no users.csv"),
        (_header_only, "users.csv has no rows"),
        (_missing_column, "users.csv: the header has no column familyName"),
        (_column_twice, "users.csv: the header has phone twice"),
        (_semicolons, "users.csv is separated by semicolons"),
        (_open_quote, "users.csv line .* quotes or line ends are broken"),
        (_not_text, "users.csv is not a text file"),
        (_utf_16_without_mark, "users.csv is not a text file"),
        (_not_a_zip, "is not a zip file that can be read"),
        (_cut_off, "is not a zip file that can be read"),
        (_with_entry("/etc/users.csv"), "points outside the archive"),
        (_with_entry("../users.csv"), "points outside the archive"),
        (_with_entry("C:\\users.csv"), "points outside the archive"),
        (_with_entry("more.zip"), "is a zip inside the zip"),
        (_link, "is a link"),
        (_encrypted, "is encrypted"),
        (_too_many, "holds 206 files"),
        (_bomb, "more than 1 GB"),
    ],
)
def test_or_1_5_14_15_a_broken_archive_is_refused_and_changes_nothing(
    office: Office, damage: Callable[[District, Path], None], why: str
) -> None:
    office.roster(District())
    before = office.everything()
    path = office.folder / "broken.zip"
    damage(District(), path)
    with (
        pytest.raises(FileRefused, match=rf"(?s){why}.*nothing was changed") as refused,
        office.database.begin() as session,
    ):
        import_roster(
            session,
            path,
            contacts=None,
            calendar=None,
            zone="America/New_York",
            morning_at=NOW.time(),
            now=NOW,
        )
    assert str(refused.value).startswith(("broken.zip", "users.csv"))
    assert office.everything() == before


def test_or_15_an_entry_that_is_there_twice_is_refused(office: Office, district: District) -> None:
    path = district.archive(office.folder / "twice.zip")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("users.csv", "sourcedId,givenName,familyName\r\n")
    with pytest.raises(FileRefused, match="is there twice"), office.database.begin() as session:
        import_roster(
            session,
            path,
            contacts=None,
            calendar=None,
            zone="America/New_York",
            morning_at=NOW.time(),
            now=NOW,
        )


def test_a_file_that_is_not_there_is_refused_by_name(office: Office) -> None:
    with (
        pytest.raises(FileRefused, match=r"absent\.zip cannot be opened"),
        office.database.begin() as session,
    ):
        import_roster(
            session,
            office.folder / "absent.zip",
            contacts=None,
            calendar=None,
            zone="America/New_York",
            morning_at=NOW.time(),
            now=NOW,
        )


def test_or_3_where_manifest_and_files_disagree_the_files_win(office: Office, district: District) -> None:
    district.manifest |= {"file.enrollments": "absent", "file.roles": ""}
    report = office.roster(district)
    assert report.changes["students"] == Change(added=12)
    assert "it says enrollments.csv is absent, but the file is there and was read" in _reasons(
        report.problems
    )


def test_macos_shadow_files_are_not_read(office: Office, district: District) -> None:
    district.raw["__MACOSX/._users.csv"] = b"\x00\x05\x16\x07"
    assert office.roster(district).changes["students"] == Change(added=12)


def test_io_of_an_archive_in_memory_is_bounded(office: Office, district: District) -> None:
    """A compressed file that lies about its size is caught by the zip reader, not believed (OR-15)."""
    page = io.BytesIO()
    with zipfile.ZipFile(page, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, contents in district.files().items():
            archive.writestr(name, contents)
    raw = bytearray(page.getvalue())
    directory = raw.index(b"PK\x01\x02")
    struct.pack_into("<I", raw, directory + 24, 10)
    path = office.file("lies.zip", bytes(raw))
    with pytest.raises(FileRefused), office.database.begin() as session:
        import_roster(
            session,
            path,
            contacts=None,
            calendar=None,
            zone="America/New_York",
            morning_at=NOW.time(),
            now=NOW,
        )
    assert office.rows(Guardianship.student_id) == []
