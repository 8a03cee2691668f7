"""Builds everything once and hands it down; the only file that names every part. `flask` finds it."""

from __future__ import annotations

import logging
import sys
import traceback
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from bot import cli, clock

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping
    from typing import Any

    from flask import Flask

    from bot.advance import Script
    from bot.clock import Clock
    from bot.conversation.flow import Flows
    from bot.conversation.replies import Reply
    from bot.language import Language
    from bot.mail import Mail
    from bot.on_call import OnCall
    from bot.outbox import Pace
    from bot.policy import Policy
    from bot.provider import Provider
    from bot.roster.incoming import Office
    from bot.schedule import Worker
    from bot.settings import Settings
    from bot.staff import District
    from bot.store.bell import Bell
    from bot.store.session import Database
    from bot.texts import Line, Texts
    from bot.translation import Translator
    from bot.understanding import Understanding

HERE = Path(__file__).resolve().parent


class Program:
    """The parts of one running program, each imported and built when it is first needed.

    A command that needs no web server does not pay for one: `presente --help` builds nothing.
    """

    flows_folder, locales_folder = HERE / "flows", HERE / "locales"
    migrations_folder, sample_folder = HERE / "migrations", HERE / "sample"

    def __init__(self, given: Settings | None = None, at: Clock = clock.now) -> None:
        self._given = given
        self.clock = at

    def standing(self, settings: Settings, clock: Clock) -> Program:
        """Another program, with these settings and this clock: the demo's."""
        return Program(settings, clock)

    @cached_property
    def settings(self) -> Settings:
        from bot import settings

        return self._given or settings.read()

    @cached_property
    def unready_database(self) -> Database:
        """The database as it is: `migrate` and `doctor` look at one that may have no tables yet."""
        from bot.store.session import Database, connect

        return Database(connect(self.settings.database_url))

    @cached_property
    def database(self) -> Database:
        """The database with the tables of this version. Raises BehindError for one of another version."""
        from bot.store import migrate

        migrate.make_ready(self.unready_database.engine, self.migrations_folder)
        return self.unready_database

    @cached_property
    def flows(self) -> Flows:
        from bot.conversation.load import load

        return load(self.flows_folder)

    @cached_property
    def texts(self) -> Texts:
        from bot.texts import Texts

        return Texts.load(self.locales_folder)

    @cached_property
    def lines(self) -> list[Line]:
        """Everything the program says to a family, in the order translators meet it."""
        from bot.texts import PHRASES, Line

        said = [
            Line(f"{flow.name}.{node.name}", node.say, node.comment)
            for flow in self.flows.flows.values()
            for node in flow.nodes.values()
            if node.say
        ]
        said += [Line(reply.line, reply.say, reply.when) for reply in self.replies]
        return said + [Line(key, english) for key, english in PHRASES.items()]

    @cached_property
    def replies(self) -> tuple[Reply, ...]:
        """What staff may choose from when they answer a family."""
        from bot.conversation.load import load_replies

        return load_replies(self.flows_folder)

    @cached_property
    def policy(self) -> Policy:
        from bot.policy import Policy

        chosen = self.settings
        return Policy(
            district_name=chosen.district_name,
            office_phone=chosen.office_phone,
            window_opens=chosen.window_opens,
            window_closes=chosen.window_closes,
            reply_closes=chosen.reply_closes,
            office_opens=chosen.office_opens,
            office_closes=chosen.office_closes,
            hold_untranslated=chosen.missing_translation == "hold",
            chat_links=chosen.chat_links,
            emails=bool(chosen.smtp_url.get_secret_value()),
            chat_days=chosen.chat_days,
            correction_texts=chosen.correction_texts,
            public_url=chosen.public_url,
            unexplained_is_unexcused=chosen.unexplained_is_unexcused,
            claim_late=timedelta(minutes=chosen.claim_late_minutes),
            claim_idle=timedelta(hours=chosen.claim_idle_hours),
            segments_per_second=self.pace.segments_per_second,
            segments_a_day=self.pace.segments_a_day,
            long_run=chosen.long_run,
        )

    @cached_property
    def pace(self) -> Pace:
        """What the sender may send. A new Twilio number may send one segment a second; the simulator, any."""
        from bot.outbox import Pace

        chosen = self.settings
        if chosen.provider == "simulator":
            return Pace("simulator", chosen.segments_per_second, chosen.segments_a_day)
        return Pace(
            chosen.twilio_messaging_service or chosen.twilio_from,
            chosen.segments_per_second or 1.0,
            chosen.segments_a_day,
        )

    @cached_property
    def bell(self) -> Bell:
        from bot.store.bell import Bell

        return Bell(self.unready_database)

    @cached_property
    def script(self) -> Script:
        from bot.advance import Script

        return Script(self.flows, self.texts, self.policy)

    @cached_property
    def office(self) -> Office:
        """How files are taken in, by whichever way they come."""
        from bot.roster.incoming import Office

        chosen = self.settings
        return Office(
            zone=chosen.zone,
            morning_at=chosen.morning_at,
            stale_after=timedelta(minutes=chosen.stale_minutes),
            mappings=Path(chosen.mappings) if chosen.mappings else None,
        )

    @cached_property
    def understanding(self) -> Understanding:
        from bot.understanding import Understanding

        return Understanding.load()

    @cached_property
    def translator(self) -> Translator | None:
        """The district's own translation server, if it runs one."""
        from bot.translation.libretranslate import LibreTranslate

        address = self.settings.translate_url
        return LibreTranslate(address, self.settings.translate_key.get_secret_value()) if address else None

    @cached_property
    def language_of(self) -> Callable[[str, Language], Language | None]:
        """Tells languages apart, with the small one of the two models: the web needs no more."""
        from bot.understanding import LANGUAGES, Identifier, written_in

        return partial(written_in, Identifier.from_file(LANGUAGES))

    @cached_property
    def provider(self) -> Provider:
        chosen = self.settings
        if chosen.provider == "simulator":
            from bot.provider.simulator import Simulator

            return Simulator()
        from bot.provider.twilio import Twilio

        return Twilio(
            account_sid=chosen.twilio_account_sid,
            auth_token=chosen.auth_tokens[0],
            sender=chosen.twilio_from,
            messaging_service=chosen.twilio_messaging_service,
            callback_base=chosen.public_url,
            api_base=chosen.twilio_api_base,
            at_once=chosen.sending_at_once,
        )

    @cached_property
    def mail(self) -> Mail:
        """The district's mail server; without one e-mails are kept in a book and leave nothing."""
        from bot import mail

        url = self.settings.smtp_url.get_secret_value()
        return mail.at(url, self.settings.mail_from) if url else mail.Simulator()

    @cached_property
    def on_call(self) -> OnCall:
        from bot.on_call import OnCall

        return OnCall(*self.settings.on_call)

    @cached_property
    def worker(self) -> Worker:
        from bot.schedule import Habits, Worker

        chosen = self.settings
        return Worker(
            database=self.database,
            provider=self.provider,
            script=self.script,
            understanding=self.understanding,
            clock=self.clock,
            bell=self.bell,
            mail=self.mail,
            on_call=self.on_call,
            habits=Habits(
                pace=self.pace,
                at_once=chosen.sending_at_once,
                lease=timedelta(seconds=chosen.lease_seconds),
                settle_after=timedelta(seconds=chosen.settle_after_seconds),
                spool=Path(chosen.spool_folder),
                lookup=chosen.twilio_lookup,
                deactivations=chosen.twilio_deactivations,
                redact_after=timedelta(days=chosen.twilio_redact_after_days),
                ping=chosen.morning_ping_url,
                calendar_url=chosen.calendar_url,
                watch=Path(chosen.watch_folder) if chosen.watch_folder else None,
                office=self.office,
            ),
        )

    @cached_property
    def district(self) -> District | None:
        """The district's own sign-in, if it has one."""
        from bot.staff import District

        chosen = self.settings
        if not chosen.oidc_issuer:
            return None
        secret = chosen.oidc_client_secret.get_secret_value()
        return District(chosen.oidc_issuer, chosen.oidc_client_id, secret, chosen.oidc_label)

    def web(self) -> Flask:
        """The pages and webhooks. What arrives there rings the bell, which wakes the workers."""
        from bot.provider.signatures import Signatures
        from bot.settings import SettingsRefused
        from bot.store import migrate
        from bot.web import Parts, create_app

        secret = self.settings.secret_key.get_secret_value()
        if not secret:
            raise SettingsRefused(
                "PRESENTE_SECRET_KEY is empty; set it to a long random text, "
                'for example from: python3 -c "import secrets; print(secrets.token_hex(32))"'
            )
        return create_app(
            Parts(
                database=self.database,
                clock=self.clock,
                script=self.script,
                secret_key=secret,
                public_url=self.settings.public_url,
                signed_pairs=Signatures(self.settings.auth_tokens).signed_pairs,
                simulated_phones=self.settings.provider == "simulator" and self.settings.simulated_phones,
                wake=self.bell.ring,
                spool=Path(self.settings.spool_folder),
                office=self.office,
                metrics_token=self.settings.metrics_token.get_secret_value(),
                migration=migrate.head(self.migrations_folder),
                proxies=self.settings.proxies,
                second_factor_required=self.settings.second_factor == "required",
                district=self.district,
                replies=self.replies,
                language_of=self.language_of,
                translator=self.translator,
                segment_price=self.settings.segment_price,
            )
        )


def log_to_stderr(level: str) -> None:
    """One line for each thing that happened, as JSON: ids only, no number and no family's words."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _where_it_failed,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Below warning the provider's client would log numbers and texts (TW-108).
    for name in ("twilio", "urllib3", "apscheduler", "waitress"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _where_it_failed(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """An error by its kind and its place. Its message is left out: it may quote a family."""
    if event.pop("exc_info", None):
        kind, _, trace = sys.exc_info()
        frames = traceback.extract_tb(trace)[-6:]
        event["error"] = kind.__name__ if kind else "unknown"
        event["at"] = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return event


def create_app() -> Flask:
    """What `flask run` and a WSGI server find: the pages of the program as the environment sets it."""
    program = Program()
    log_to_stderr(program.settings.log_level)
    return program.web()


def main() -> None:
    cli.main(Program, log_to_stderr)
