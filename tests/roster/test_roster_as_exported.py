"""OneRoster as exporters really write it: each departure from the standard read and told, or refused."""

import zipfile
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.roster import Change, FileRefused, Problem
from bot.store.tables import CalendarDay, Guardian, GuardianPhone, Import, Phone, School, Student

from .conftest import Office
from .district import District, written


def _said(problems: list[Problem]) -> list[str]:
    return [str(problem) for problem in sorted(problems)]


def _rename(rows: list[dict[str, str]], old: str, new: str) -> list[dict[str, str]]:
    return [{new if key == old else key: value for key, value in row.items()} for row in rows]


# --- headers, file names, values ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "misspelt", "line"),
    [
        ("dateLastModified", "dataLastModified", "users.csv line 1"),
        ("preferredGivenName", "prefferedGivenName", "users.csv line 1"),
        ("agentSourcedIds", "agents", "users.csv line 1"),
        ("agentSourcedIds", "agentSourceIds", "users.csv line 1"),
        ("grades", "grade", "users.csv line 1"),
        ("familyName", "FamilyName", "users.csv line 1"),
    ],
)
def test_or_13_a_misspelt_header_is_read_and_told_once(
    office: Office, district: District, column: str, misspelt: str, line: str
) -> None:
    district.user("s1").update(preferredGivenName="Gigi", dateLastModified="")
    district.users = _rename(district.users, column, misspelt)
    report = office.roster(district)
    assert _said(report.problems) == [f"{line}: the header says {misspelt!r}, which was read as {column}"]
    found = office.rows(
        Student.preferred_name, Student.grade, Student.family_name, where=Student.sourced_id == "s1"
    )
    assert found == [("Gigi", "03", "Family1")]
    assert report.changes["guardianships"] == Change(added=12)


def test_or_13_a_1_0_user_id_in_enrollments_is_the_users_sourced_id(
    office: Office, district: District
) -> None:
    district.enrollments = _rename(district.enrollments, "userSourcedId", "userId")
    report = office.roster(district)
    assert _said(report.problems) == [
        "enrollments.csv line 1: the header says 'userId', which was read as userSourcedId"
    ]


def test_or_13_headers_nobody_reads_are_dropped_without_a_word(office: Office, district: District) -> None:
    for row in district.users:
        row |= {"metadata.shoeSize": "9", "userId": "x", "pronouns": ""}
    assert office.roster(district).problems == []


def test_or_13_a_file_name_in_the_wrong_case_is_read_and_told(office: Office, district: District) -> None:
    files = district.files()
    path = office.folder / "case.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, contents in files.items():
            archive.writestr({"users.csv": "Users.CSV"}.get(name, name), contents)
    report = office.import_file(path)
    assert report.changes["students"] == Change(added=12)
    assert _said(report.problems) == [
        "Users.CSV line 1: the file should be called users.csv; it was read as that"
    ]


def test_or_13_roles_that_stand_in_userprofiles_are_found_by_their_header(
    office: Office, district: District
) -> None:
    district.raw["userprofiles.csv"] = written(district.roles)
    district.manifest["file.roles"] = "absent"
    report = office.roster(district, without=("roles.csv",))
    assert report.changes["students"] == Change(added=12)
    assert _said(report.problems) == [
        "userprofiles.csv line 1: it holds what roles.csv should; it was read as that"
    ]


def test_or_13_values_in_another_case_mean_the_same(office: Office, district: District) -> None:
    for row in district.roles:
        row |= {"role": row["role"].upper(), "roleType": "Primary", "status": "Active"}
    for row in district.enrollments:
        row |= {"role": "Student", "primary": "TRUE"}
    for row in district.orgs:
        row["type"] = row["type"].title()
    district.manifest = {name: value.upper() for name, value in district.manifest.items()}
    report = office.roster(district)
    assert report.changes["students"] == Change(added=12)
    assert report.problems == []


@pytest.mark.parametrize("status", ["inactive", "Inactive", "tobedeleted", "ToBeDeleted"])
def test_or_4_13_a_status_in_a_full_export_says_who_has_left(
    office: Office, district: District, status: str
) -> None:
    office.roster(district)
    district.user("s1")["status"] = status
    for row in district.users:
        row.setdefault("status", "active")
    report = office.roster(district)
    assert report.changes["students"] == Change(removed=1)
    assert office.rows(Student.sourced_id, where=~Student.active) == [("s1",)]
    district.user("s1")["status"] = ""
    assert office.roster(district).changes["students"] == Change(added=1)


def test_or_13_a_header_without_rows_is_read_as_if_the_file_were_absent(
    office: Office, district: District
) -> None:
    district.raw["enrollments.csv"] = b"sourcedId,classSourcedId,schoolSourcedId,userSourcedId,role\r\n"
    report = office.roster(district)
    assert report.changes["students"] == Change(added=12)
    assert _said(report.problems) == [
        "enrollments.csv line 1: it has a header and no rows; it was read as if absent"
    ]


@pytest.mark.parametrize("file", ["orgs.csv", "academicSessions.csv", "users.csv", "roles.csv"])
def test_or_2_5_a_header_without_rows_never_empties_what_is_needed(
    office: Office, district: District, file: str
) -> None:
    office.roster(district)
    before = office.everything()
    district.raw[file] = district.files()[file].splitlines(keepends=True)[0]
    with pytest.raises(FileRefused, match=f"{file} has no rows"):
        office.roster(district)
    assert office.everything() == before


def test_or_13_an_org_whose_district_is_not_there_is_told(office: Office, district: District) -> None:
    district.orgs[1]["parentSourcedId"] = "elsewhere"
    report = office.roster(district)
    assert _said(report.problems) == [
        "orgs.csv line 3: parentSourcedId 'elsewhere' is not in the file; the org has no district"
    ]
    assert office.rows(School.district, where=School.sourced_id == "N") == [("",)]


def test_or_2_quotes_commas_and_line_ends_inside_values_are_read(office: Office, district: District) -> None:
    district.user("s1")["familyName"] = 'O"Neil, Jr.'
    district.raw["users.csv"] = written(district.users).replace(b"\r\n", b"\n")
    office.roster(district)
    assert office.rows(Student.family_name, where=Student.sourced_id == "s1") == [('O"Neil, Jr.',)]


def test_or_1_a_manifest_alone_means_no_change(office: Office, district: District) -> None:
    office.roster(district)
    district.manifest = {"manifest.version": "1.0", "file.users": "absent", "file.orgs": ""}
    district.only = frozenset({"manifest.csv"})
    assert office.roster(district, contacts=False).changed_nothing


def test_or_3_empty_manifest_values_promise_nothing(office: Office, district: District) -> None:
    district.manifest = dict.fromkeys(district.manifest, "")
    assert office.roster(district).changes["students"] == Change(added=12)


# --- dates ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "end"),
    [
        ("23/08/2021", "18/09/2021"),
        ("8/23/2021", "9/18/2021"),
        ("2021-08-23 08:01:05", "2021-09-18T00:00:00Z"),
    ],
)
def test_or_13_dates_that_mean_one_day_are_read(
    office: Office, district: District, first: str, end: str
) -> None:
    district.sessions[0] |= {"startDate": first, "endDate": end}
    assert office.roster(district).problems == []
    assert len(office.rows(CalendarDay.day)) == 40


def test_or_13_a_date_that_could_be_two_is_read_when_its_column_tells_the_order(
    office: Office, district: District
) -> None:
    """1/09/2021 is 1 September beside 23/08/2021, and could be 9 January alone."""
    district.sessions[0] |= {"startDate": "23/08/2021", "endDate": "1/09/2021"}
    assert office.roster(district).problems == []
    assert max(office.rows(CalendarDay.day))[0].isoformat() == "2021-08-31"
    district.sessions[0] |= {"startDate": "8/09/2021", "endDate": "10/09/2021"}
    report = office.roster(district)
    assert "'8/09/2021' to '10/09/2021' is no term" in _said(report.problems)[0]


def test_or_8_the_last_day_is_the_day_before_the_end(office: Office, district: District) -> None:
    office.roster(district)
    assert max(office.rows(CalendarDay.day))[0].isoformat() == "2021-09-17"


def test_or_13_an_enrollment_with_a_date_nobody_can_read_is_named(office: Office, district: District) -> None:
    district.enrollments[0]["beginDate"] = "1/05/2021"
    report = office.roster(district)
    [problem] = report.problems
    assert (problem.file, problem.line, problem.column, problem.value) == (
        "enrollments.csv",
        2,
        "beginDate",
        "1/05/2021",
    )


# --- numbers and people ---------------------------------------------------------------------------------


def test_or_10_13_numbers_as_they_stand_in_samples(office: Office, district: District) -> None:
    """Nine digits, one digit too many with the country code, with spaces, and one on two unrelated people."""
    district.user("g1")["sms"] = "860555012"
    district.user("g2")["sms"] = "1 860 555 0123"
    district.user("g3")["sms"] = "860 555 0123"
    report = office.roster(district, contacts=False)
    [problem] = report.problems
    assert str(problem).startswith("users.csv")
    assert (problem.column, problem.value) == ("sms", "…5012")
    assert "it has 9 digits; expected 10 with area code" in problem.reason
    assert office.rows(Phone.number) == [("+18605550123",)]
    assert len(office.rows(GuardianPhone.guardian_id)) == 2


def test_or_10_coverage_counts_students_and_is_reported_after_each_import(
    office: Office, district: District
) -> None:
    for index in range(1, 5):
        district.contact(f"g{index}")["mobile"] = ""
    report = office.roster(district)
    assert "8 of 12 students (66.7%) have a guardian who can be texted" in report.lines()
    assert office.roster(district).coverage == report.coverage


def test_or_11_a_guardian_shared_by_siblings_is_one_person(office: Office, district: District) -> None:
    district.user("g1")["agentSourcedIds"] = "s1,s2"
    report = office.roster(district)
    assert report.changes["guardians"] == Change(added=12)
    assert report.changes["guardianships"] == Change(added=13)


def test_or_16_ids_stay_strings(office: Office, district: District) -> None:
    district.user("s1")["identifier"] = "0001001"
    district.contact("g1")["student_id"] = "0001001"
    office.roster(district)
    assert office.rows(Student.number, where=Student.sourced_id == "s1") == [("0001001",)]


def test_or_13_no_password_reaches_database_report_or_refusal(office: Office, district: District) -> None:
    """Not even one of a file whose encoding has to be asked for, or of a row whose values have shifted."""
    for row in district.users:
        row["password"] = "señor-geheim"
    district.user("s1")["familyName"] = "Muñoz"
    district.raw["users.csv"] = written(district.users, encoding="cp1252")
    with pytest.raises(FileRefused) as refused:
        office.roster(district)
    assert "Muñoz" in str(refused.value)
    assert "geheim" not in str(refused.value)
    raw = written(district.users).replace(b"Given2,Family2", b"Given2,,,,Family2", 1)
    district.raw["users.csv"] = raw
    report = office.roster(district)
    assert "geheim" not in report.as_csv()
    assert "geheim" not in repr(office.everything())


# --- encodings (OR-14) ----------------------------------------------------------------------------------


def test_or_14_an_encoding_is_never_guessed_but_asked_for_with_the_names_it_gives(
    office: Office, district: District
) -> None:
    district.user("s1")["familyName"] = "Muñoz"
    district.user("g2")["givenName"] = "Zoë"
    district.raw["users.csv"] = written(district.users, encoding="cp1252")
    before = office.everything()
    with pytest.raises(FileRefused) as refused:
        office.roster(district)
    assert str(refused.value) == (
        "users.csv line 2 is not UTF-8; as Windows-1252 its names are: Muñoz, Zoë; "
        "if they are right, import again with --encoding windows-1252; nothing was changed"
    )
    assert office.everything() == before
    report = office.roster(district, encoding="windows-1252")
    assert report.problems == []
    assert office.rows(Student.family_name, where=Student.sourced_id == "s1") == [("Muñoz",)]


def test_or_14_a_confirmed_encoding_touches_no_file_that_is_utf_8(office: Office, district: District) -> None:
    district.user("s1")["familyName"] = "Muñoz"
    office.roster(district, encoding="mac-roman")
    assert office.rows(Student.family_name, where=Student.sourced_id == "s1") == [("Muñoz",)]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_or_2_14_a_byte_order_mark_tells_the_encoding(
    office: Office, district: District, encoding: str
) -> None:
    district.user("s1")["familyName"] = "Đặng"
    district.raw["users.csv"] = written(district.users, encoding=encoding)
    assert office.roster(district).problems == []
    assert office.rows(Student.family_name, where=Student.sourced_id == "s1") == [("Đặng",)]


# --- what is kept ---------------------------------------------------------------------------------------


def test_a_problem_of_every_line_is_kept_a_thousand_times(office: Office) -> None:
    district = District(size=60)
    district.contacts = [
        row | {"mobile": "n/a", "relation": str(n)} for n in range(20) for row in district.contacts
    ]
    report = office.roster(district)
    assert len(report.problems) > 1000
    [kept] = office.rows(Import.summary["problems"], where=Import.kind == "contacts")
    assert len(kept[0]) == 1001
    assert kept[0][-1].startswith("and ")


def test_or_14_the_report_file_is_safe_in_a_spreadsheet(office: Office, district: District) -> None:
    district.contact("g1")["student_id"] = "=HYPERLINK(1)"
    district.contact("g2")["mobile"] = "+1 860 555 01"
    text = office.roster(district).as_csv()
    assert text.splitlines()[0] == "file,line,column,value,what is wrong,what to do"
    assert ",student_id,'=HYPERLINK(1)," in text
    assert ",mobile,…5501," in text
    assert not any(cell.startswith(("=", "+", "@")) for line in text.splitlines() for cell in line.split(","))


def test_or_17_a_guardian_who_left_and_came_back_has_the_language_they_chose(
    office: Office, district: District
) -> None:
    office.roster(district)
    with office.database.begin() as session:
        guardian = session.scalars(select(Guardian).where(Guardian.sourced_id == "g1")).one()
        guardian.language_chosen_by_family = True
    district.lose("g1")
    office.roster(district)
    whole = District()
    whole.contact("g1")["preferred_language"] = "por"
    office.roster(whole)
    assert office.rows(Guardian.language, Guardian.active, where=Guardian.sourced_id == "g1") == [
        ("es", True)
    ]


def test_a_folder_that_is_no_export_is_refused(office: Office, tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    with pytest.raises(FileRefused, match="empty is a folder without School Data Sync"):
        office.import_file(folder)
