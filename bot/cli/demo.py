"""`presente demo`: the morning of 2021-10-22 in Grand Bend, on this machine; nothing leaves it."""

import secrets
import shutil
import socket
from datetime import date, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from sqlalchemy import func, select

from bot import clock, settings, staff
from bot.casework import devices, partner_files
from bot.cli.program import Program, the_program
from bot.cli.running import serve_until_stopped
from bot.roster import import_attendance, import_roster
from bot.store.tables import DeviceKind, OutboundText, School, TextState
from bot.vocabulary import Role

_MORNING = date(2021, 10, 22)
_DEVICES = (
    *((DeviceKind.LAPTOP, f"GB-L{n:03d}") for n in range(1, 5)),
    *((DeviceKind.HOTSPOT, f"GB-H{n:03d}") for n in range(1, 4)),
    (DeviceKind.CHARGER, "GB-C001"),
)
_EMAIL, _PASSWORD = "rivera@grandbend.example", "demo-presente"
# A visit needs a pair, a family somebody to be handed on to, and a closing somebody who may declare it.
_COLLEAGUES = (
    ("okafor@grandbend.example", "Mr. Okafor", Role.SPECIALIST),
    ("lindgren@grandbend.example", "Dr. Lindgren", Role.SUPERVISOR),
)


@click.command("demo")
@click.option(
    "--port", default=8000, show_default=True, help="Where the pages are; the next free one is taken."
)
@click.option(
    "--folder", default=".demo", show_default=True, type=click.Path(file_okay=False, path_type=Path)
)
@click.pass_context
def demo_command(context: click.Context, port: int, folder: Path) -> None:
    """Import a sample district, stand the clock at its morning, text the families, and open their phones.

    Each run begins afresh.
    """
    outer = the_program(context)
    listen = f"127.0.0.1:{_free(port)}"
    program = outer.standing(
        _settings(folder, listen),
        clock.starting_at(clock.instant(_MORNING, time(9, 30), ZoneInfo("America/New_York"))),
    )
    click.echo("Presente, a morning in Grand Bend: importing the district ...")
    _import(program)
    app = program.web()
    program.worker.start()
    try:
        serve_until_stopped(app, listen, _what_to_click(program, listen))
    finally:
        program.worker.stop()
        program.database.close()
    click.echo("Stopped. `make demo` begins the same morning again.")


def _settings(folder: Path, listen: str) -> settings.Settings:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return settings.read(
        database_url=f"sqlite:///{folder}/demo.db",
        secret_key=secrets.token_hex(32),
        public_url=f"http://{listen}",
        listen=listen,
        provider="simulator",
        simulated_phones=True,
        zone="America/New_York",
        morning_at=time(9, 30),
        window_opens=time(8, 0),
        # A visitor may come back to the open page hours later; the phones should still answer.
        window_closes=time(20, 0),
    )


def _free(port: int) -> int:
    for candidate in range(port, port + 50):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return candidate
    raise click.ClickException(f"no free port from {port} to {port + 49}; give another with --port")


def _import(program: Program) -> None:
    sample = program.sample_folder / "grandbend"
    now = program.clock()
    with program.database.begin() as session:
        people = import_roster(
            session,
            sample / "oneroster.zip",
            contacts=sample / "contacts.csv",
            calendar=sample / "calendar.ics",
            zone=program.settings.zone,
            morning_at=program.settings.morning_at,
            now=now - timedelta(minutes=10),
        )
        marks = import_attendance(session, sample / "attendance-2021-2022.csv", through=_MORNING, now=now)
        schools = list(session.scalars(select(School.id)))
        rivera = staff.add(
            session,
            email=_EMAIL,
            name="Ms. Rivera",
            role=Role.SPECIALIST,
            schools=schools,
            password=_PASSWORD,
            now=now,
        )
        for email, name, role in _COLLEAGUES:
            staff.add(
                session, email=email, name=name, role=role, schools=schools, password=_PASSWORD, now=now
            )
        partner_files.read(session, (sample / "partners.csv").read_bytes(), staff_id=rivera, now=now)
        for kind, tag in _DEVICES:
            devices.add(session, rivera, kind=kind, tag=tag, school_id=None, note="", now=now)
    for report in (people, marks):
        changed = ", ".join(
            f"{change.added} {name.replace('_', ' ')}"
            for name, change in report.changes.items()
            if change.added
        )
        click.echo(f"  {report.file_name}: {changed}; {len(report.problems)} rows named as faulty")


def _what_to_click(program: Program, listen: str) -> str:
    # The first texts leave as soon as the worker has run the morning; say how many once they have.
    with program.database.begin() as session:
        sent = session.scalar(select(func.count()).where(OutboundText.state != TextState.NOT_SENT)) or 0
    asked = f"{sent} families are being asked" if sent else "At 9:30 the families are asked"
    colleagues = "\n".join(
        f"                {name}, {role.value}: {email}" for email, name, role in _COLLEAGUES
    )
    return f"""
It is Friday 22 October 2021, 9:30 in the morning. {asked}, each in its own language.

  1. Open       http://{listen}/phones
     The families' phones. Pick a Spanish one and answer as a mother would: está enferma, tiene fiebre
     or: no tenemos carro hoy  (and answer what it asks then), or: me puede llamar alguien
  2. Click      "Open the desk as Ms. Rivera"  (or sign in: {_EMAIL} / {_PASSWORD})
     A family that needs a person waits in the queue; open it, reply, and look at the phone again.
  3. Sign in    as a colleague, with the same password:
{colleagues}

Nothing leaves this machine. Ctrl-C stops it."""
