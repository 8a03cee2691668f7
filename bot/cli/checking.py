"""`presente doctor`, `flows` and `texts`: is everything in order, and how to mend what is not."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import click

from bot import drawing, walk
from bot import texts as catalogue
from bot.cli.program import Program, the_program
from bot.errors import PresenteError
from bot.language import Language
from bot.store import migrate

# These must say every line; the others follow, and until then families read English and Spanish.
_SHORTEST_KEY = 32
_COMPLETE = (Language.ENGLISH, Language.SPANISH)


@click.command("doctor")
@click.pass_context
def doctor_command(context: click.Context) -> None:
    """Look at settings, database, migrations, catalogues, flows and provider; a sentence for each."""
    program = the_program(context)
    ill = False
    for name, look in _LOOKS:
        try:
            found = list(look(program))
        except PresenteError as wrong:
            found = [str(wrong)]
        except Exception as wrong:  # noqa: BLE001 - whatever is wrong here is what the doctor must say
            found = [f"{type(wrong).__name__}: {str(getattr(wrong, 'orig', wrong)).strip().splitlines()[0]}"]
        ill = ill or bool(found)
        click.echo(f"{'ill ' if found else 'well'}  {name}" + (": " + found[0] if found else ""))
        for line in found[1:]:
            click.echo(f"      {line}")
    if ill:
        raise click.exceptions.Exit(1)


def _settings(program: Program) -> Iterator[str]:
    chosen = program.settings
    if not chosen.secret_key.get_secret_value():
        yield (
            "PRESENTE_SECRET_KEY is empty, so the desk cannot start; set it to a long random text, "
            'for example from: python3 -c "import secrets; print(secrets.token_hex(32))"'
        )
    if chosen.provider == "twilio" and not chosen.public_url.startswith("https://"):
        yield (
            f"PRESENTE_PUBLIC_URL is {chosen.public_url}, but Twilio must reach us over https; "
            "set it to the address that is configured there"
        )


def _desk(program: Program) -> Iterator[str]:
    """What would let somebody else in, or keep everybody out, once the desk is more than a trial."""
    chosen = program.settings
    address = urlsplit(chosen.public_url)
    local = address.hostname in ("127.0.0.1", "::1", "localhost")
    if local:
        return
    if address.scheme != "https":
        yield (
            f"PRESENTE_PUBLIC_URL is {chosen.public_url}: passwords and families' words would travel in the clear; "
            "put a proxy with https in front and set the address to it"
        )
    if chosen.simulated_phones:
        yield (
            "PRESENTE_SIMULATED_PHONES opens the desk without a password, and PRESENTE_PUBLIC_URL is not this machine; "
            "set it to false"
        )
    if chosen.proxies == 0 and chosen.listen.rpartition(":")[0] in ("127.0.0.1", "[::1]", "localhost"):
        yield (
            "PRESENTE_PROXIES is 0, but only a proxy on this machine can reach us: every wrong password seems to come "
            "from one place, and one guesser makes everybody with a new browser wait; set it to 1"
        )
    if 0 < len(chosen.secret_key.get_secret_value()) < _SHORTEST_KEY:
        yield (
            f"PRESENTE_SECRET_KEY has fewer than {_SHORTEST_KEY} characters, so that cookies could be forged; "
            'make a long one: python3 -c "import secrets; print(secrets.token_hex(32))"'
        )


def _database(program: Program) -> Iterator[str]:
    with program.unready_database.engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
    yield from ()


def _migrations(program: Program) -> Iterator[str]:
    at = migrate.version(program.unready_database.engine)
    head = migrate.head(program.migrations_folder)
    if at is None:
        yield "the database has no tables yet; run `presente migrate` (the first import does it as well)"
    elif at != head:
        yield f"the database is at migration {at}, the program at {head}; run `presente migrate`"


def _catalogues(program: Program) -> Iterator[str]:
    assert program.texts  # noqa: S101 - loading refuses a catalogue with wrong placeholders
    for language in _COMPLETE:
        gaps = catalogue.gaps(program.locales_folder, program.lines, language)
        if gaps:
            first = f"{language.english_name} lacks {len(gaps)} lines, the first {gaps[0].key}"
            yield f"{first}; run `presente texts update` and translate them"


def _flows(program: Program) -> Iterator[str]:
    assert program.flows  # noqa: S101 - loading refuses a flow file with a mistake
    yield from ()


def _understanding(program: Program) -> Iterator[str]:
    reading = program.understanding.read("no ride today", expected=Language.ENGLISH)
    if not reading.barriers:
        yield "a plain sentence is not understood; is bot/understanding/data complete?"


def _provider(program: Program) -> Iterator[str]:
    yield from program.provider.trouble()


_LOOKS: tuple[tuple[str, Callable[[Program], Iterator[str]]], ...] = (
    ("settings", _settings),
    ("desk", _desk),
    ("database", _database),
    ("migrations", _migrations),
    ("catalogues", _catalogues),
    ("flows", _flows),
    ("understanding", _understanding),
    ("provider", _provider),
)


@click.group("flows")
def flows_command() -> None:
    """The scripts of the conversations."""


@flows_command.command("check")
@click.pass_context
def flows_check(context: click.Context) -> None:
    """Load every flow and the ladder, walk every path in every language; name what a family must never meet."""
    program = the_program(context)
    flows = program.flows
    found = walk.faults(flows, program.texts, program.lines)
    for fault in found:
        click.echo(str(fault))
    if found:
        raise click.ClickException(f"{len(found)} faults; mend them in flows/ or locales/")
    nodes = sum(len(flow.nodes) for flow in flows.flows.values())
    click.echo(
        f"{len(flows.flows)} flows with {nodes} nodes, {len(flows.barriers)} barriers and the ladder are in order."
    )


@flows_command.command("draw")
@click.option("--check", is_flag=True, help="Fail when a committed drawing is not the flow's own.")
@click.pass_context
def flows_draw(context: click.Context, check: bool) -> None:
    """Draw each flow as a picture: flows/drawings/NAME.svg."""
    program = the_program(context)
    folder = program.flows_folder / "drawings"
    folder.mkdir(exist_ok=True)
    behind = []
    for flow in program.flows.flows.values():
        path, drawn = folder / f"{flow.name}.svg", drawing.draw(flow)
        if check and (not path.exists() or path.read_text(encoding="utf-8") != drawn):
            behind.append(path.name)
        elif not check:
            path.write_text(drawn, encoding="utf-8")
    if behind:
        raise click.ClickException(
            f"these drawings are behind their flows: {', '.join(behind)}; run: presente flows draw"
        )
    click.echo(f"{len(program.flows.flows)} flows are drawn in {folder.name}/.")


@click.group("texts")
def texts_command() -> None:
    """What families read, in each language."""


@texts_command.command("update")
@click.pass_context
def texts_update(context: click.Context) -> None:
    """Bring the catalogues up to the lines the flows say; translations are kept, stale ones marked."""
    program = the_program(context)
    for language in Language:
        path = catalogue.update(program.locales_folder, program.lines, language)
        gaps = catalogue.gaps(program.locales_folder, program.lines, language)
        click.echo(f"{path}: {len(gaps)} lines to translate")


@texts_command.command("status")
@click.option(
    "--check", is_flag=True, help="Fail when English or Spanish lacks a line, or a catalogue is out of date."
)
@click.pass_context
def texts_status(context: click.Context, check: bool) -> None:
    """Say for each language what is missing or stale, and who has reviewed it."""
    program = the_program(context)
    failed = []
    for language in Language:
        gaps = catalogue.gaps(program.locales_folder, program.lines, language)
        missing = sum(gap.why == "missing" for gap in gaps)
        review = catalogue.review_state(program.locales_folder, language)
        click.echo(
            f"{language.value}  {language.english_name:22}  {len(program.lines) - len(gaps):3d} lines, "
            f"{missing} missing, {len(gaps) - missing} stale; {review}"
        )
        if gaps and language in _COMPLETE:
            failed.append(f"{language.english_name} lacks {', '.join(gap.key for gap in gaps[:5])}")
    click.echo(
        "A line a language lacks is said in English and Spanish; PRESENTE_MISSING_TRANSLATION=hold asks a person instead."
    )
    if check and failed:
        raise click.ClickException("; ".join(failed))
