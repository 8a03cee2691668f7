"""Every setting: name, default, one line of help; read once from the environment (PRESENTE_*)."""

from datetime import time
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.errors import PresenteError

PREFIX = "PRESENTE_"
_HOURS = ("window_opens", "window_closes", "reply_closes", "office_opens", "office_closes")


class SettingsRefused(PresenteError):
    """A setting is wrong; the message names each one, what is wrong with it and what it means."""


class Settings(BaseSettings):
    """How this installation runs. Each field is read from PRESENTE_<NAME>; nothing else is consulted."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    database_url: str = Field(
        "sqlite:///presente.db",
        repr=False,  # the address of a database may hold its password
        description="Where everything is kept: sqlite:///FILE, or postgresql://user@host/name.",
    )
    secret_key: SecretStr = Field(
        SecretStr(""),
        description="Signs the desk's cookies; any long random text. Needed by `presente serve` and `run`.",
    )
    public_url: str = Field(
        "http://127.0.0.1:8000",
        description="The address families' provider reaches us at, as configured there; signatures are checked against it.",
    )
    listen: str = Field("127.0.0.1:8000", description="Host and port the web pages are served on.")

    provider: Literal["simulator", "twilio"] = Field(
        "simulator", description="Who carries the texts: simulator (phones on this machine) or twilio."
    )
    simulated_phones: bool = Field(
        False,
        description="Show the simulated phones and a way to the desk without a password: for invented families only.",
    )
    twilio_account_sid: str = Field("", description="The Twilio account (AC...).")
    twilio_auth_tokens: SecretStr = Field(
        SecretStr(""),
        description="The account's auth token; two, separated by a comma, while one replaces the other.",
    )
    twilio_from: str = Field(
        "", description="The number texts come from (+1...), unless a Messaging Service is set."
    )
    twilio_messaging_service: str = Field("", description="The Messaging Service texts go through (MG...).")
    twilio_api_base: str = Field(
        "",
        description="Another address for Twilio's API, for rehearsal against a stand-in; empty means Twilio.",
    )

    twilio_lookup: bool = Field(
        False, description="Ask Twilio what kind of line each new number is; costs a fee for each number."
    )
    twilio_deactivations: bool = Field(
        False,
        description="Each day suspend the numbers that carriers have given up, until staff confirm them.",
    )
    twilio_redact_after_days: int = Field(
        0,
        ge=0,
        le=365,
        description="Empty Twilio's own copy of each text after so many days; 0 leaves it there.",
    )
    segments_per_second: float | None = Field(
        None,
        gt=0,
        description="What the sender's registration allows, in segments; empty: 1 with Twilio, no limit with the simulator.",
    )
    segments_a_day: int | None = Field(
        None,
        gt=0,
        description="How many segments may leave in a carriers' day (US Pacific); empty: no limit of ours.",
    )
    long_run: Literal["spread", "refuse"] = Field(
        "spread",
        description="A morning that cannot leave before the window closes: spread (text whom we can, call the rest) or refuse.",
    )
    sending_at_once: int = Field(
        8, ge=1, le=100, description="How many texts one worker hands over at the same time."
    )
    lease_seconds: int = Field(
        120, ge=15, le=3600, description="After so long without a word a text that a worker took is in doubt."
    )
    settle_after_seconds: int = Field(
        900,
        ge=5,
        le=36000,
        description="A text in doubt that Twilio's list does not have after so long was never sent, and may be.",
    )
    unexplained_is_unexcused: bool = Field(
        False,
        description="Whether an absence nobody has explained yet counts as unexcused before the law (FCC 16-88).",
    )

    spool_folder: str = Field(
        "spool",
        description="Where webhooks are kept while the database does not answer; private like the database.",
    )
    web_processes: int = Field(2, ge=1, le=64, description="How many processes `presente serve` runs.")
    web_threads: int = Field(8, ge=1, le=64, description="How many requests each of them answers at once.")
    metrics_token: SecretStr = Field(
        SecretStr(""),
        description="Who may read /metrics and /readyz in full (Authorization: Bearer ...); empty: this machine only.",
    )
    morning_ping_url: str = Field(
        "", description="An address that is fetched after each morning that went well: a dead-man switch."
    )

    district_name: str = Field(
        "", description="The district's name, as HELP answers it; empty takes it from the roster."
    )
    office_phone: str = Field("", description="A number families can call, as HELP answers it.")
    zone: str = Field(
        "America/New_York", description="The schools' time zone, used for schools that name none."
    )
    morning_at: time = Field(
        time(9, 30),
        description="When first-period attendance is closed and families are asked (school's time).",
    )
    window_opens: time = Field(
        time(8, 0), description="No automatic text leaves before this time (school's)."
    )
    window_closes: time = Field(
        time(18, 0), description="No automatic text leaves at or after this time (school's)."
    )
    reply_closes: time = Field(
        time(21, 0), description="Answers to a family that just wrote may leave until this time (school's)."
    )
    office_opens: time = Field(time(8, 0), description="When staff begin to answer families.")
    office_closes: time = Field(time(16, 0), description="When staff stop answering families for the day.")
    missing_translation: Literal["english_and_spanish", "hold"] = Field(
        "english_and_spanish",
        description="What a family reads when a text is missing in its language: English and Spanish, or nothing but a person.",
    )
    chat_links: bool = Field(
        False,
        description="Whether a check-in ends with a link to the family's own chat page; costs about a segment.",
    )
    chat_days: int = Field(14, ge=1, le=365, description="How many days such a link stays good.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="How much is logged.")

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{zone!r} is not a time zone; write one like America/New_York") from None
        return zone

    @field_validator("morning_ping_url")
    @classmethod
    def _an_address(cls, url: str) -> str:
        if url and (not url.startswith(("http://", "https://")) or not urlsplit(url).netloc):
            raise ValueError(f"{url!r} is no address; write one like https://alarm.example.org/presente")
        return url

    @field_validator("public_url")
    @classmethod
    def _plain_address(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"{url!r} must begin with https:// (or http:// on this machine)")
        if not urlsplit(url).netloc:
            raise ValueError(f"{url!r} names no host; write one like https://texts.example.org")
        return url.rstrip("/")

    @field_validator("listen")
    @classmethod
    def _host_and_port(cls, address: str) -> str:
        port = address.rpartition(":")[2]
        if (
            not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535)
            or ":" not in address
        ):
            raise ValueError(f"{address!r} is not host:port; write one like 127.0.0.1:8000")
        return address

    @field_validator("morning_at", *_HOURS)
    @classmethod
    def _wall_time(cls, wall: time) -> time:
        if wall.tzinfo is not None:
            raise ValueError("a time without a zone is needed, like 08:00; it is the school's own")
        return wall

    @field_validator("window_closes", "office_closes")
    @classmethod
    def _closes_after_it_opens(cls, closes: time, info: ValidationInfo) -> time:
        opens_name = f"{info.field_name}".replace("closes", "opens")
        opens = info.data.get(opens_name)
        if opens is not None and closes.tzinfo is None and closes <= opens:
            raise ValueError(f"{closes:%H:%M} is not after {PREFIX}{opens_name.upper()}, {opens:%H:%M}")
        return closes

    @model_validator(mode="after")
    def _twilio_is_whole(self) -> "Settings":
        if self.provider != "twilio":
            return self
        missing = [
            PREFIX + name.upper()
            for name, value in (
                ("twilio_account_sid", self.twilio_account_sid),
                ("twilio_auth_tokens", self.auth_tokens),
            )
            if not value
        ]
        if not (self.twilio_from or self.twilio_messaging_service):
            missing.append(f"{PREFIX}TWILIO_FROM or {PREFIX}TWILIO_MESSAGING_SERVICE")
        if missing:
            raise ValueError(f"{PREFIX}PROVIDER is twilio, so {' and '.join(missing)} must be set")
        return self

    @property
    def auth_tokens(self) -> tuple[str, ...]:
        """The tokens that may have signed a webhook, newest first (TW-36)."""
        return tuple(t.strip() for t in self.twilio_auth_tokens.get_secret_value().split(",") if t.strip())


def read(**given: object) -> Settings:
    """Read the settings once; *given* overrides the environment (tests, the demo).

    Raises SettingsRefused naming every setting that is wrong, all at once.
    """
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as wrong:
        lines = []
        for error in wrong.errors():
            name = PREFIX + str(error["loc"][0]).upper() if error["loc"] else "settings"
            lines.append(f"{name}: {error['msg'].removeprefix('Value error, ')}")
        raise SettingsRefused("; ".join(lines)) from None
