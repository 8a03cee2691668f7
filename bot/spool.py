"""A folder that keeps the provider's posts while the database cannot: as private as the database, and as durable."""

import contextlib
import json
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import structlog

try:
    import fcntl
except ImportError:  # a system without it runs one worker, and that one needs no lock
    fcntl = None  # type: ignore[assignment]

_log = structlog.get_logger(__name__)

_WHOLE = "*.json"
_REFUSED = "refused"


@dataclass(frozen=True)
class Post:
    """What the provider posted, whole, as (name, value) pairs in their order.

    A post with a `token` is a receipt for our text of that token; without one it is a family's text.
    """

    pairs: tuple[tuple[str, str], ...] = field(repr=False)  # a family's words and number
    received_at: datetime
    token: str = ""
    retry_token: str = ""

    @cached_property
    def said(self) -> dict[str, str]:
        """The first value of each name."""
        return dict(reversed(self.pairs))


class Away(Exception):
    """Whoever takes the posts is away at the moment: none of them is at fault, and all of them wait."""


def keep(folder: Path, post: Post) -> None:
    """Write *post* into *folder* so that neither a crash nor a power cut loses it or leaves half of it.

    Raises OSError when the disk does not take it; then nothing of it stays behind.
    """
    _make(folder)
    name = f"{post.received_at.astimezone(UTC):%Y%m%dT%H%M%S.%f}-{secrets.token_hex(8)}"
    written, whole = folder / f"{name}.part", folder / f"{name}.json"
    try:
        with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(_to_json(post))
            file.flush()
            os.fsync(file.fileno())
        written.rename(whole)
    except OSError:
        with contextlib.suppress(OSError):
            written.unlink(missing_ok=True)
        raise
    _settle(folder)


def replay(folder: Path, take: Callable[[Post], object]) -> int:
    """Hand every kept post to *take*, oldest first; returns how many it took.

    A file is removed after *take* has returned, so *take* commits first and takes a repeat calmly.
    When it raises Away the rest waits for the next replay. A file that cannot be read, or that it
    fails on otherwise, is moved to `refused` in the same folder, for a person to look at.
    """
    taken = 0
    with _alone(folder) as alone:
        for path in sorted(folder.glob(_WHOLE)) if alone else ():
            try:
                take(_from_json(path.read_bytes()))
            except Away:
                break
            except FileNotFoundError:
                continue
            except Exception:  # noqa: BLE001 - one post must not hold up all that came after it
                _log.exception("a spooled post was refused", file=path.name)
                _refuse(folder, path)
            else:
                path.unlink()
                taken += 1
    return taken


def waiting(folder: Path) -> int:
    """How many posts wait to be replayed."""
    return sum(1 for _ in folder.glob(_WHOLE))


def refused(folder: Path) -> int:
    """How many posts nobody could take: a person must look at each."""
    return sum(1 for _ in (folder / _REFUSED).glob(_WHOLE))


def _refuse(folder: Path, path: Path) -> None:
    with contextlib.suppress(OSError):
        _make(folder / _REFUSED)
        path.rename(folder / _REFUSED / path.name)


def _make(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _settle(folder: Path) -> None:
    """Let the folder itself reach the disk: a name that is not written there is lost with the power."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Whether this process is the only one at the folder now: two would take a receipt twice."""
    if not folder.is_dir():
        yield False
        return
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if fcntl is not None:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
                return
        yield True
    finally:
        os.close(handle)


def _to_json(post: Post) -> bytes:
    kept = {
        "received_at": post.received_at.isoformat(),
        "token": post.token,
        "retry_token": post.retry_token,
        "pairs": post.pairs,
    }
    return json.dumps(kept).encode()


def _from_json(written: bytes) -> Post:
    """Raises ValueError, KeyError or TypeError for what `keep` has not written."""
    kept = json.loads(written)
    return Post(
        pairs=tuple((str(name), str(value)) for name, value in kept["pairs"]),
        received_at=datetime.fromisoformat(kept["received_at"]),
        token=kept["token"],
        retry_token=kept["retry_token"],
    )
