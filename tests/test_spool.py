"""The folder for posts that the database cannot take: whole or not at all, in order, and private."""

import errno
import json
import os
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot import spool
from bot.spool import Away, Post

AT = datetime(2021, 10, 22, 13, 30, tzinfo=UTC)


def a_post(words: str = "está enferma", *, after: int = 0, token: str = "") -> Post:
    pairs = (
        ("MessageSid", f"SM{words}"),
        ("From", "+12035550100"),
        ("Body", words),
        ("Tag", "a"),
        ("Tag", "b"),
    )
    return Post(pairs, AT + timedelta(seconds=after), token=token, retry_token="again")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def taken(folder: Path) -> list[Post]:
    posts: list[Post] = []
    spool.replay(folder, posts.append)
    return posts


# --- kept ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["está enferma 🤒\n", "", "a\x00b", '"}', "<Response/>", "x" * 60_000])
def test_a_post_comes_back_as_it_was_kept(folder: Path, words: str) -> None:
    """Every name and value in its order, repeated names among them: all of it was signed (TW-35)."""
    post = a_post(words, token="ours")

    spool.keep(folder, post)

    assert taken(folder) == [post]


def test_the_first_of_a_name_that_is_repeated_is_what_was_said() -> None:
    assert a_post().said["Tag"] == "a"


def test_only_we_may_read_what_families_wrote(folder: Path) -> None:
    spool.keep(folder, a_post())
    (file,) = folder.glob("*.json")

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert "enferma" not in repr(a_post())


def test_two_posts_of_one_moment_are_two_files(folder: Path) -> None:
    spool.keep(folder, a_post("one"))
    spool.keep(folder, a_post("two"))

    assert spool.waiting(folder) == 2


def test_a_post_is_on_the_disk_before_it_has_its_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    sync, rename = os.fsync, Path.rename

    def synced(handle: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        sync(handle)

    def renamed(self: Path, target: Path) -> Path:
        steps.append("name")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", renamed)
    spool.keep(folder, a_post())

    assert steps == ["file", "name", "folder"]


def test_a_full_disk_is_said_and_nothing_half_written_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        spool.keep(folder, a_post())

    assert list(folder.iterdir()) == []


def test_a_folder_that_nobody_can_make_is_said(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file stands where the folder should be")

    with pytest.raises(OSError, match="exists"):
        spool.keep(tmp_path / "spool", a_post())


# --- replayed -----------------------------------------------------------------------------------------


def test_the_oldest_is_taken_first_and_each_only_once(folder: Path) -> None:
    for second in (2, 0, 1):
        spool.keep(folder, a_post(str(second), after=second))

    assert [post.said["Body"] for post in taken(folder)] == ["0", "1", "2"]
    assert taken(folder) == []
    assert spool.waiting(folder) == 0


def test_a_folder_that_was_never_needed_is_no_error(folder: Path) -> None:
    assert taken(folder) == []
    assert spool.waiting(folder) == spool.refused(folder) == 0
    assert not folder.exists()


def test_a_file_goes_only_after_its_post_was_taken(folder: Path) -> None:
    spool.keep(folder, a_post())
    there: list[int] = []

    spool.replay(folder, lambda _: there.append(spool.waiting(folder)))

    assert there == [1]
    assert spool.waiting(folder) == 0


def test_while_the_database_is_away_everything_waits_in_its_order(folder: Path) -> None:
    for second in range(3):
        spool.keep(folder, a_post(str(second), after=second))
    tried: list[str] = []

    def away(post: Post) -> None:
        tried.append(post.said["Body"])
        if post.said["Body"] == "1":
            raise Away

    assert spool.replay(folder, away) == 1
    assert tried == ["0", "1"]
    assert [post.said["Body"] for post in taken(folder)] == ["1", "2"]


@pytest.mark.parametrize(
    "written",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"{}",
        b"\xff\xfe",
        b'{"pairs": [["a"]], "received_at": "", "token": "", "retry_token": ""}',
    ],
)
def test_a_file_nobody_can_read_is_put_aside_and_holds_up_nothing(folder: Path, written: bytes) -> None:
    spool.keep(folder, a_post(after=1))
    (folder / "20200101T000000.000000-0.json").write_bytes(written)

    assert len(taken(folder)) == 1
    assert (spool.waiting(folder), spool.refused(folder)) == (0, 1)
    assert (folder / "refused" / "20200101T000000.000000-0.json").read_bytes() == written


def test_a_post_that_nobody_can_take_is_put_aside_whole(folder: Path) -> None:
    spool.keep(folder, a_post("poison"))
    spool.keep(folder, a_post("good", after=1))

    def take(post: Post) -> None:
        if post.said["Body"] == "poison":
            raise ValueError("no")

    assert spool.replay(folder, take) == 1
    (aside,) = (folder / "refused").glob("*.json")
    assert ["Body", "poison"] in json.loads(aside.read_bytes())["pairs"]
    assert stat.S_IMODE((folder / "refused").stat().st_mode) == 0o700


def test_what_is_still_being_written_is_not_taken(folder: Path) -> None:
    spool.keep(folder, a_post())
    (folder / "20200101T000000.000000-0.part").write_bytes(b'{"pairs": [')

    assert len(taken(folder)) == 1
    assert spool.refused(folder) == 0


def test_two_workers_do_not_take_the_same_post(folder: Path) -> None:
    spool.keep(folder, a_post())
    inside, go_on = threading.Event(), threading.Event()
    first: list[Any] = []

    def slowly(post: Post) -> None:
        inside.set()
        go_on.wait(5)
        first.append(post)

    other = threading.Thread(target=spool.replay, args=(folder, slowly))
    other.start()
    inside.wait(5)
    second = taken(folder)
    go_on.set()
    other.join()

    assert (len(first), second) == (1, [])
    assert spool.waiting(folder) == 0
