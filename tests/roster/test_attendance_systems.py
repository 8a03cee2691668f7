"""Attendance files as the school systems really write them; rules AT-1 to AT-9, ED-1 to ED-4, OR-13, OR-14."""

import io
import zipfile
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import and_, update

from bot.attendance import UNEXPLAINED
from bot.roster import Change, FileRefused
from bot.roster.attendance.mapping import load
from bot.store.tables import AttendanceMark, Import, Student

from .attendance_files import (
    DAY,
    DUMP,
    EVERY_SYSTEM,
    aspen_dump,
    aspen_export,
    campus,
    current,
    ed_fi,
    event,
    give,
    powerschool,
    ready,
    saved,
    synergy,
    table,
    xlsx,
)
from .conftest import NOW, Office
from .district import District

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def school(office: Office, district: District) -> Office:
    office.roster(district)
    return office


@pytest.fixture
def school_on_each(office_on_each: Office, district: District) -> Office:
    office_on_each.roster(district)
    return office_on_each


def unexplained(office: Office) -> list[str]:
    """The students whose families would be asked."""
    rows = office.rows(Student.number, where=and_(AttendanceMark.student_id == Student.id, *UNEXPLAINED))
    return [number for (number,) in rows]


# --- AT-1, AT-2: Aspen ------------------------------------------------------------------------------------------


def test_at_1_the_saved_dump_is_read_with_its_quotes_and_backslashes(
    office: Office, district: District
) -> None:
    """Its second row ends a value in a doubled backslash, where a plain reader loses the rest of the file."""
    district.user("s1")["sourcedId"] = "std"
    for row in (*district.roles, *district.enrollments):
        row["userSourcedId"] = "std" if row["userSourcedId"] == "s1" else row["userSourcedId"]
    district.user("g1")["agentSourcedIds"] = "std"
    for org in district.orgs:
        org["sourcedId"] = "SKL" if org["sourcedId"] == "N" else org["sourcedId"]
    for row in (*district.roles, *district.enrollments):
        for column in ("orgSourcedId", "schoolSourcedId"):
            if row.get(column) == "N":
                row[column] = "SKL"
    office.roster(district)
    report = give(office, "att.csv", DUMP.read_bytes())
    assert report.rows_read == 2
    assert current(office) == ["1001 2005-05-03 tardy excused"]
    assert office.rows(AttendanceMark.code) == [("T-E",)]
    assert "MTHR CALLED" not in repr(office.everything())  # LAW-45


def test_at_1_null_is_nothing_and_a_row_without_a_day_is_counted(school: Office) -> None:
    report = give(school, "att.csv", aspen_dump({"ATT_ABSENT_IND": "1"}, {"ATT_DATE": "NULL"}))
    assert current(school) == ["1001 2021-09-01 absent unexcused"]
    assert report.figures["rows without a day, left alone"] == 1
    assert report.problems == []


@pytest.mark.parametrize(
    ("row", "mark"),
    [
        ({"ATT_ABSENT_IND": "1", "ATT_EXCUSED_IND": "1"}, "absent excused"),
        ({"ATT_ABSENT_IND": "1", "ATT_PORTION_ABSENT": "0.5000"}, "partial unexcused"),
        ({"ATT_ABSENT_IND_02": "1"}, "partial unexcused"),
        ({"ATT_TARDY_IND_02": "1", "ATT_PORTION_ABSENT": "0.0000"}, "tardy unexcused"),
        ({"ATT_DISMISSED_IND": "1", "ATT_EXCUSED_IND": "1"}, "early_departure excused"),
        (
            {"ATT_ABSENT_IND": "1", "ATT_ABSENT_IND_02": "1", "ATT_EXCUSED_IND": "1"},
            "absent unexcused",
        ),
        (
            {
                "ATT_ABSENT_IND": "1",
                "ATT_ABSENT_IND_02": "1",
                "ATT_EXCUSED_IND": "1",
                "ATT_EXCUSED_IND_02": "1",
            },
            "absent excused",
        ),
    ],
)
def test_at_1_both_halves_of_the_day_and_the_missed_part_count(
    school: Office, row: dict[str, str], mark: str
) -> None:
    give(school, "att.csv", aspen_dump(row))
    assert current(school) == [f"1001 2021-09-01 {mark}"]


@pytest.mark.parametrize(("portion", "state"), [("0.5000", "absent"), ("0.4999", "partial")])
def test_at_1_a_district_may_ask_about_half_a_day(school: Office, portion: str, state: str) -> None:
    folder = saved(
        school, "aspen-dump", ready("aspen-dump").replace("full_day_from = 1.0", "full_day_from = 0.5")
    )
    give(
        school,
        "att.csv",
        aspen_dump({"ATT_ABSENT_IND": "1", "ATT_PORTION_ABSENT": portion}),
        mappings=folder,
    )
    assert current(school) == [f"1001 2021-09-01 {state} unexcused"]


@pytest.mark.parametrize("portion", ["1.5", "-0.1", "nan", "half"])
def test_at_1_a_missed_part_that_is_none_is_held(school: Office, portion: str) -> None:
    report = give(school, "att.csv", aspen_dump({"ATT_ABSENT_IND": "1", "ATT_PORTION_ABSENT": portion}))
    assert current(school) == []
    assert f"ATT_PORTION_ABSENT '{portion}' is not a part of a day from 0 to 1" in str(report.problems[0])


def test_at_2_the_documented_export_with_future_rows_written_as_null(school: Office) -> None:
    report = give(
        school,
        "aspen.csv",
        aspen_export(
            "1001 1 0 0 0", "1002 1 0 0 1 2021-09-01 S", "1003 0 1 0 0", "1005 0 0 1 1", "1007 1 0 0 0 NULL"
        ),
    )
    assert current(school) == [
        "1001 2021-09-01 absent unexcused",
        "1002 2021-09-01 absent excused",
        "1003 2021-09-01 tardy unexcused",
        "1005 2021-09-01 early_departure excused",
    ]
    assert report.figures["rows without a day, left alone"] == 1
    assert "Illness" not in repr(school.everything())  # LAW-45


def test_at_2_a_day_to_come_at_the_school_is_skipped_and_counted(school: Office) -> None:
    """At 8:00 in New York; an hour after midnight UTC the school still has the day before (CT-3)."""
    rows = aspen_export("1001 1 0 0 0", "1003 1 0 0 0 2021-09-02 N")
    report = give(school, "aspen.csv", rows)
    assert current(school) == ["1001 2021-09-01 absent unexcused"]
    assert report.figures["rows of days to come, left alone"] == 1
    assert report.problems == []
    still_the_first = datetime(2021, 9, 2, 3, 59, tzinfo=UTC)
    assert give(school, "aspen.csv", rows, now=still_the_first).changed_nothing
    give(school, "aspen.csv", rows, now=still_the_first + timedelta(minutes=1))
    assert len(current(school)) == 2


def test_at_2_yes_and_no_are_spelt_as_the_district_spells_them(school: Office) -> None:
    report = give(school, "aspen.csv", aspen_export("1001 Y N N Y"))
    assert current(school) == []
    assert str(report.problems[0]) == (
        "aspen.csv line 2: absence 'Y' is none of 0, 1; add it to mapping aspen-export; the row was left out"
    )
    spelt = ready("aspen-export").replace('true = ["1"]', 'true = ["Y"]').replace('["0"]', '["N"]')
    folder = saved(school, "aspen-export", spelt)
    give(school, "aspen.csv", aspen_export("1001 Y N N Y"), mappings=folder)
    assert current(school) == ["1001 2021-09-01 absent excused"]


# --- AT-3: PowerSchool --------------------------------------------------------------------------------------------


def test_at_3_marks_of_single_periods_are_not_days(school: Office) -> None:
    report = give(
        school,
        "ps.csv",
        powerschool(
            "1001,N,09/01/2021,ATT_ModeDaily,A",
            "1003,N,2021-09-01,ATT_ModeMeeting,A",
            "1003,N,2021-09-01,ATT_ModeMeeting,A",
            "1005,N,01-SEP-2021,ATT_ModeDaily,T",
            "1007,N,2021-09-01,ATT_ModeDaily,",
        ),
    )
    assert current(school) == ["1001 2021-09-01 absent unknown", "1005 2021-09-01 tardy unknown"]
    assert report.figures["rows of another att_mode_code, left alone"] == 2


@pytest.mark.parametrize("code", ["true", "TRUE", "t", "1E5", "007", "7", "inf", "None"])
def test_at_3_no_type_is_inferred_and_a_strange_code_is_held(school: Office, code: str) -> None:
    report = give(school, "ps.csv", powerschool(f"1001,N,2021-09-01,ATT_ModeDaily,{code}"))
    assert current(school) == []
    assert str(report.problems[0]) == (
        f"ps.csv line 2: att_code '{code}' is none of (empty), A, T; "
        "say in mapping powerschool what it means; the row was left out"
    )


def test_at_3_codes_that_look_like_numbers_stay_text(school: Office) -> None:
    own = ready("powerschool").replace('\nT = "tardy"', '\n"1E5" = "tardy"\n"007" = "absent excused"')
    rows = powerschool("1001,N,2021-09-01,ATT_ModeDaily,1E5", "1003,N,2021-09-01,ATT_ModeDaily,007")
    give(school, "ps.csv", rows, mappings=saved(school, "powerschool", own))
    assert current(school) == ["1001 2021-09-01 tardy unknown", "1003 2021-09-01 absent excused"]
    assert school.rows(AttendanceMark.code) == [("007",), ("1E5",)]


def test_at_3_a_school_has_its_own_codes_for_a_year(school: Office) -> None:
    own = ready("powerschool").replace(
        "[schools]",
        '[[codes_at]]\nschool = "S"\nfirst = 2021-08-23\nlast = 2021-09-01\ncodes = {T = "absent excused"}\n[schools]',
    )
    folder = saved(school, "powerschool", own)
    rows = powerschool(
        "1001,N,2021-09-01,ATT_ModeDaily,T",
        "1002,S,2021-09-01,ATT_ModeDaily,T",
        "1004,S,2021-09-01,ATT_ModeDaily,A",
        "1002,S,2021-09-02,ATT_ModeDaily,T",
    )
    report = give(school, "ps.csv", rows, mappings=folder, now=NOW + timedelta(days=1))
    assert current(school) == [
        "1001 2021-09-01 tardy unknown",
        "1002 2021-09-01 absent excused",
        "1002 2021-09-02 tardy unknown",
    ]
    assert "att_code 'A' is none of T" in str(report.problems[0])


# --- AT-4, AT-5: Synergy, Infinite Campus ---------------------------------------------------------------------------


def test_at_4_synergys_xml_says_whole_days_and_its_periods_are_left_alone(school: Office) -> None:
    report = give(
        school, "att.xml", synergy("1001 Excused", "1002 Unexcused", "1003 Tardy", "1004 Activity", "1005")
    )
    assert current(school) == [
        "1001 2021-09-01 absent excused",
        "1002 2021-09-01 absent unexcused",
        "1003 2021-09-01 tardy unknown",
    ]
    assert report.figures["rows without a mark for the whole day, left alone"] == 1
    assert "called" not in repr(school.everything())


def test_at_4_an_unknown_kind_names_the_true_line(school: Office) -> None:
    report = give(school, "att.xml", synergy("1001 Excused", "1003 Quarantine"))
    assert str(report.problems[0]) == (
        "att.xml line 4: CodeAllDayReasonType 'Quarantine' is none of Excused, Unexcused, Tardy, Unexcused Tardy, "
        "Activity; say in mapping synergy what it means; the row was left out"
    )


LAUGHS = """<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">
<!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;"><!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;">]>
<Students><Student SisNumber="&e;"/></Students>"""


@pytest.mark.parametrize(
    "raw",
    [
        LAUGHS.encode(),
        LAUGHS.encode("utf-16"),
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        b'<!DOCTYPE a [<!ENTITY % b SYSTEM "http://127.0.0.1/b"> %b;]><a/>',
        b"<!DOCTYPE html><html/>",
        b"<a>" * 60 + b"</a>" * 60,
    ],
)
def test_at_4_document_types_and_entities_are_refused_before_they_unfold(school: Office, raw: bytes) -> None:
    with pytest.raises(FileRefused, match=r"declares a document type|is a web page"):
        give(school, "att.xml", raw)


def test_a_page_to_sign_in_is_no_empty_export(school: Office) -> None:
    with pytest.raises(FileRefused, match=r"att\.xml is a web page, perhaps to sign in"):
        give(school, "att.xml", "<html><body>Sign in</body></html>")


def test_at_5_infinite_campus_has_a_status_and_an_excuse(school: Office) -> None:
    report = give(
        school,
        "ic.csv",
        campus(
            "1001,N,09/01/2021,AU,A,U",
            "1002,S,09/01/2021,AE,A,E",
            "1003,N,09/01/2021,FT,A,X",
            "1004,S,09/01/2021,AK,A,K",
            "1005,N,09/01/2021,TU,T,U",
            "1006,S,09/01/2021,ER,E,E",
            "1007,N,09/01/2021,AZ,A,Z",
        ),
    )
    assert current(school) == [
        "1001 2021-09-01 absent unexcused",
        "1002 2021-09-01 absent excused",
        "1003 2021-09-01 absent exempt",
        "1004 2021-09-01 absent unknown",
        "1005 2021-09-01 tardy unexcused",
        "1006 2021-09-01 early_departure excused",
    ]
    assert unexplained(school) == ["1001", "1004"]
    assert "excuse 'Z' is none of E, U, X, K" in str(report.problems[0])


# --- AT-6 to AT-9 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY_SYSTEM)
def test_at_6_every_system_comes_to_the_same_mark(school: Office, name: str) -> None:
    report = give(school, name, EVERY_SYSTEM[name])
    assert report.problems == []
    assert report.changes["attendance_marks"] == Change(added=1)
    assert unexplained(school) == ["1001"]
    assert give(school, name, EVERY_SYSTEM[name], now=LATER).changed_nothing


def test_at_6_an_unmapped_code_is_held_and_the_others_go_on(school: Office) -> None:
    """What an earlier file said of the held student stays: neither absent nor present is invented."""
    give(school, "ps.csv", powerschool(f"1001,N,{DAY},ATT_ModeDaily,T"))
    rows = powerschool(f"1001,N,{DAY},ATT_ModeDaily,QX", f"1003,N,{DAY},ATT_ModeDaily,A")
    report = give(school, "ps.csv", rows, now=LATER)
    assert [problem.line for problem in report.problems] == [2]
    assert current(school) == ["1001 2021-09-01 tardy unknown", "1003 2021-09-01 absent unknown"]
    assert unexplained(school) == ["1003"]


@pytest.mark.parametrize("rows", [("A", "QX"), ("QX", "A")])
def test_at_6_a_day_with_one_held_row_calls_nobody_absent(school: Office, rows: tuple[str, str]) -> None:
    lines = [f"1001,N,{DAY},ATT_ModeDaily,{code}" for code in rows]
    assert give(school, "ps.csv", powerschool(*lines)).changed_nothing
    lines[rows.index("A")] = f"1001,N,{DAY},ATT_ModeDaily,T"
    give(school, "ps.csv", powerschool(*lines))
    assert current(school) == ["1001 2021-09-01 tardy unknown"]


def test_at_6_a_held_row_says_file_line_column_value_and_way_out(school: Office) -> None:
    report = give(school, "ps.csv", powerschool(f"1001,N,{DAY},ATT_ModeDaily,=QX"))
    [problem] = report.problems
    assert (problem.file, problem.line, problem.column, problem.value) == ("ps.csv", 2, "att_code", "=QX")
    assert problem.mend == "say in mapping powerschool what it means"
    assert "ps.csv,2,att_code,'=QX," in report.as_csv()  # no formula for a spreadsheet (OR-14)


def test_the_import_remembers_which_mapping_it_was_read_by(school: Office) -> None:
    report = give(school, "ps.csv", EVERY_SYSTEM["powerschool.csv"])
    assert "rows read by mapping powerschool: 1" in report.lines()
    [(summary,)] = school.rows(Import.summary, where=Import.kind == "attendance")
    assert summary["mapping"] == "powerschool"


def test_at_7_present_in_a_later_file_of_the_morning_cancels_an_absence(school_on_each: Office) -> None:
    give(school_on_each, "ps.csv", powerschool(f"1001,N,{DAY},ATT_ModeDaily,A"))
    report = give(school_on_each, "ps.csv", powerschool(f"1001,N,{DAY},ATT_ModeDaily,"), now=LATER)
    assert report.figures["absences withdrawn"] == 1
    assert current(school_on_each) == ["1001 2021-09-01 present unknown"]
    assert len(school_on_each.rows(AttendanceMark.id)) == 2
    give(
        school_on_each, "ps.csv", powerschool(f"1001,N,{DAY},ATT_ModeDaily,A"), now=LATER + timedelta(hours=1)
    )
    assert unexplained(school_on_each) == ["1001"]


def test_at_7_where_every_student_has_a_row_a_missing_one_says_nothing(school: Office) -> None:
    own = ready("powerschool").replace('rows = "exceptions"', 'rows = "everybody"')
    folder = saved(school, "powerschool", own)
    give(school, "ps.csv", EVERY_SYSTEM["powerschool.csv"], mappings=folder)
    rows = powerschool(f"1003,N,{DAY},ATT_ModeDaily,")
    assert give(school, "ps.csv", rows, mappings=folder, now=LATER).changed_nothing
    assert unexplained(school) == ["1001"]
    give(school, "ps.csv", rows, now=LATER)
    assert unexplained(school) == []


def test_at_8_a_day_without_school_is_named_and_kept_as_history(school: Office) -> None:
    report = give(school, "ps.csv", powerschool("1001,N,2021-08-29,ATT_ModeDaily,A"))
    assert "2021-08-29 is no school day at school N; the row was kept as history" in str(report.problems[0])
    assert current(school) == ["1001 2021-08-29 absent unknown"]


def test_at_9_unknown_and_departed_students_are_counted_and_never_created(school: Office) -> None:
    with school.database.begin() as session:
        session.execute(update(Student).where(Student.number == "1003").values(active=False))
    rows = [f"{number},N,{DAY},ATT_ModeDaily,A" for number in ("7777", "1003", "1001")]
    report = give(school, "ps.csv", powerschool(*rows))
    assert report.figures["students of the file who are not in the roster"] == 1
    assert report.figures["students of the file who have left"] == 1
    assert [str(problem).partition(": ")[2] for problem in report.problems] == [
        "student_number '7777' is of nobody in the roster; the row was left out",
        "student_number '1003' is of a student who has left; the row was left out",
    ]
    assert current(school) == ["1001 2021-09-01 absent unknown"]
    assert len(school.rows(Student.id)) == 12


# --- Ed-Fi --------------------------------------------------------------------------------------------------------


def test_ed_1_descriptors_count_with_their_namespace(school: Office) -> None:
    categories = [
        "Excused Absence",
        "Unexcused Absence",
        "Tardy",
        "Early departure",
        "Partial",
        "In Attendance",
    ]
    events = [event(str(1001 + at), name, school="NS"[at % 2]) for at, name in enumerate(categories)]
    events.append(event("1007", "uri://tx.example/AttendanceEventCategoryDescriptor#Tardy"))
    report = give(school, "events.json", ed_fi(events))
    assert current(school) == [
        "1001 2021-09-01 absent excused",
        "1002 2021-09-01 absent unexcused",
        "1003 2021-09-01 tardy unknown",
        "1004 2021-09-01 early_departure unknown",
        "1005 2021-09-01 partial unknown",
    ]
    assert [problem.line for problem in report.problems] == [7]
    own = ready("ed-fi") + '"uri://tx.example/AttendanceEventCategoryDescriptor#Tardy" = "tardy"\n'
    give(school, "events.json", ed_fi(events), mappings=saved(school, "ed-fi", own))
    assert current(school)[-1] == "1007 2021-09-01 tardy unknown"


def test_ed_2_of_several_events_a_day_the_worst_counts(school: Office) -> None:
    events = [
        event("1001", "Tardy"),
        event("1001", "Early departure"),
        event("1003", "Unexcused Absence"),
        event("1003", "Tardy"),
        event("1005", "Excused Absence"),
        event("1005", "Unexcused Absence"),
    ]
    report = give(school, "events.json", ed_fi(events[:3], events[3:]))
    assert current(school) == [
        "1001 2021-09-01 early_departure unknown",
        "1003 2021-09-01 absent unexcused",
        "1005 2021-09-01 absent unexcused",
    ]
    assert report.problems == []
    assert report.rows_read == 6
    assert "words of the family" not in repr(school.everything())  # LAW-45


def test_ed_2_a_correction_is_a_new_category_and_the_old_event_gone(school: Office) -> None:
    give(school, "events.json", ed_fi([event("1001", "Unexcused Absence"), event("1003", "Tardy")]))
    corrected = ed_fi([event("1001", "Tardy"), event("1003", "Tardy")])
    assert give(school, "events.json", corrected, now=LATER).figures["absences withdrawn"] == 1
    assert current(school)[0] == "1001 2021-09-01 tardy unknown"


def test_ed_2_numbers_in_json_stay_as_they_are_written(office: Office, district: District) -> None:
    for rows in (district.orgs, district.roles, district.enrollments):
        for row in rows:
            for column, value in row.items():
                row[column] = "255901001" if value == "N" else value
    office.roster(district)
    give(
        office,
        "events.json",
        ed_fi([event("1001", "Unexcused Absence", school=255901001, eventDuration=1.0)]),
    )
    assert current(office) == ["1001 2021-09-01 absent unexcused"]


def test_ed_4_the_events_of_a_section_are_no_daily_marks(school: Office) -> None:
    section = event("1001", "Unexcused Absence", sectionReference={"sectionIdentifier": "MATH-3"})
    report = give(school, "events.json", ed_fi([section, event("1003", "Tardy")]))
    assert current(school) == ["1003 2021-09-01 tardy unknown"]
    assert report.figures["rows of one period or section, left alone"] == 1


def test_an_answer_without_events_changes_nothing(school: Office) -> None:
    for name, raw in (("events.json", "[]"), ("att.xml", "<Students/>")):
        assert give(school, name, raw).rows_read == 0


# --- OR-13, OR-14 ---------------------------------------------------------------------------------------------------


def test_or_13_a_day_that_could_be_two_is_held(school: Office) -> None:
    own = ready("powerschool").replace('"MM/DD/YYYY"', '"M/D/YYYY", "D/M/YYYY"')
    folder = saved(school, "powerschool", own)
    rows = [f"1001,N,{day},ATT_ModeDaily,A" for day in ("1/09/2021", "31/08/2021", "8/8/2021")]
    report = give(school, "ps.csv", powerschool(*rows), mappings=folder)
    assert [row.split()[1] for row in current(school)] == ["2021-08-08", "2021-08-31"]
    assert "att_date '1/09/2021' is not a date such as 2021-08-23" in str(report.problems[0])


def test_or_13_headers_in_another_case_and_with_blanks_are_known(school: Office) -> None:
    header = "Student_Number, SCHOOLID ,Att_Date,ATT_MODE_CODE, att _code,,"
    give(school, "ps.csv", table(header, f"1001,N,{DAY},ATT_ModeDaily,A"))
    assert unexplained(school) == ["1001"]


def test_or_13_a_short_row_reads_as_empty_and_a_long_one_is_held(school: Office) -> None:
    report = give(
        school, "ps.csv", powerschool(f"1001,N,{DAY},ATT_ModeDaily", f"1003,N,{DAY},ATT_ModeDaily,A,A")
    )
    assert "it has 6 values where the header has 5" in str(report.problems[0])
    assert current(school) == []


def test_or_14_windows_1252_is_named_with_its_line(school: Office) -> None:
    raw = powerschool(f"1001,N,{DAY},ATT_ModeDaily,A", f"10\xe93,N,{DAY},ATT_ModeDaily,A").encode("cp1252")
    report = give(school, "ps.csv", raw)
    assert "line 3: the file is not UTF-8 and was read as Windows-1252" in str(report.problems[0])
    assert unexplained(school) == ["1001"]


def test_or_14_utf_16_is_read_by_its_mark_and_named_else_refused(school: Office) -> None:
    rows = powerschool(f"1001,N,{DAY},ATT_ModeDaily,A")
    report = give(school, "ps.csv", rows.encode("utf-16"))
    assert "the file is UTF-16" in str(report.problems[0])
    assert unexplained(school) == ["1001"]
    with pytest.raises(FileRefused, match="is not a text file"):
        give(school, "ps.csv", rows.encode("utf-16-le"))


def test_or_14_semicolons_are_refused_unless_the_mapping_says_so(school: Office) -> None:
    rows = powerschool(f"1001,N,{DAY},ATT_ModeDaily,A").replace(",", ";")
    with pytest.raises(
        FileRefused, match=r"separated by semicolons; save it with commas.*nothing was changed"
    ):
        give(school, "ps.csv", rows)
    own = ready("powerschool").replace('shape = "table"', 'shape = "table"\nseparator = ";"')
    give(school, "ps.csv", rows, mappings=saved(school, "powerschool", own))
    assert unexplained(school) == ["1001"]


@pytest.mark.parametrize(
    ("number", "why"),
    [("1.2E+10", "cut short by a spreadsheet"), ("######", "column too narrow"), ("1E5", "cut short")],
)
def test_or_14_numbers_that_a_spreadsheet_spoiled_are_named(school: Office, number: str, why: str) -> None:
    report = give(school, "ps.csv", powerschool(f"{number},N,{DAY},ATT_ModeDaily,A"))
    assert why in str(report.problems[0])
    assert current(school) == []


def test_or_14_a_number_that_looks_spoiled_and_is_true_counts(office: Office, district: District) -> None:
    district.user("s1")["identifier"] = "1E5"
    office.roster(district)
    give(office, "ps.csv", powerschool(f"1E5,N,{DAY},ATT_ModeDaily,A"))
    assert current(office) == ["1E5 2021-09-01 absent unknown"]


def test_or_14_lost_zeros_come_back_only_where_the_mapping_says_how_wide(
    office: Office, district: District
) -> None:
    district.user("s1")["identifier"] = "001001"
    office.roster(district)
    rows = powerschool(f"1001,N,{DAY},ATT_ModeDaily,A", f"0001003,N,{DAY},ATT_ModeDaily,A")
    report = give(office, "ps.csv", rows)
    assert len(report.problems) == 2
    assert current(office) == []
    own = ready("powerschool").replace("digits = true   #", "width = 6   #")
    report = give(office, "ps.csv", rows, mappings=saved(office, "powerschool", own))
    assert current(office) == ["001001 2021-09-01 absent unknown"]
    assert "student_number '0001003' has 7 digits; expected 6" in str(report.problems[0])


def test_or_14_a_workbooks_numbers_count_only_where_the_mapping_says_how_they_look(school: Office) -> None:
    header = ("studentNumber", "schoolNumber", "date", "code", "status", "excuse")
    book = xlsx(header, (1001, "N", date(2021, 9, 1), "AU", "A", "U"), ())
    report = give(school, "ic.xlsx", book)
    assert current(school) == []
    assert "studentNumber '1001' is a number or date in the workbook" in str(report.problems[0])
    assert "say student.width or student.digits in mapping infinite-campus" in str(report.problems[0])
    folder = saved(school, "infinite-campus", ready("infinite-campus") + "[student]\ndigits = true\n")
    give(school, "ic.xlsx", book, mappings=folder)
    assert current(school) == ["1001 2021-09-01 absent unexcused"]


@pytest.mark.parametrize("number", [12000000000.5, True, date(2021, 9, 1)])
def test_or_14_what_excel_made_of_a_number_beyond_repair_is_named(school: Office, number: object) -> None:
    header = ("student_number", "schoolid", "att_date", "att_mode_code", "att_code")
    report = give(school, "ps.xlsx", xlsx(header, (number, "N", DAY, "ATT_ModeDaily", "A")))
    assert len(report.problems) == 1
    assert report.problems[0].line == 2
    assert current(school) == []


def test_a_workbook_with_a_document_type_is_refused(school: Office) -> None:
    whole = xlsx(("student_number",), ("1001",))
    page = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as book, zipfile.ZipFile(page, "w") as bad:
        for name in book.namelist():
            part = book.read(name)
            if name.endswith("sheet1.xml"):
                part = b'<!DOCTYPE a [<!ENTITY b "c">]>' + part
            bad.writestr(name, part)
    with pytest.raises(FileRefused, match="is not as Excel writes it"):
        give(school, "ps.xlsx", page.getvalue())


# --- which mapping --------------------------------------------------------------------------------------------------


def test_two_mappings_that_fit_are_named_and_none_is_guessed(school: Office) -> None:
    folder = saved(school, "lincoln", ready("powerschool"))
    with pytest.raises(FileRefused, match="fits the mappings powerschool, lincoln; name one with --mapping"):
        give(school, "ps.csv", EVERY_SYSTEM["powerschool.csv"], mappings=folder)
    give(school, "ps.csv", EVERY_SYSTEM["powerschool.csv"], mappings=folder, mapping="lincoln")
    assert unexplained(school) == ["1001"]


def test_a_mapping_is_named_or_given_as_a_file(school: Office) -> None:
    with pytest.raises(FileRefused, match="no mapping is called 'skyward'; there are aspen-dump, "):
        give(school, "ps.csv", EVERY_SYSTEM["powerschool.csv"], mapping="skyward")
    path = saved(school, "lincoln", ready("powerschool")) / "lincoln.toml"
    give(school, "ps.csv", EVERY_SYSTEM["powerschool.csv"], mapping=str(path))
    assert unexplained(school) == ["1001"]


def test_a_file_of_another_format_than_the_named_mappings_is_refused(school: Office) -> None:
    with pytest.raises(FileRefused, match="mapping ed-fi reads json files, and this is none"):
        give(school, "ps.csv", EVERY_SYSTEM["powerschool.csv"], mapping="ed-fi")


def test_a_column_that_is_there_twice_is_refused(school: Office) -> None:
    raw = table("student_number,schoolid,att_date,att_mode_code,att_code,ATT_CODE", f"1001,N,{DAY},x,A,T")
    with pytest.raises(FileRefused, match="the header has att_code twice"):
        give(school, "ps.csv", raw)


def test_a_file_without_a_header_is_read_by_position(school: Office) -> None:
    own = """
title = "Lincoln's morning list"
shape = "table"
header = false
[columns]
student = 2
day = 1
code = 4
[day]
formats = ["YYYYMMDD"]
[codes]
A = "absent"
"""
    folder = saved(school, "lincoln", own)
    give(school, "list.csv", "20210901,1001,x,A\r\n20210901,1002,x,A\r\n", mappings=folder, mapping="lincoln")
    assert unexplained(school) == ["1001", "1002"]
    rows = school.rows(
        AttendanceMark.school_id, Student.school_id, where=AttendanceMark.student_id == Student.id
    )
    assert all(marked == goes for marked, goes in rows)


def test_a_schools_short_name_becomes_its_sourced_id(school: Office) -> None:
    own = ready("aspen-export") + 'NOR = "N"\n'
    folder = saved(school, "aspen-export", own)
    give(school, "a.csv", aspen_export(f"1001 1 0 0 0 {DAY} NOR"), mappings=folder)
    assert unexplained(school) == ["1001"]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('title = "', 'titel = "', "titel is no key of a mapping"),
        ("[day]", "[dai]", "dai is no key"),
        ('formats = ["YYYY-MM-DD", "MM/DD/YYYY", "DD-MON-YYYY"]', "", "formats is missing"),
        ('"MM/DD/YYYY"', '"MM/DD"', "'MM/DD' is not a day such as"),
        ('"MM/DD/YYYY"', '"MM/DD/YYYY MM"', "names a part of the day twice"),
        ('A = "absent"', 'A = "away"', "'away' is not a valid MarkStatus"),
        ('A = "absent"', 'A = "absent excused twice"', "more than a state and an excuse"),
        ('A = "absent"', 'A = "absent"\nA = "tardy"', "Cannot overwrite"),
        ('"exceptions"', '"some"', "rows is 'some', neither 'exceptions' nor 'everybody'"),
        ('student = "student_number"', "", "names no student or no day"),
        ('code = "att_code"', 'reason = "att_code"', "columns has reason"),
        ('code = "att_code"', "", "no row would say anything"),
        ('shape = "table"', 'shape = "pdf"', "'pdf' is not a valid Shape"),
        ('shape = "table"', 'shape = "xml"', "row, the element"),
        ('shape = "table"', 'shape = "table"\nheader = false', "columns by number"),
        ('shape = "table"', 'shape = "table"\nseparator = "::"', "separator is not one sign"),
    ],
)
def test_a_mapping_that_cannot_be_meant_is_refused_by_name(
    school: Office, old: str, new: str, why: str
) -> None:
    text = ready("powerschool")
    assert old in text
    folder = saved(school, "lincoln", text.replace(old, new, 1))
    with pytest.raises(FileRefused, match=r"^mapping lincoln\.toml: ") as refused:
        load(folder / "lincoln.toml")
    assert why in str(refused.value)


def test_nothing_is_half_applied_when_the_file_breaks_at_its_end(school: Office) -> None:
    give(school, "ps.csv", EVERY_SYSTEM["powerschool.csv"])
    before = school.everything()
    rows = powerschool(f"1003,N,{DAY},ATT_ModeDaily,A", f'1005,N,{DAY},ATT_ModeDaily,"A')
    with pytest.raises(FileRefused, match=r"ps\.csv line 3: the quotes or line ends are broken"):
        give(school, "ps.csv", rows)
    assert school.everything() == before
