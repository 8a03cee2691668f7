"""`presente import attendance` with files of other systems: a mapping found, named or the district's own."""

import csv
from pathlib import Path

from tests.test_cli import GRAND_BEND, Clerk

from .attendance_files import powerschool, ready


def test_a_clerk_learns_the_codes_that_a_mapping_lacks_and_adds_them(tmp_path: Path) -> None:
    clerk = Clerk(tmp_path)
    clerk.runs("import", "roster", str(GRAND_BEND / "oneroster.zip"))
    rows = ["605250,255901001,10/22/2021,ATT_ModeDaily,AE", "605245,255901001,10/22/2021,ATT_ModeDaily,A"]
    (tmp_path / "today.csv").write_text(powerschool(*rows), encoding="utf-8")

    said = clerk.runs("import", "attendance", "today.csv", "--report", "faults.csv", "--dry-run")
    assert "rows read by mapping powerschool: 2" in said
    assert "att_code 'AE' is none of (empty), A, T; say in mapping powerschool what it means" in said
    with (tmp_path / "faults.csv").open(encoding="utf-8-sig", newline="") as file:
        [fault] = list(csv.DictReader(file))
    assert (fault["line"], fault["column"], fault["value"]) == ("2", "att_code", "AE")

    (tmp_path / "ours").mkdir()
    text = ready("powerschool").replace('\nT = "tardy"', '\nT = "tardy"\nAE = "absent excused"')
    (tmp_path / "ours" / "powerschool.toml").write_text(text, encoding="utf-8")
    said = clerk.runs("import", "attendance", "today.csv", "--mappings", "ours")
    assert "attendance marks: 2 added" in said
    assert "need a person's eye" not in said

    said = clerk.runs("import", "attendance", "today.csv", "--mapping", "skyward", fails=True)
    assert "no mapping is called 'skyward'; there are aspen-dump," in said
