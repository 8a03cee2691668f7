"""An office that imports the files of a small district."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.roster import Approval, ColumnMapping, Report, import_attendance, import_roster
from bot.store.session import Database
from bot.store.tables import Table

from .district import District, written

NOW = datetime(2021, 9, 1, 12, 0, tzinfo=UTC)


@dataclass
class Office:
    """Imports what it is given and looks into the database."""

    database: Database
    folder: Path

    def roster(
        self,
        district: District,
        *,
        contacts: bool | bytes = True,
        calendar: bytes | None = None,
        now: datetime = NOW,
        approval: Approval | None = None,
        without: tuple[str, ...] = (),
        encoding: str = "utf-8",
    ) -> Report:
        archive = district.archive(self.folder / "roster.zip", without=without)
        said = written(district.contacts) if contacts is True else contacts
        return self.import_file(
            archive,
            contacts=self.file("contacts.csv", said) if said else None,
            calendar=self.file("calendar.ics", calendar) if calendar is not None else None,
            now=now,
            approval=approval,
            encoding=encoding,
        )

    def import_file(
        self,
        path: Path,
        *,
        contacts: Path | None = None,
        calendar: Path | None = None,
        now: datetime = NOW,
        approval: Approval | None = None,
        columns: ColumnMapping | None = None,
        encoding: str = "utf-8",
    ) -> Report:
        with self.database.begin() as session:
            return import_roster(
                session,
                path,
                contacts=contacts,
                calendar=calendar,
                zone="America/New_York",
                morning_at=time(9, 30),
                now=now,
                approval=approval,
                columns=columns,
                encoding=encoding,
            )

    def attendance(self, *rows: str, through: date | None = None, now: datetime = NOW) -> Report:
        """Rows are written short: "2021-09-01 N 1001 A E"."""
        lines = ["date,school_id,student_id,att_code,description,status,excuse"]
        for row in rows:
            day, school, student, status, excuse = (*row.split(), "", "")[:5]
            lines.append(f"{day},{school},{student},X{status},MTHR CALLED,{status},{excuse}")
        return self.attendance_file("\r\n".join([*lines, ""]).encode(), through=through, now=now)

    def attendance_file(self, raw: bytes, through: date | None = None, now: datetime = NOW) -> Report:
        with self.database.begin() as session:
            return import_attendance(session, self.file("attendance.csv", raw), through=through, now=now)

    def file(self, name: str, raw: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(raw)
        return path

    def rows(self, *columns: Any, where: Any = True) -> list[tuple[Any, ...]]:
        with self.database.begin() as session:
            return sorted(tuple(row) for row in session.execute(select(*columns).where(where)))

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        with self.database.begin() as session:
            return contents(session)


def contents(session: Session) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, to show that nothing has changed."""
    return {
        table.name: sorted((tuple(row) for row in session.execute(select(table))), key=repr)
        for table in Table.metadata.sorted_tables
    }


@pytest.fixture
def office(sqlite: Database, tmp_path: Path) -> Office:
    """What a file means does not depend on the engine; what is written does, and has its own fixture."""
    return Office(sqlite, tmp_path)


@pytest.fixture
def office_on_each(database: Database, tmp_path: Path) -> Office:
    return Office(database, tmp_path)


@pytest.fixture
def district() -> District:
    return District()
