"""Every page of the program in a real browser: readable by everybody, in both schemes, on a phone and enlarged."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import waitress
from flask.sessions import SecureCookieSessionInterface
from playwright.sync_api import Browser, BrowserContext

from bot import staff
from bot.advance import Script
from bot.store.session import Database, connect
from bot.understanding import Understanding
from bot.vocabulary import Role
from bot.web.guard import TOKEN
from tests.test_access import MAY_BE_EMPTY, World, a_world
from tests.test_browser import _serve, chromium  # noqa: F401 - the browser is a fixture
from tests.town import Town
from tests.web import pages

pytestmark = pytest.mark.browser

AXE = Path(__file__).parent / "axe" / "axe-4.14.1.min.js"
# WCAG 2.2 AA, and what its makers call good practice.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
NOWHERE = "/no/such/page"
OPEN = ("/sign-in", "/phones", NOWHERE)
# A laptop of 1366 pixels at 200 % shows as much as one of 683.
WIDTHS = (375, 683, 1366)


def test_axe_is_the_file_it_says() -> None:
    listed = dict(line.split()[::-1] for line in (AXE.parent / "SHA256SUMS").read_text().splitlines())

    assert set(listed) == {path.name for path in AXE.parent.iterdir()} - {"SHA256SUMS"}
    for name, sum_ in listed.items():
        assert hashlib.sha256((AXE.parent / name).read_bytes()).hexdigest() == sum_, name


@dataclass
class Walk:
    """What was wrong on the way through every page, each as a page and a fault."""

    pages: int = 0
    axe: list[str] = field(default_factory=list)
    wide: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    abroad: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def walk(
    chromium: Browser,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
    sqlite_template: bytes,
    script: Script,
    understanding: Understanding,
) -> Iterator[Walk]:
    """Two schools with one of everything, served on this machine, seen by somebody who may open every page."""
    path = tmp_path_factory.mktemp("everybody") / "presente.db"
    path.write_bytes(sqlite_template)
    database = Database(connect(f"sqlite:///{path}"))
    with served(a_world(Town(database, script, understanding))) as (world, address):
        yield through_every_page(world, address, chromium)
    database.close()


@contextmanager
def served(world: World) -> Iterator[tuple[World, str]]:
    listening = waitress.create_server(lambda *_: [], host="127.0.0.1", port=0, threads=4)
    address = f"http://127.0.0.1:{listening.effective_port}"
    world.app = pages(world.town, simulated=True, public_url=address)
    listening.application = world.app
    done = threading.Event()
    serving = threading.Thread(target=_serve, args=(listening, done), daemon=True)
    serving.start()
    yield world, address
    done.set()
    serving.join(10)


def through_every_page(world: World, address: str, chromium: Browser) -> Walk:  # noqa: F811
    axe, walk = AXE.read_text(encoding="utf-8"), Walk()
    context = chromium.new_context(viewport={"width": 1366, "height": 768}, reduced_motion="reduce")
    context.add_cookies([{"name": "presente", "value": signed_in(world), "url": address}])
    context.on(
        "console",
        lambda said: walk.complaints.append(said.text) if said.type in ("error", "warning") else None,
    )
    context.on(
        "request",
        lambda asked: None if asked.url.startswith((address, "data:")) else walk.abroad.append(asked.url),
    )
    page = context.new_page()
    for where in every_page(world, context, address):
        page.goto(address + where)
        page.evaluate(axe)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found = page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
            walk.axe += [
                f"{where}, {scheme}: {fault['id']} at {fault['nodes'][0]['target']}"
                for fault in found["violations"]
            ]
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 768})
            if page.evaluate("document.documentElement.scrollWidth") > width:
                walk.wide.append(f"{where} at {width}")
        walk.pages += 1
    context.close()
    return walk


def signed_in(world: World) -> str:
    """The cookie of an administrator's browser."""
    with world.town.database.begin() as session:
        member = world.members[Role.DISTRICT_ADMINISTRATOR].id
        token = staff.open_session(session, member, now=world.town.now)
    signing = SecureCookieSessionInterface().get_signing_serializer(world.app)
    assert signing
    return str(signing.dumps({TOKEN: token}))


def every_page(world: World, context: BrowserContext, address: str) -> Iterator[str]:
    """Each whole page; what is only a part of one, or a file, is left out."""
    wanted = {world.address(rule) for rule in world.rules("GET") if rule.endpoint not in MAY_BE_EMPTY}
    for where in [*OPEN, *sorted(wanted)]:
        answer = context.request.get(address + where)
        if "text/html" not in answer.headers.get("content-type", "") or "<html" not in answer.text():
            continue
        assert answer.status == 200 or where == NOWHERE, f"{where} answers {answer.status}"
        yield where


def test_axe_finds_no_fault_on_any_page_in_either_scheme(walk: Walk) -> None:
    assert walk.axe == []
    assert walk.pages > 30


def test_no_page_is_wider_than_a_phone_a_laptop_or_a_laptop_at_200_percent(walk: Walk) -> None:
    assert walk.wide == []


def test_no_page_offends_its_own_policy_or_asks_another_machine(walk: Walk) -> None:
    assert [said for said in walk.complaints if "404" not in said] == []
    assert walk.abroad == []
