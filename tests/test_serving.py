"""`presente serve`: several processes, each with connections of its own, and an end that cuts nobody off."""

import base64
import hashlib
import hmac
import http.client
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.conftest import ROOT

TOKEN = "the account's auth token"
pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks at processes in /proc")

Served = Callable[..., "Serving"]


class Serving:
    """The program at work in processes of its own."""

    def __init__(self, process: subprocess.Popen[str], port: int, database: Path) -> None:
        self.process, self.port, self.database = process, port, database

    @property
    def children(self) -> list[int]:
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="ascii")
        return [int(pid) for pid in found.split()]

    def family_writes(self, sid: str) -> int:
        """Post a signed text; returns the status of the answer."""
        form = {"MessageSid": sid, "From": "+12035550100", "Body": "she is ill", "NumMedia": "0"}
        signed = f"http://127.0.0.1:{self.port}/twilio/inbound" + "".join(
            name + form[name] for name in sorted(form)
        )
        signature = base64.b64encode(hmac.new(TOKEN.encode(), signed.encode(), hashlib.sha1).digest())
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Twilio-Signature": signature.decode(),
        }
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request("POST", "/twilio/inbound", urlencode(form), headers)
            return connection.getresponse().status

    def stored(self) -> list[str]:
        with closing(sqlite3.connect(self.database)) as connection:
            return [
                sid for (sid,) in connection.execute("SELECT provider_sid FROM inbound_texts ORDER BY id")
            ]

    def ends(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def environment(database: Path, port: int, **changed: str) -> Mapping[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PRESENTE_")}
    return {
        **ours,
        "PRESENTE_DATABASE_URL": f"sqlite:///{database}",
        "PRESENTE_SECRET_KEY": "a key for tests that signs nothing of value",
        "PRESENTE_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "PRESENTE_LISTEN": f"127.0.0.1:{port}",
        "PRESENTE_TWILIO_AUTH_TOKENS": TOKEN,
        "PRESENTE_SPOOL_FOLDER": str(database.parent / "spool"),
        **changed,
    }


COMMAND = [sys.executable, "-c", "import app; app.main()", "serve"]


@pytest.fixture
def served(tmp_path: Path, sqlite_template: bytes) -> Iterator[Served]:
    started: list[subprocess.Popen[str]] = []

    def serve(**settings: str) -> Serving:
        port, database = free_port(), tmp_path / "presente.db"
        database.write_bytes(sqlite_template)
        process = subprocess.Popen(  # noqa: S603 - our own words only
            COMMAND,
            cwd=ROOT,
            env=environment(database, port, **settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Presente serves")
        return Serving(process, port, database)

    yield serve
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.wait(20)
        assert process.stdout is not None
        process.stdout.close()


def eventually(fact: Callable[[], bool], seconds: float = 15) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if fact():
            return True
        time.sleep(0.02)
    return False


def test_several_processes_serve_and_all_end_when_told(served: Served) -> None:
    serving = served()

    assert [serving.family_writes(f"SM{n}") for n in range(20)] == [200] * 20
    assert len(serving.stored()) == 20
    children = serving.children
    assert len(children) == 2
    assert serving.ends() == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)


def test_a_process_that_dies_is_replaced_and_what_it_had_answered_is_there(served: Served) -> None:
    serving = served(PRESENTE_WEB_PROCESSES="1")
    assert serving.family_writes("SM1") == 200
    (first,) = serving.children

    os.kill(first, signal.SIGKILL)

    assert eventually(lambda: bool(serving.children) and first not in serving.children)
    assert serving.family_writes("SM2") == 200
    assert serving.stored() == ["SM1", "SM2"]


def test_a_post_in_hand_is_finished_before_the_end(served: Served) -> None:
    serving = served()
    assert serving.family_writes("SM1") == 200
    answers: list[int] = []
    writing = threading.Thread(target=lambda: answers.append(serving.family_writes("SM2")))
    with closing(sqlite3.connect(serving.database, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        writing.start()
        time.sleep(0.5)  # until it waits for the writer's lock
        serving.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        holder.execute("COMMIT")
    writing.join(20)

    assert serving.process.wait(20) == 0
    assert (answers, serving.stored()) == ([200], ["SM1", "SM2"])


def test_an_address_that_is_taken_is_said_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = subprocess.run(  # noqa: S603 - our own words only
            COMMAND,
            cwd=ROOT,
            env=environment(tmp_path / "presente.db", port),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    assert said.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use; set PRESENTE_LISTEN" in said.stderr


def test_what_is_wrong_is_said_once_and_before_any_process_is_made(tmp_path: Path) -> None:
    said = subprocess.run(  # noqa: S603 - our own words only
        COMMAND,
        cwd=ROOT,
        env=environment(tmp_path / "no" / "such" / "folder.db", free_port(), PRESENTE_SECRET_KEY=""),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert said.returncode == 1
    assert said.stderr.count("PRESENTE_SECRET_KEY") == 1
    assert "Traceback" not in said.stderr
