"""E-mail: what we ask of whoever carries it, an SMTP server as the district has one, and a simulator with a book."""

import re
import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from enum import StrEnum
from typing import Protocol
from urllib.parse import unquote, urlsplit

import structlog

_log = structlog.get_logger(__name__)

_SECONDS = 15
_HERE = frozenset({"127.0.0.1", "::1", "localhost"})
_ADDRESS = re.compile(r"[^@\s<>,;:\"()\[\]\\]+@[^@\s<>,;:\"()\[\]\\]+")
# Every line ends as the protocol wants it, and no letter is beyond ASCII on the way: any server takes it.
_WIRE = SMTP.clone(cte_type="7bit")


class Posted(StrEnum):
    """What became of a letter that was handed over.

    Only after PASSING may it be handed over again: nothing has left. UNKNOWN is perhaps delivered.
    """

    ACCEPTED = "accepted"
    REFUSED = "refused"
    PASSING = "passing"
    UNKNOWN = "unknown"


class Mail(Protocol):
    """Whoever carries e-mail. It never raises: what went wrong is an answer."""

    def send(self, to: str, subject: str, body: str, *, key: str = "") -> Posted:
        """Hand one letter over. *key* is ours and opaque: the same key is the same letter (Message-ID)."""


def is_address(written: str) -> bool:
    """Whether this could be one e-mail address, and nothing that a header would read as two."""
    return len(written) <= 254 and written.isascii() and _ADDRESS.fullmatch(written) is not None


# --- the simulator --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Letter:
    to: str
    subject: str
    body: str
    key: str


@dataclass
class Simulator:
    """Keeps what it was given, and sends nothing. The log says that there was a letter, never what stands in it."""

    book: list[Letter] = field(default_factory=list)

    def send(self, to: str, subject: str, body: str, *, key: str = "") -> Posted:
        if not is_address(to):
            return Posted.REFUSED
        self.book.append(Letter(to, subject, body, key))
        _log.info("an e-mail was simulated", key=key)
        return Posted.ACCEPTED


# --- the district's server ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Smtp:
    """The district's mail server.

    `implicit_tls`: encrypted from the first byte (smtps). Otherwise STARTTLS is asked for, and a server
    on another machine that does not offer it gets neither password nor letter.
    """

    host: str
    port: int
    sender: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    implicit_tls: bool = False

    def send(self, to: str, subject: str, body: str, *, key: str = "") -> Posted:
        if not is_address(to):
            return Posted.REFUSED
        letter = self._letter(to, subject, body, key)
        try:
            server = self._connected()
        except smtplib.SMTPAuthenticationError as refused:
            return self._told("the mail server refused the password", refused)
        except (OSError, smtplib.SMTPException) as away:
            return self._told("the mail server was not reached", away)
        try:
            return self._hand_over(server, to, letter)
        finally:
            server.close()

    def _connected(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self.implicit_tls:
            server: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=_SECONDS, context=context)
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=_SECONDS)
        try:
            server.ehlo()
            if not self.implicit_tls:
                if server.has_extn("starttls"):
                    server.starttls(context=context)
                    server.ehlo()
                elif self.host not in _HERE:
                    raise smtplib.SMTPNotSupportedError("the server offers no encryption")  # noqa: TRY301
            if self.user:
                server.login(self.user, self.password)
        except BaseException:
            server.close()
            raise
        return server

    def _hand_over(self, server: smtplib.SMTP, to: str, letter: bytes) -> Posted:
        try:
            for code, _ in (server.mail(self.sender), server.rcpt(to)):
                if code >= 400:
                    return Posted.REFUSED if code >= 500 else Posted.PASSING
        except (OSError, smtplib.SMTPException) as away:
            return self._told("the mail server went away before the letter", away)
        try:
            code, _ = server.data(letter)
        except smtplib.SMTPDataError as no:
            # Said before the letter was read.
            return Posted.REFUSED if no.smtp_code >= 500 else Posted.PASSING
        except (OSError, smtplib.SMTPException) as lost:
            _log.warning("nobody knows whether an e-mail left", error=type(lost).__name__)
            return Posted.UNKNOWN
        if code < 400:
            return Posted.ACCEPTED
        return Posted.REFUSED if code >= 500 else Posted.PASSING

    def _told(self, sentence: str, wrong: Exception) -> Posted:
        # By its kind only: the message may quote an address.
        _log.warning(sentence, error=type(wrong).__name__)
        return Posted.PASSING

    def _letter(self, to: str, subject: str, body: str, key: str) -> bytes:
        letter = EmailMessage(policy=_WIRE)
        letter["From"], letter["To"] = self.sender, to
        letter["Subject"] = " ".join(subject.split())
        letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: no robot answers it
        if key:
            letter["Message-ID"] = f"<{key}@{self.sender.rpartition('@')[2]}>"
        letter.set_content(body)
        return letter.as_bytes()


def at(url: str, sender: str) -> Smtp:
    """The server of an address such as smtp://user:password@mail.district.org:587 or smtps://mail.district.org."""
    parts = urlsplit(url)
    implicit = parts.scheme == "smtps"
    return Smtp(
        host=parts.hostname or "",
        port=parts.port or (465 if implicit else 587),
        sender=sender,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        implicit_tls=implicit,
    )
