"""Twilio Programmable Messaging: one text handed over, and the signature on what Twilio posts to us."""

import ssl
from collections.abc import Iterable
from typing import Any

import requests
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from urllib3.exceptions import NewConnectionError

from bot.provider import Accepted, Fault, Outgoing, Passing, ReceiptHeld, Refused, Unknown

# What a refusal at creation means (rules.md, 1.9). An unknown code falls to the sender: it stops a
# text, and no family's number is ever marked for something we do not understand (TW-55, TW-71).
_FAULTS = {
    21211: Fault.DEAD,
    21265: Fault.DEAD,
    21610: Fault.OPTED_OUT,
    21612: Fault.DEAD,
    21614: Fault.LANDLINE,
    21635: Fault.LANDLINE,
    21602: Fault.CONTENT,
    21617: Fault.CONTENT,
}
# Never processed, so always safe to hand over again (20429), or a queue that is full for the moment.
_NOT_NOW = frozenset({20429, 429, 21611})
_BEFORE_CONNECTING = (
    requests.exceptions.ConnectTimeout,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
)


class Twilio:
    """One account's sender: a Messaging Service or a number."""

    def __init__(
        self,
        *,
        account_sid: str,
        auth_token: str,
        sender: str,
        messaging_service: str,
        callback_base: str,
        api_base: str = "",
        seconds: float = 10,
    ) -> None:
        # The client has no time-out by itself: a hung connection would hang the sender for ever (TW-102).
        self._client = Client(account_sid, auth_token, http_client=TwilioHttpClient(timeout=seconds))
        if api_base:
            self._client.api.base_url = api_base
        self._sender = (
            {"messaging_service_sid": messaging_service} if messaging_service else {"from_": sender}
        )
        self._callback_base = callback_base

    def send(self, text: Outgoing) -> Accepted:
        try:
            created = self._client.messages.create(
                to=text.to,
                body=text.body,
                status_callback=f"{self._callback_base}/twilio/status/{text.token}",
                validity_period=max(6, min(36000, text.valid_seconds)),
                **self._sender,
            )
        except TwilioRestException as refusal:
            raise _meaning(refusal.status, refusal.code) from None
        except TwilioServiceException as refusal:
            raise _meaning(refusal.status, refusal.code) from None
        except Exception as lost:  # noqa: BLE001 - an answer can be unreadable in ways nobody has listed
            if _never_left(lost):
                raise Passing(f"Twilio was not reached ({type(lost).__name__})") from None
            # The text may be on its way: only its receipt can tell (TW-43, TW-105).
            raise Unknown(f"Twilio's answer was lost ({type(lost).__name__})") from None
        if not created.sid:
            raise Unknown("Twilio answered without an id")
        return Accepted(created.sid, str(created.status or "queued"))

    def receipts(self) -> Iterable[ReceiptHeld]:
        return ()

    def trouble(self) -> str:
        """Ask Twilio whether the account answers to these keys; costs nothing and sends nothing."""
        try:
            account = self._client.api.accounts(self._client.username).fetch()
        except (TwilioException, requests.exceptions.RequestException, ValueError, AttributeError) as wrong:
            status = getattr(wrong, "status", "")
            return (
                f"Twilio does not answer to PRESENTE_TWILIO_ACCOUNT_SID and PRESENTE_TWILIO_AUTH_TOKENS "
                f"({status or type(wrong).__name__}); check both in Twilio's console"
            )
        return "" if account.status == "active" else f"the Twilio account is {account.status}, not active"


def _never_left(lost: Exception) -> bool:
    """Whether nothing of the text can have been sent: nobody listened there, or nobody we may trust."""
    if isinstance(lost, _BEFORE_CONNECTING):
        return True
    why = getattr(lost.args[0], "reason", None) if lost.args else None
    why = getattr(why, "original_error", why)  # a proxy's failure holds the connection's
    if isinstance(why, NewConnectionError):
        return True
    # Any other failure of TLS may come after the text was handed over.
    causes: tuple[object, ...] = getattr(why, "args", ())
    return bool(causes) and isinstance(causes[0], ssl.SSLCertVerificationError)


def _meaning(status_said: object, code_said: object) -> Refused | Passing | Unknown:
    status, code = _as_number(status_said), _as_number(code_said)
    if code in _NOT_NOW or status == 429:
        return Passing(f"Twilio is busy (error {code})", str(code))
    if status >= 500:
        return Unknown(f"Twilio failed inside (HTTP {status})", str(code))
    return Refused(f"Twilio refused the text (error {code})", str(code), _FAULTS.get(code, Fault.SENDER))


def _as_number(said: object) -> int:
    """A code of the answer's body, which may be written as text; 0 for what is no number."""
    written = str(said)
    return int(written) if written.isascii() and written.isdigit() and len(written) < 9 else 0


class Signatures:
    """Whether a post was signed by Twilio with one of our tokens (TW-30 to TW-36)."""

    def __init__(self, tokens: Iterable[str]) -> None:
        self._validators = [RequestValidator(token) for token in tokens if token]

    def signed(self, url: str, form: Any, signature: str | None) -> bool:
        """Total: a missing header, a strange body or any failure of the check itself is a no (TW-32)."""
        if not signature:
            return False
        for validator in self._validators:
            try:
                if validator.validate(url, form, signature):
                    return True
            except Exception:  # noqa: BLE001, S112 - any crash of the check is a forged post (TW-32)
                continue
        return False
