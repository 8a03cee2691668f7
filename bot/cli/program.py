"""What a command may ask of the program; app.py builds it."""

from pathlib import Path
from typing import Any, Protocol

import click

from bot.advance import Script
from bot.clock import Clock
from bot.conversation.flow import Flows
from bot.policy import Policy
from bot.provider import Provider
from bot.roster.incoming import Office
from bot.settings import Settings
from bot.store.session import Database
from bot.texts import Line, Texts
from bot.understanding import Understanding


class Program(Protocol):
    """The parts of the running program. Each is built when a command first asks for it."""

    flows_folder: Path
    locales_folder: Path
    migrations_folder: Path
    sample_folder: Path
    clock: Clock

    @property
    def settings(self) -> Settings: ...
    @property
    def unready_database(self) -> Database: ...
    @property
    def database(self) -> Database: ...
    @property
    def flows(self) -> Flows: ...
    @property
    def texts(self) -> Texts: ...
    @property
    def lines(self) -> list[Line]: ...
    @property
    def policy(self) -> Policy: ...
    @property
    def script(self) -> Script: ...
    @property
    def office(self) -> Office: ...
    @property
    def understanding(self) -> Understanding: ...
    @property
    def provider(self) -> Provider: ...
    @property
    def worker(self) -> Any: ...
    def web(self) -> Any: ...
    def standing(self, settings: Settings, clock: Clock) -> "Program":
        """Another program with these settings and this clock: the demo's."""


def the_program(context: click.Context) -> Program:
    program: Program = context.obj
    return program
