"""Whatever an attendance file of any system holds: it is applied, and again changes nothing, or it is refused."""

import csv
import io
import string
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.utils.exceptions import IllegalCharacterError

from bot.roster import FileRefused, import_attendance
from bot.roster.attendance.mapping import load
from bot.store.session import Database

from .attendance_files import (
    DAY,
    DUMP,
    ED_FI,
    EVERY_SYSTEM,
    aspen_dump,
    ed_fi,
    event,
    ready,
    synergy,
    xlsx,
)
from .conftest import NOW, Office, contents
from .district import District

_DAMAGED: dict[str, bytes | str] = EVERY_SYSTEM | {
    "saved.csv": DUMP.read_bytes(),
    "dumps.csv": aspen_dump({}, {"ATT_STD_OID": "s3", "ATT_ABSENT_IND": "1"}, {"ATT_DATE": "NULL"}),
    "days.xml": synergy("1001 Excused", "1002", "1003 Tardy"),
    "pages.json": ed_fi(
        [event("1001", "Tardy"), event("1003", "Excused Absence")], [event("1005", "Partial")]
    ),
}
_CELLS = st.one_of(
    st.sampled_from(["", "NULL", "1001", "01001", "1.2E+10", "####", "N", "S", "A", "T", "1", "0", "true"]),
    st.sampled_from(
        [DAY, "09/01/2021", "2021-09-31", "0001-01-01", "9999-12-31", "nan", "0.5", "é", "\\", '"']
    ),
    st.sampled_from([f"{ED_FI}Tardy", "ATT_ModeDaily"]),
    st.text(max_size=12),
    st.text(string.digits + "-+()./E#x", max_size=20),
    st.integers(250, 400).map(lambda length: "w" * length),
)
_VALUES = st.one_of(_CELLS, st.none(), st.booleans(), st.integers(), st.floats(), st.dates())


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """*whole*, with a few of its bytes cut out, doubled or replaced."""
    raw = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(raw)))
        cut = bytes(raw[at : at + draw(st.integers(0, 40))])
        junk = st.one_of(
            st.binary(max_size=6),
            st.sampled_from([cut * 2, b'"', b"'", b",", b"\\", b"\r", b"\0", b"<", b"[", b"}"]),
        )
        raw[at : at + len(cut)] = draw(junk)
    return bytes(raw)


@pytest.fixture
def school(sqlite: Database, tmp_path: Path) -> Office:
    """An office whose roster is imported, and which has marks that a file may replace or withdraw."""
    office = Office(sqlite, tmp_path)
    office.roster(District())
    office.attendance("2021-09-01 N 1001 A", "2021-09-01 N 1003 A", "2021-09-01 S 1002 T")
    return office


def _try(office: Office, name: str, raw: bytes, mapping: str = "") -> None:
    file = office.file(name, raw)
    with office.database.begin() as session:
        before = contents(session)
        report = None
        with suppress(FileRefused):
            report = import_attendance(session, file, through=None, now=NOW, mapping=mapping)
        after = contents(session)
        assert (report is None or report.changed_nothing) == (after == before)
        if report is not None:
            assert len(report.lines()) >= 2
            again = import_attendance(session, file, through=None, now=NOW, mapping=mapping)
            assert again.changed_nothing
            assert contents(session) == after
        session.rollback()  # the next example meets the same database


@given(data=st.data())
def test_any_damaged_file_of_any_system(school: Office, data: st.DataObject) -> None:
    name, whole = data.draw(st.sampled_from(sorted(_DAMAGED.items(), key=lambda some: some[0])))
    _try(school, name, data.draw(damaged(whole.encode() if isinstance(whole, str) else whole)))


@given(data=st.data())
def test_any_cells_under_any_tables_header(school: Office, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["grandbend", "powerschool", "campus", "aspen", "dump"]))
    whole = EVERY_SYSTEM[f"{name}.csv"]
    assert isinstance(whole, str)
    header = whole.splitlines()[0]
    width = header.count(",") + 1
    rows = data.draw(st.lists(st.lists(_CELLS, max_size=width + 1), max_size=6))
    page = io.StringIO()
    csv.writer(page).writerows(rows)
    _try(school, "any.csv", f"{header}\r\n{page.getvalue()}{whole.splitlines()[1]}\r\n".encode())


@given(rows=st.lists(st.tuples(*[_VALUES] * 6), max_size=5))
def test_any_cells_of_a_workbook(school: Office, rows: list[tuple[object, ...]]) -> None:
    header = ("studentNumber", "schoolNumber", "date", "code", "status", "excuse")
    try:
        raw = xlsx(header, *rows, ("1003", "N", DAY, "AU", "A", "U"))
    except (ValueError, IllegalCharacterError):  # what Excel itself cannot hold, such as a control sign
        return
    _try(school, "any.xlsx", raw)


_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), _CELLS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(data=st.data())
def test_any_values_in_an_event(school: Office, data: st.DataObject) -> None:
    usual = event("1003", "Unexcused Absence")
    assert isinstance(usual, dict)
    for _ in range(data.draw(st.integers(1, 3))):
        usual[data.draw(st.sampled_from(sorted(usual)))] = data.draw(_JSON)
    _try(school, "any.json", ed_fi([usual, event("1001", "Tardy")]).encode())


@given(data=st.data())
def test_any_damaged_mapping_is_refused_or_read(school: Office, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["aspen-dump", "grandbend", "powerschool", "synergy", "ed-fi"]))
    path = school.file("own.toml", data.draw(damaged(ready(name).encode())))
    with suppress(FileRefused):
        load(path)
        whole = EVERY_SYSTEM["grandbend.csv"]
        assert isinstance(whole, str)
        _try(school, "any.csv", whole.encode(), mapping=str(path))
