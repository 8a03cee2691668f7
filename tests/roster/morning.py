"""A large district's morning: as many students as wanted, and the file that says who is there. For measuring."""

from datetime import date, time
from pathlib import Path

from sqlalchemy import insert
from sqlalchemy.orm import Session

from bot.store.tables import CalendarDay, School, Student

DAY = date(2021, 9, 1)
SCHOOLS = 30


def a_district(session: Session, students: int) -> None:
    """Put *students*, spread over thirty schools, into an empty database. Numbers keep a zero in front."""
    session.execute(
        insert(School),
        [
            {
                "id": at,
                "sourced_id": f"S{at}",
                "name": f"School {at}",
                "district": "Elm",
                "zone": "America/New_York",
                "morning_at": time(9, 30),
                "active": True,
            }
            for at in range(1, SCHOOLS + 1)
        ],
    )
    session.execute(
        insert(CalendarDay),
        [{"school_id": at, "day": DAY, "instructional": True} for at in range(1, SCHOOLS + 1)],
    )
    session.execute(
        insert(Student),
        [
            {
                "sourced_id": f"s{at}",
                "number": f"0{100_000 + at}",
                "given_name": "Given",
                "family_name": "Family",
                "school_id": at % SCHOOLS + 1,
                "active": True,
            }
            for at in range(students)
        ],
    )


def a_morning(path: Path, students: int, *, absent_every: int = 12, day: date = DAY) -> Path:
    """A file with a row for every student in the shape of PowerSchool; one in *absent_every* is absent."""
    lines = ["student_number,schoolid,att_date,att_mode_code,att_code"]
    for at in range(students):
        code = "A" if at % absent_every == 0 else "T" if at % 50 == 1 else ""
        lines.append(f"0{100_000 + at},S{at % SCHOOLS + 1},{day},ATT_ModeDaily,{code}")
    path.write_text("\r\n".join([*lines, ""]), encoding="utf-8")
    return path
