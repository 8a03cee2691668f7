"""Every setting: name, default, one line of help; read once from the environment (PRESENTE_*)."""

import re
from datetime import time
from decimal import Decimal
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
    proxies: int = Field(
        0,
        ge=0,
        le=9,
        description="How many proxies stand in front and add to X-Forwarded-For; 0: nobody's word is taken for it.",
    )
    second_factor: Literal["optional", "required"] = Field(
        "optional", description="Whether whoever signs in with a password must have a second factor as well."
    )
    oidc_issuer: str = Field(
        "", description="The district's own sign-in (OpenID Connect), by its issuer's address; empty: none."
    )
    oidc_client_id: str = Field("", description="What this program is called there.")
    oidc_client_secret: SecretStr = Field(SecretStr(""), description="Its secret there.")
    oidc_label: str = Field("Sign in with your district account", description="What the button says.")
    morning_ping_url: str = Field(
        "", description="An address that is fetched after each morning that went well: a dead-man switch."
    )
    calendar_url: str = Field(
        "",
        description="Where the school calendar (.ics) is fetched from once a day: https://...; empty: only files count.",
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
    segment_price: Decimal | None = Field(
        None,
        ge=0,
        le=1,
        max_digits=8,
        description="What one part of a text costs, in dollars, shown while staff type; empty: only the parts are.",
    )
    translate_url: str = Field(
        "",
        description="A LibreTranslate-compatible server that the district runs; empty: no machine translation.",
    )
    translate_key: SecretStr = Field(SecretStr(""), description="That server's API key, if it asks for one.")
    chat_links: bool = Field(
        False,
        description="Whether a check-in ends with a link to the family's own chat page; costs about a segment.",
    )
    chat_days: int = Field(14, ge=1, le=365, description="How many days such a link stays good.")
    on_call_phones: str = Field(
        "",
        repr=False,
        description="Who is texted at once when a family is in danger and nobody opens it: +1..., in this order, by commas.",
    )
    on_call_emails: str = Field(
        "", repr=False, description="The same by e-mail: addresses in this order, separated by commas."
    )
    smtp_url: SecretStr = Field(
        SecretStr(""),
        description="The district's mail server: smtp://user:password@host:587 or smtps://...; empty: e-mails are simulated.",
    )
    mail_from: str = Field("", description="The address e-mails come from; needed with PRESENTE_SMTP_URL.")
    claim_late_minutes: int = Field(
        30,
        ge=5,
        le=2400,
        description="A taken family that waits so many office minutes beyond its time comes back to the queue.",
    )
    claim_idle_hours: int = Field(
        16,
        ge=1,
        le=400,
        description="So does one for which its taker has done nothing in so many office hours.",
    )
    correction_texts: bool = Field(
        False,
        description="Tell a family once that a newer file calls its child present after all, where it was texted before.",
    )
    stale_minutes: int = Field(
        45,
        ge=5,
        le=1440,
        description="An attendance file written longer ago than this waits until a person has looked at it.",
    )
    mappings: str = Field(
        "", description="A folder with the district's own attendance mappings (.toml); empty: none."
    )
    watch_folder: str = Field(
        "",
        description="A folder whose files the worker takes in and moves to done, held or refused; empty: none.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="How much is logged.")

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{zone!r} is not a time zone; write one like America/New_York") from None
        return zone

    @field_validator("morning_ping_url", "translate_url", "calendar_url")
    @classmethod
    def _an_address(cls, url: str) -> str:
        if url and (not url.startswith(("http://", "https://")) or not urlsplit(url).netloc):
            raise ValueError(f"{url!r} is no address; write one like https://alarm.example.org/presente")
        return url

    @field_validator("oidc_issuer")
    @classmethod
    def _an_issuer(cls, issuer: str) -> str:
        parts = urlsplit(issuer)
        local = parts.hostname in ("127.0.0.1", "::1", "localhost")
        safe = parts.scheme == "https" or (local and parts.scheme == "http")
        if issuer and not (safe and parts.netloc):
            raise ValueError(f"{issuer!r} must begin with https://, exactly as the provider writes it")
        return issuer

    @field_validator("on_call_phones")
    @classmethod
    def _whole_numbers(cls, phones: str) -> str:
        for number in _listed(phones):
            if not re.fullmatch(r"\+[1-9]\d{7,14}", number):
                raise ValueError("a number is not written like +18605550123; separate several by commas")
        return phones

    @field_validator("on_call_emails", "mail_from")
    @classmethod
    def _addresses(cls, addresses: str) -> str:
        for address in _listed(addresses):
            if not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", address):
                raise ValueError(
                    "an address is not written like name@district.org; separate several by commas"
                )
        return addresses

    @field_validator("smtp_url")
    @classmethod
    def _a_mail_server(cls, url: SecretStr) -> SecretStr:
        # Its own words are never printed: they hold a password.
        written = url.get_secret_value()
        parts = urlsplit(written)
        if written and (parts.scheme not in ("smtp", "smtps") or not parts.hostname):
            raise ValueError(
                "it is no mail server; write one like smtp://user:password@mail.district.org:587"
            )
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
    def _district_is_whole(self) -> "Settings":
        if self.oidc_issuer and not self.oidc_client_id:
            raise ValueError(f"{PREFIX}OIDC_ISSUER is set, so {PREFIX}OIDC_CLIENT_ID must be set too")
        return self

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

    @model_validator(mode="after")
    def _mail_has_a_sender(self) -> "Settings":
        if self.smtp_url.get_secret_value() and not self.mail_from:
            raise ValueError(f"{PREFIX}SMTP_URL is set, so {PREFIX}MAIL_FROM must be: whom e-mails come from")
        return self

    @property
    def on_call(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Who is told of danger outside the desk: numbers and addresses, each in its order."""
        return _listed(self.on_call_phones), _listed(self.on_call_emails)

    @property
    def auth_tokens(self) -> tuple[str, ...]:
        """The tokens that may have signed a webhook, newest first (TW-36)."""
        return tuple(t.strip() for t in self.twilio_auth_tokens.get_secret_value().split(",") if t.strip())


def _listed(written: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.strip() for each in written.split(",") if each.strip()))


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
