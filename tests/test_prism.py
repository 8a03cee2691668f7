"""Every request of the Twilio adapter, held against Twilio's own OpenAPI document by Prism, and sent to our stand-in.

Prism knows nothing of us: it says whether a request is well-formed, and answers as the document's
examples do. What it cannot know (errors, states, ends of lists) is in tests/twilio (OA-4).
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import pytest

from bot.provider import NotTold, Outgoing, Refused
from bot.provider.standin import Standin
from bot.provider.twilio import Twilio
from bot.provider.wire import Wire
from tests.conftest import ROOT
from tests.twilio.stand import ACCOUNT, MESSAGES, SERVICE, TOKEN, free_port

CONTRACT = ROOT / "tests" / "prism"
DOCUMENT = CONTRACT / "twilio_api_v2010_messages.json"
PINNED = [CONTRACT / "package.json", CONTRACT / "package-lock.json"]

OURS, MOTHER = "+12035550100", "+12035550123"
TEXT = Outgoing("0123abcd", MOTHER, "Buenos días: ¿está bien Maya? 100% & más", 1800)
# Behind Prism's examples, and before anything the stand-in takes.
SINCE = datetime(2021, 10, 22, 13, 30, tzinfo=UTC)


def cannot(why: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"{why}, and CI may not do without it")
    pytest.skip(why)


@pytest.fixture(scope="session")
def installed_prism() -> Path:
    """Prism beside Python's packages: installed once, for each state of its lock file."""
    if not (shutil.which("node") and shutil.which("npm")):
        cannot("Prism needs Node.js and npm, and they are not here")
    state = hashlib.sha256(b"".join(path.read_bytes() for path in PINNED)).hexdigest()[:12]
    folder = Path(sys.prefix) / f"prism-{state}"
    if not folder.exists():
        unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
        unfinished.mkdir()
        for path in PINNED:
            shutil.copy(path, unfinished)
        npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        done = subprocess.run(npm, cwd=unfinished, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode != 0:
            shutil.rmtree(unfinished)
            cannot(f"npm could not install Prism: {done.stderr[-500:]}")
        try:
            unfinished.rename(folder)
        except OSError:  # another run of the suite was quicker
            shutil.rmtree(unfinished)
    return folder / "node_modules" / "@stoplight" / "prism-cli" / "dist" / "index.js"


@pytest.fixture(scope="session")
def prism(installed_prism: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    log = tmp_path_factory.mktemp("prism") / "prism.log"
    command = [
        "node",
        str(installed_prism),
        "mock",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        str(DOCUMENT),
    ]
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as server:  # noqa: S603
        try:
            began = time.monotonic()
            while "Prism is listening" not in log.read_text(encoding="utf-8"):
                if server.poll() is not None or time.monotonic() - began > 60:
                    pytest.fail(f"Prism did not start: {log.read_text(encoding='utf-8')[-1000:]}")
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def standin() -> Iterator[str]:
    with Standin(
        account_sid=ACCOUNT,
        auth_token=TOKEN,
        number=OURS,
        service_sid=SERVICE,
        owned={OURS, SERVICE},
    ) as standin:
        yield standin.url


@pytest.fixture(params=["prism", "standin"])
def base(request: pytest.FixtureRequest) -> str:
    """Where the same requests go: to the document's mock, and to what our other tests stand on."""
    return str(request.getfixturevalue(request.param))


def twilio(base: str, *, service: str = "", account: str = ACCOUNT, token: str = TOKEN) -> Twilio:
    return Twilio(
        account_sid=account,
        auth_token=token,
        sender=OURS,
        messaging_service=service,
        callback_base="https://texts.example.org/presente",
        api_base=base,
    )


# --- well-formed --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["", SERVICE])
def test_a_text_is_taken(base: str, service: str) -> None:
    """TW-40 to TW-45: by a number and by a Messaging Service."""
    accepted = twilio(base, service=service).send(TEXT)

    assert len(accepted.sid) == 34
    assert accepted.status in {"queued", "accepted"}


@pytest.mark.parametrize("seconds", [-1, 6, 90000])
def test_a_text_that_may_wait_for_any_time_is_taken(base: str, seconds: int) -> None:
    """TW-45."""
    assert twilio(base).send(Outgoing("t", MOTHER, "Hello", seconds)).sid


def test_the_list_of_what_was_sent_is_read(base: str) -> None:
    """TW-60."""
    provider = twilio(base)
    provider.send(TEXT)

    found = provider.sent_to(MOTHER, SINCE)

    assert all(each.created_at >= SINCE for each in found)


def test_the_list_of_what_arrived_is_read(base: str) -> None:
    """TW-61."""
    assert twilio(base).arrived(SINCE) == []


def test_a_copy_is_emptied(base: str) -> None:
    """TW-47."""
    provider = twilio(base)
    accepted = provider.send(TEXT)

    provider.redact(accepted.sid)


def test_every_question_about_the_settings_is_answered(base: str) -> None:
    """What the answers say is another matter: the document's number, for one, cannot text."""
    assert [said for said in twilio(base).trouble() if "did not say" in said] == []


def test_what_was_taken_stands_in_the_list_with_its_words(standin: str) -> None:
    """TW-60: how a text whose answer was lost is found."""
    provider = twilio(standin, service=SERVICE)
    accepted = provider.send(TEXT)

    (found,) = provider.sent_to(MOTHER, SINCE)

    assert (found.sid, found.body) == (accepted.sid, TEXT.body)


def test_what_the_document_has_no_page_for_is_answered_by_the_stand_in(standin: str) -> None:
    """Messaging Services and lookups are in other documents of Twilio's."""
    provider = twilio(standin, service=SERVICE)

    assert provider.arrived(SINCE) == []
    assert provider.line(MOTHER).value == "mobile"
    assert [said for said in provider.trouble() if "did not say" in said] == []


# --- malformed ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [{"service": "bad"}, {"account": "bad"}])
def test_a_wrong_service_or_account_is_refused(base: str, wrong: dict[str, str]) -> None:
    with pytest.raises(Refused):
        twilio(base, **wrong).send(TEXT)


FORM: dict[str, object] = {"To": MOTHER, "From": OURS, "Body": "Hello"}


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({**FORM, "MessagingServiceSid": "bad"}, "MessagingServiceSid"),
        ({name: value for name, value in FORM.items() if name != "To"}, "To"),
        ({**FORM, "ValidityPeriod": "soon"}, "ValidityPeriod"),
        ({**FORM, "MessagingServiceSid": SERVICE.lower().replace("mg", "sm")}, "MessagingServiceSid"),
    ],
)
def test_prism_tells_a_malformed_request_from_a_good_one(
    prism: str, form: dict[str, object], field: str
) -> None:
    """OA-3: else the tests above would prove nothing."""
    wire = Wire(seconds=10, at_once=1)
    told = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}

    good = wire.request("POST", prism + MESSAGES, data=FORM, headers=told, auth=(ACCOUNT, TOKEN))
    bad = wire.request("POST", prism + MESSAGES, data=form, headers=told, auth=(ACCOUNT, TOKEN))

    assert (good.status_code, bad.status_code) == (201, 422)
    assert field.lower() in bad.text.lower()


def test_prism_wants_credentials(prism: str) -> None:
    assert Wire(seconds=10, at_once=1).request("GET", prism + MESSAGES).status_code == 401


def test_prisms_list_has_no_end_and_tells_nothing(prism: str) -> None:
    """OA-3: each page names itself as the next."""
    with pytest.raises(NotTold):
        twilio(prism).sent_to(MOTHER, datetime(2001, 1, 1, tzinfo=UTC))


def test_the_lock_names_hashes_and_no_addresses() -> None:
    """npm takes each package from wherever the machine is told to, and gets what was pinned."""
    lock = json.loads(PINNED[1].read_text(encoding="utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}

    assert packages["node_modules/@stoplight/prism-cli"]["version"] == "5.14.2"
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [name for name, package in packages.items() if "integrity" not in package] == []
