"""The commands, as a clerk runs them: real processes on a fresh SQLite file."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

GRAND_BEND = ROOT / "sample" / "grandbend"
PRESENTE = Path(sys.executable).with_name("presente")


class Clerk:
    """Runs `presente` with an environment of its own, in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("PRESENTE_")}
        self.env["PRESENTE_DATABASE_URL"] = f"sqlite:///{folder}/district.db"

    def runs(self, *words: str, typed: str = "", fails: bool = False, **settings: str) -> str:
        env = self.env | {f"PRESENTE_{name.upper()}": value for name, value in settings.items()}
        done = subprocess.run(  # noqa: S603 - our own command
            [PRESENTE, *words],
            cwd=self.folder,
            env=env,
            input=typed,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        said = done.stdout + done.stderr
        assert (done.returncode != 0) is fails, said
        assert "Traceback" not in said
        return said

    def imports(self) -> None:
        self.runs(
            "import", "roster", str(GRAND_BEND / "oneroster.zip"),
            "--contacts", str(GRAND_BEND / "contacts.csv"), "--calendar", str(GRAND_BEND / "calendar.ics"),
        )  # fmt: skip
        self.runs(
            "import", "attendance", str(GRAND_BEND / "attendance-2021-2022.csv"), "--through", "2021-10-22"
        )


@pytest.fixture
def clerk(tmp_path: Path) -> Clerk:
    return Clerk(tmp_path)


def test_from_files_to_a_count_without_any_other_step(clerk: Clerk) -> None:
    clerk.imports()

    dry = clerk.runs("morning", "--date", "2021-10-22", "--at", "09:30", "--dry-run")
    assert "Would be asked about 13 students in 13 texts" in dry
    assert "because the absence is already excused" in dry
    assert "Dry run: nothing was changed." in dry
    run = clerk.runs("morning", "--date", "2021-10-22", "--at", "09:30")
    assert "Asked about 13 students in 13 texts" in run
    assert "Asked about 0 students" in clerk.runs("morning", "--date", "2021-10-22", "--at", "09:30")

    counted = json.loads(clerk.runs("ledger", "--date", "2021-10-22", "--json"))
    assert counted["date"] == "2021-10-22"
    assert counted["absent"] == sum(counted["outcomes"].values()) == 33
    assert counted["outcomes"]["attempted"] == 13


def test_the_dry_run_says_how_long_our_number_needs_and_whom_to_call(clerk: Clerk) -> None:
    """TW-85: at planning time, when somebody can still do something about it."""
    clerk.imports()
    morning = ("morning", "--date", "2021-10-22", "--dry-run")

    slow = clerk.runs(*morning, "--at", "09:30", segments_per_second="0.1")
    assert re.search(r"\d+ segments; at our number's pace the last has left \d minutes after the first", slow)
    late = clerk.runs(*morning, "--at", "17:59", segments_per_second="0.1")
    assert "Would be asked about 3 students in 3 texts" in late
    assert "10 because held: 10 texts cannot leave before the window closes: call these families" in late


def test_a_dry_run_of_an_import_changes_nothing(clerk: Clerk) -> None:
    said = clerk.runs("import", "roster", str(GRAND_BEND / "oneroster.zip"), "--dry-run")

    assert "Dry run: nothing was changed." in said
    assert "960 added" in said
    again = clerk.runs("import", "roster", str(GRAND_BEND / "oneroster.zip"), "--dry-run")
    assert "960 added" in again


def test_a_broken_file_is_one_sentence_and_changes_nothing(clerk: Clerk) -> None:
    broken = clerk.folder / "roster.zip"
    broken.write_bytes(b"PK\x03\x04 this is no archive")

    said = clerk.runs("import", "roster", str(broken), fails=True)

    assert said.startswith("presente: roster.zip")
    assert len(said.strip().splitlines()) == 1


def test_a_bad_setting_is_named_with_the_way_out(clerk: Clerk) -> None:
    said = clerk.runs("ledger", "--date", "2021-10-22", fails=True, zone="Hartford", window_opens="soon")

    assert "PRESENTE_ZONE" in said
    assert "America/New_York" in said
    assert "PRESENTE_WINDOW_OPENS" in said


def test_the_desk_does_not_start_without_a_secret(clerk: Clerk) -> None:
    said = clerk.runs("serve", fails=True)

    assert "PRESENTE_SECRET_KEY is empty" in said


def test_the_doctor_says_what_is_wrong_and_how_to_mend_it(clerk: Clerk) -> None:
    said = clerk.runs("doctor", fails=True)
    assert re.search(r"ill +settings: PRESENTE_SECRET_KEY is empty", said)
    assert "run `presente migrate`" in said

    clerk.runs("migrate")
    well = clerk.runs("doctor", secret_key="x" * 40)
    assert "ill " not in well


def test_the_doctor_says_that_the_database_does_not_answer(clerk: Clerk) -> None:
    said = clerk.runs(
        "doctor", fails=True, database_url="postgresql://nobody@127.0.0.1:9/none", secret_key="x"
    )

    assert "ill   database" in said


def test_a_conversation_can_be_played_and_kept_as_a_transcript(clerk: Clerk) -> None:
    said = clerk.runs(
        "talk", "--language", "es", "--out", "talk.txt", typed="está enferma, tiene fiebre\n2\n\n"
    )

    assert "Burns School" in said
    assert "! illness" in said
    kept = (clerk.folder / "talk.txt").read_text(encoding="utf-8")
    assert "> está enferma, tiene fiebre" in kept


def test_a_staff_member_is_added_for_the_schools_of_the_roster(clerk: Clerk) -> None:
    unknown = clerk.runs(
        "staff", "add", "a@example.org", "--name", "A", "--school", "None", "--password", "long enough one",
        fails=True,
    )  # fmt: skip
    assert "import a roster first" in unknown
    clerk.imports()

    said = clerk.runs(
        "staff", "add", "r@example.org", "--name", "Ms. Rivera", "--password", "a long enough one"
    )

    assert "sees 3 schools" in said


def test_the_texts_and_flows_are_in_order(clerk: Clerk) -> None:
    assert "are in order" in clerk.runs("flows", "check")
    assert "0 missing, 0 stale" in clerk.runs("texts", "status", "--check")
    assert "equal to the tables" in clerk.runs("migrate", "--check")


def test_a_replay_prints_a_line_for_each_day_and_what_was_kept(clerk: Clerk) -> None:
    said = clerk.runs("replay", "--from", "2021-10-21", "--to", "2021-10-22")

    assert "2021-10-22" in said
    assert "every promise held" in said


def test_words_are_explained(clerk: Clerk) -> None:
    assert "transportation" in clerk.runs("understand", "the bus never came")
