"""The morning of 1 September 2021 as each school system would write it, for the students of district.py."""

import io
import json
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path

import openpyxl

from bot.roster import Report, import_attendance
from bot.roster.attendance.mapping import READY
from bot.store.tables import AttendanceMark, Student

from .conftest import NOW, Office

DAY = "2021-09-01"
ED_FI = "uri://ed-fi.org/AttendanceEventCategoryDescriptor#"
DUMP = Path(__file__).parents[1] / "data" / "sis" / "aspen" / "attendance_dump.csv"


def give(
    office: Office,
    name: str,
    raw: bytes | str,
    *,
    mapping: str = "",
    mappings: Path | None = None,
    now: datetime = NOW,
) -> Report:
    path = office.file(name, raw.encode() if isinstance(raw, str) else raw)
    with office.database.begin() as session:
        return import_attendance(session, path, through=None, now=now, mapping=mapping, mappings=mappings)


def current(office: Office) -> list[str]:
    """The current marks, short: "1001 2021-09-01 absent excused"."""
    rows = office.rows(
        Student.number,
        AttendanceMark.day,
        AttendanceMark.status,
        AttendanceMark.excuse,
        where=(AttendanceMark.student_id == Student.id) & AttendanceMark.superseded_at.is_(None),
    )
    return [f"{number} {day} {status} {excuse}" for number, day, status, excuse in rows]


def saved(office: Office, name: str, text: str) -> Path:
    """A district's own mapping, in a folder of its own."""
    folder = office.folder / "mappings"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return folder


def ready(name: str) -> str:
    """The words of a ready mapping, for a district to change."""
    return (READY / f"{name}.toml").read_text(encoding="utf-8")


def table(header: str, *rows: str) -> str:
    return "\r\n".join([header, *rows, ""])


def powerschool(*rows: str) -> str:
    return table("student_number,schoolid,att_date,att_mode_code,att_code", *rows)


def campus(*rows: str) -> str:
    return table("studentNumber,schoolNumber,date,code,status,excuse", *rows)


def aspen_export(*rows: str) -> str:
    """Rows are written short: "1001 1 0 0 1" are the flags absence, tardy, dismissed and excused."""
    lines = []
    for row in rows:
        student, absence, tardy, dismissed, excused, day, school = (*row.split(), DAY, "N")[:7]
        lines.append(f"99,{student},{absence},{tardy},{dismissed},Illness,{excused},called,{day},{school}")
    header = "state_id,local_id,absence,tardy,dismissed,reason,excused,comment,event_date,school_local_id"
    return table(header, *lines)


def aspen_dump(*rows: dict[str, str]) -> str:
    """The header of the saved dump, and its first row with other values."""
    header, first = DUMP.read_text(encoding="utf-8").splitlines()[:2]
    names = [name.strip("'") for name in header.split(",")]
    usual = dict.fromkeys(names, "NULL") | {name: "0" for name in names if "_IND" in name}
    usual |= {"ATT_STD_OID": "s1", "ATT_SKL_OID": "N", "ATT_DATE": DAY, "ATT_PORTION_ABSENT": "1.0000"}
    assert len(names) == 31
    assert first.count('","') == 30
    lines = [",".join(f'"{(usual | row)[name]}"' for name in names) for row in rows]
    return "\n".join([header, *lines, ""])


def synergy(*days: str) -> str:
    """Days are written short: "1001 Excused"; without a second word only a period was missed."""
    students = ""
    for day in days:
        number, _, kind = day.partition(" ")
        students += (
            f'<Student SisNumber="{number}"><Attendance Type="Daily" SchoolName="North"><Absences>'
            f'<Absence AbsenceDate="09/01/2021" Reason="Ill" Note="called" CodeAllDayReasonType="{kind}" '
            'CodeAllDayDescription="All day"><Periods><Period Number="1" Name="Absent" Reason="Unexcused"/>'
            "</Periods></Absence></Absences></Attendance></Student>\n"
        )
    return f'<?xml version="1.0" encoding="utf-8"?>\n<Students>\n{students}</Students>\n'


def event(student: str, category: str, *, school: object = "N", day: str = DAY, **more: object) -> object:
    return {
        "id": "0a1b",
        "schoolReference": {"schoolId": school, "link": {"rel": "School", "href": "/ed-fi/schools/1"}},
        "sessionReference": {"schoolId": school, "schoolYear": 2022, "sessionName": "Fall"},
        "studentReference": {"studentUniqueId": student},
        "eventDate": day,
        "attendanceEventCategoryDescriptor": category if "#" in category else ED_FI + category,
        "attendanceEventReason": "words of the family",
        **more,
    }


def ed_fi(*pages: Iterable[object]) -> str:
    return "\n".join(json.dumps(list(page)) for page in pages)


def xlsx(*rows: tuple[object, ...]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    page = io.BytesIO()
    book.save(page)
    return page.getvalue()


# The same absence, student 1001 unexplained, from every system.
EVERY_SYSTEM: dict[str, bytes | str] = {
    "grandbend.csv": table(
        "date,school_id,student_id,att_code,description,status,excuse", f"{DAY},N,1001,AU,,A,U"
    ),
    "powerschool.csv": powerschool(f"1001,N,{DAY},ATT_ModeDaily,A"),
    "campus.csv": campus("1001,N,09/01/2021,AU,A,U"),
    "aspen.csv": aspen_export("1001 1 0 0 0"),
    "dump.csv": aspen_dump({"ATT_ABSENT_IND": "1"}),
    "synergy.xml": synergy("1001 Unexcused"),
    "ed-fi.json": ed_fi([event("1001", "Unexcused Absence")]),
    "campus.xlsx": xlsx(
        ("studentNumber", "schoolNumber", "date", "code", "status", "excuse"),
        ("1001", "N", date(2021, 9, 1), "AU", "A", "U"),
    ),
}
