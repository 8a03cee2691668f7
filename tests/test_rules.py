"""Rules over whole sets: the map, the tables, the settings, the commands, the words, the files."""

import ast
import importlib
import json
import pkgutil
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest
from alembic import command
from sqlalchemy import Engine, inspect, text

import bot
from app import Program
from bot import errors, handoffs
from bot.cli import _COMMANDS, presente
from bot.conversation import effects
from bot.errors import PresenteError
from bot.language import Language
from bot.settings import PREFIX, Settings
from bot.store import migrate
from bot.store.session import connect
from bot.store.tables import Table
from bot.texts import gaps, update
from bot.vocabulary import Barrier
from tests.conftest import ROOT

MIGRATIONS = ROOT / "migrations"
SOURCES = sorted([ROOT / "app.py", *(ROOT / "bot").rglob("*.py"), *MIGRATIONS.rglob("*.py")])


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def every_module() -> list[ModuleType]:
    names = [found.name for found in pkgutil.walk_packages(bot.__path__, "bot.")]
    return [bot, *(importlib.import_module(name) for name in names)]


# --- the map ------------------------------------------------------------------------------------------------


def layers_of_the_map() -> list[set[str]]:
    after = (bot.__doc__ or "").split("placed here:")[1].strip()
    return [set(line.split(" | ")) for line in after.split("\n\n")[0].splitlines()]


def test_the_map_names_every_module_once() -> None:
    named = [name for layer in layers_of_the_map() for name in sorted(layer)]
    there = {found.name for found in pkgutil.iter_modules(bot.__path__)}

    assert len(named) == len(set(named))
    assert set(named) == there | {"app.py"}


def test_the_map_is_the_rule_that_import_linter_holds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    (held,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")

    assert [set(layer.split(" | ")) for layer in held] == layers_of_the_map()[1:]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_in_a_few_lines_what_it_is(path: Path) -> None:
    said = (ast.get_docstring(tree_of(path)) or "").splitlines()

    assert said
    assert said[0].strip()
    maps = (ROOT / "bot" / "__init__.py", ROOT / "bot" / "errors.py")
    assert len(said) <= (30 if path in maps else 14)


# --- the tree of errors -------------------------------------------------------------------------------------


def drawn_errors() -> dict[str, str]:
    """Class and module of each line of the tree in bot/errors.py."""
    drawn = re.findall(r"^[├└]── (\w+) .*?(\S+)$", errors.__doc__ or "", re.MULTILINE)
    return dict(drawn)


def test_every_error_of_the_tree_exists_and_is_one_of_ours() -> None:
    assert drawn_errors()
    for name, module in drawn_errors().items():
        found = getattr(importlib.import_module(f"bot.{module}"), name)
        assert issubclass(found, PresenteError)


def test_every_error_of_ours_is_in_the_tree() -> None:
    every_module()

    assert {kind.__name__ for kind in PresenteError.__subclasses__()} == set(drawn_errors())


# --- one place for each thing -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_clock_reads_the_clock(path: Path) -> None:
    """Everyone else is handed the moment (architecture.md, 7)."""
    if path == ROOT / "bot" / "clock.py":
        return
    read = {"now", "utcnow", "today"}
    found = [
        f"line {node.lineno}"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name | ast.Attribute)
        and (
            (node.attr in read and ast.unparse(node.value).split(".")[-1] in ("datetime", "date"))
            or ast.unparse(node) == "time.time"
        )
    ]

    assert not found


def test_every_effect_is_one_of_the_closed_list() -> None:
    """A new one does not type-check until `advance` applies it; one outside the list would never be applied."""
    made = {
        kind
        for kind in vars(effects).values()
        if isinstance(kind, type) and kind.__module__ == effects.__name__
    }

    assert made == set(get_args(effects.Effect))


# --- flows and the desk -------------------------------------------------------------------------------------

PROGRAM = Program()


def test_every_barrier_has_its_rule() -> None:
    written = (ROOT / "flows" / "barriers.yaml").read_text(encoding="utf-8")

    assert re.findall(r"^(\w+):", written, re.MULTILINE) == [barrier.value for barrier in Barrier]
    assert set(PROGRAM.flows.barriers) == set(Barrier)


def _texts_in(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def reasons_in_code() -> set[str]:
    """Each word given as the reason of a handoff: to the effect, to the door of the desk, or kept in a `why`."""
    # How many arguments come before the reason in each of these calls.
    calls = {"HandOff": 2, "to_a_person": 1, "_open_handoff": 2, "_hand_off_now": 1}
    found: set[str] = set()
    for path in SOURCES:
        if path.parent.name in ("web", "desk", "cli", "timeline"):
            continue
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func).split(".")[-1]
                if name in calls:
                    found.update(
                        *(_texts_in(argument) for argument in node.args[calls[name] : calls[name] + 1])
                    )
                if name in {*calls, "open_one", "_to_the_desk", "hand_over"}:
                    found.update(*(_texts_in(given.value) for given in node.keywords if given.arg == "why"))
            if isinstance(node, ast.Assign) and path.name == "turn.py":
                targets = [ast.unparse(target) for target in node.targets]
                if any(re.search(r"\bwhy\b", target) for target in targets):
                    found.update(_texts_in(node.value))
    return found


def reasons_in_flows() -> set[str]:
    return {node.why for flow in PROGRAM.flows.flows.values() for node in flow.nodes.values() if node.why}


def test_the_desk_has_a_sentence_for_every_reason_a_family_waits() -> None:
    said = set(handoffs.WHY)

    assert reasons_in_flows() <= said
    assert reasons_in_code() <= said
    assert {"danger", "program_error", "undelivered", "stopped_texts"} <= reasons_in_code()


def test_the_desk_has_no_sentence_nobody_can_wait_for() -> None:
    assert set(handoffs.WHY) == reasons_in_flows() | reasons_in_code()


# --- what families read -------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", [Language.ENGLISH, Language.SPANISH])
def test_english_and_spanish_say_every_line(language: Language) -> None:
    assert gaps(PROGRAM.locales_folder, PROGRAM.lines, language) == []


@pytest.mark.parametrize("language", Language)
def test_every_catalogue_is_as_an_update_writes_it(tmp_path: Path, language: Language) -> None:
    """No line of a node that is gone, no old sentence: what translators see is what the flows say."""
    shutil.copytree(ROOT / "locales" / language.value, tmp_path / language.value)
    path = update(tmp_path, PROGRAM.lines, language)

    assert path.read_bytes() == (ROOT / "locales" / path.relative_to(tmp_path)).read_bytes()


# --- settings and commands ----------------------------------------------------------------------------------


def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_readme_names_every_setting(name: str) -> None:
    assert re.search(rf"\b{PREFIX}{name.upper()}\b", readme())


@pytest.mark.parametrize("name", _COMMANDS)
def test_the_readme_names_every_command(name: str) -> None:
    assert re.search(rf"\bpresente {name}\b", readme())


def test_the_readme_names_no_setting_and_no_command_that_is_not_there() -> None:
    settings = {PREFIX + name.upper() for name in Settings.model_fields} | {"PRESENTE_TEST_POSTGRES"}

    assert set(re.findall(rf"\b{PREFIX}[A-Z_]+\b", readme())) <= settings
    assert set(re.findall(r"`presente (\w+)", readme())) <= set(_COMMANDS)


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_command_is_where_the_table_says_and_explains_itself(name: str) -> None:
    found = presente.get_command(None, name)  # type: ignore[arg-type]

    assert found is not None
    assert found.name == name
    assert found.help


# --- tables and migrations ----------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def an_empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], Engine]]:
    """Makes a database by name, without any table, on each engine in turn."""
    made: list[Engine] = []
    if request.param == "sqlite":

        def make(name: str) -> Engine:
            made.append(connect(f"sqlite:///{tmp_path}/{name}.db"))
            return made[-1]

        yield make
    else:
        url = request.getfixturevalue("_postgres_url")
        admin = connect(url)

        def make(name: str) -> Engine:
            with admin.begin() as connection:
                connection.execute(text(f"DROP SCHEMA IF EXISTS {name} CASCADE"))
                connection.execute(text(f"CREATE SCHEMA {name}"))
            made.append(connect(f"{url}?options=-csearch_path%3D{name}"))
            return made[-1]

        yield make
        admin.dispose()
    for engine in made:
        engine.dispose()


def shape(engine: Engine) -> dict[str, dict[str, Any]]:
    """Everything a database says about our tables, CHECKs among it, which Alembic does not compare."""

    def plain(entries: Any) -> list[str]:
        return sorted(json.dumps(entry, default=str, sort_keys=True) for entry in entries)

    look = inspect(engine)
    return {
        table: {
            "columns": plain(look.get_columns(table)),
            "key": str(look.get_pk_constraint(table)),
            "foreign keys": plain(
                {k: v for k, v in key.items() if k not in ("referred_schema", "name")}
                for key in look.get_foreign_keys(table)
            ),
            "unique": plain(look.get_unique_constraints(table)),
            "checks": plain(look.get_check_constraints(table)),
            "indexes": plain(look.get_indexes(table)),
        }
        for table in look.get_table_names()
        if table != "alembic_version"
    }


def test_the_migrations_make_the_tables_of_the_program(an_empty_database: Callable[[str], Engine]) -> None:
    """On both databases: a member added to a closed list without a migration would be refused at night."""
    migrated, created = an_empty_database("migrated"), an_empty_database("created")
    migrate.upgrade(migrated, MIGRATIONS)
    Table.metadata.create_all(created)

    assert migrate.differences(migrated) == []
    by_migrations, by_tables = shape(migrated), shape(created)
    assert by_migrations.keys() == by_tables.keys()
    for table, wanted in by_tables.items():
        assert by_migrations[table] == wanted, table
    assert sum(len(table["checks"]) for table in by_tables.values()) > 20


def test_the_migrations_go_back_and_forth(an_empty_database: Callable[[str], Engine]) -> None:
    engine = an_empty_database("there_and_back")
    migrate.upgrade(engine, MIGRATIONS)
    before = shape(engine)

    with engine.begin() as connection:
        command.downgrade(migrate._config(MIGRATIONS, connection), "base")
    assert shape(engine) == {}
    assert migrate.version(engine) is None

    migrate.upgrade(engine, MIGRATIONS)
    assert shape(engine) == before
    assert migrate.version(engine) == migrate.head(MIGRATIONS)


# --- the files ----------------------------------------------------------------------------------------------

# Written with brackets so that this file does not find itself.
_OF_A_MACHINE = re.compile(
    rb"/hom[e]/\w|/User[s]/\w|/roo[t]/\w|/wor[k]/\w|[A-Z]:\\+User[s]"
    rb"|pyp[i]\.org|pythonhoste[d]\.org|registr[y]\.npmjs|artifactor[y]|/simpl[e]/|--index-ur[l] "
)


def test_no_file_holds_a_path_of_a_machine_or_the_address_of_a_registry() -> None:
    git = shutil.which("git")
    assert git
    listed = subprocess.run(  # noqa: S603 - our own words only
        [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    found = []
    for name in listed.stdout.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file():
            found += [f"{name}: {hit.decode()}" for hit in _OF_A_MACHINE.findall(path.read_bytes())]

    assert not found
