"""Twilio Programmable Messaging: texts handed over, its lists read, and what is wrong with its settings."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any
from urllib.parse import urljoin

from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.rest import Client

from bot.provider import (
    Accepted,
    Arrived,
    Line,
    Listed,
    NotTold,
    Outgoing,
    Passing,
    ReceiptHeld,
    Refused,
    SenderFate,
    SendFailed,
    Unknown,
    meaning,
)
from bot.provider.signatures import Signatures
from bot.provider.wire import NotReached, Wire

__all__ = ["Signatures", "Twilio"]

# Never processed, so always safe to hand over again, whatever the HTTP status says (rules.md, 1.9).
_BUSY = frozenset({20429, 429})
# How much of a list is asked for at once, and after how many pages something is wrong with it: a list of
# a few minutes or of one family never has a hundred thousand texts.
_PAGE, _MOST_PAGES = 100, 1000
_MOST_SENDERS = 1000


class Twilio:
    """One account's sender: a Messaging Service or a number. One object for all threads (TW-106)."""

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
        at_once: int = 16,
    ) -> None:
        """*seconds* is how long an answer may take; *at_once*, how many threads send."""
        self.sender = messaging_service or sender
        self._wire = Wire(seconds=seconds, at_once=at_once)
        self._client = Client(account_sid, auth_token, http_client=self._wire)
        if api_base:
            for domain in (self._client.api, self._client.messaging, self._client.lookups):
                domain.base_url = api_base
        self._messages = self._client.messages
        self._service = messaging_service
        self._from = {"messaging_service_sid": messaging_service} if messaging_service else {"from_": sender}
        self._callback_base = callback_base

    # --- texts --------------------------------------------------------------------------------------------

    def send(self, text: Outgoing) -> Accepted:
        try:
            created = self._messages.create(
                to=text.to,
                body=text.body,
                status_callback=f"{self._callback_base}/twilio/status/{text.token}",
                validity_period=max(6, min(36000, text.valid_seconds)),
                **self._from,
            )
        except (TwilioRestException, TwilioServiceException) as refusal:
            raise _what_it_means(refusal.status, refusal.code) from None
        except NotReached as lost:
            raise Passing(f"the provider was not reached ({lost})") from None
        except Exception as lost:  # noqa: BLE001 - an answer can be unreadable in ways nobody has listed
            # The text may be on its way: only its receipt or the list can tell (TW-43, TW-105).
            raise Unknown(f"the provider's answer was lost ({type(lost).__name__})") from None
        if not created.sid:
            raise Unknown("the provider answered without an id")
        return Accepted(created.sid, str(created.status or "queued"))

    def receipts(self) -> Iterable[ReceiptHeld]:
        return ()

    def redact(self, sid: str) -> None:
        with _asking("whether it emptied a text"):
            try:
                self._messages(sid).update(body="")
            except TwilioRestException as refusal:
                if refusal.status != 404:
                    raise

    # --- lists --------------------------------------------------------------------------------------------

    def sent_to(self, number: str, since: datetime) -> list[Listed]:
        with _asking("which texts it has for a number"):
            return [
                Listed(
                    each.sid,
                    each.body or "",
                    str(each.status),
                    str(each.error_code or ""),
                    each.date_created,
                )
                for each in self._listed(number, since)
                if each.direction != "inbound"
            ]

    def arrived(self, since: datetime) -> list[Arrived]:
        with _asking("which texts came in"):
            found = [
                Arrived(
                    each.sid,
                    each.from_ or "",
                    each.body or "",
                    int(each.num_media or 0),
                    each.date_created,
                )
                for number in self._own_numbers()
                for each in self._listed(number, since)
                if each.direction == "inbound"
            ]
        # Each list is newest first, and its times are whole seconds: turned round, a sort keeps the order
        # of what one family wrote within one.
        found.reverse()
        return sorted(found, key=lambda text: text.at)

    def _own_numbers(self) -> list[str]:
        """The numbers families write to; asked each time, since a service's pool can grow."""
        if not self._service:
            return [self.sender]
        numbers = [each.phone_number for each in self._pool().phone_numbers.list(limit=_MOST_SENDERS)]
        return numbers + [each.short_code for each in self._short_codes()]

    def _short_codes(self) -> list[Any]:
        try:
            return list(self._pool().short_codes.list(limit=_MOST_SENDERS))
        except TwilioException as refusal:
            if _status(refusal) == 404:  # a rehearsal's stand-in may know none
                return []
            raise

    def _pool(self) -> Any:
        """The Messaging Service, as the library asks about it."""
        return self._client.messaging.v1.services(self._service)

    def _listed(self, number: str, since: datetime) -> Iterator[Any]:
        """The messages to *number* created since then, newest first.

        Asked without a date, which would leave out what waits and so has no sent date (TW-60): read page
        by page, until one reaches back behind *since*.
        """
        since = since.replace(microsecond=0)  # the list's times are whole seconds
        page, seen = self._messages.page(to=number, page_size=_PAGE), set[str]()
        while True:
            messages = list(page)
            yield from (each for each in messages if each.date_created >= since)
            following = page.next_page_url
            if not following or any(each.date_created < since for each in messages):
                return
            if following in seen or len(seen) == _MOST_PAGES:
                raise NotTold("the provider's list of texts has no end")
            seen.add(following)
            page = page.next_page()

    # --- numbers ------------------------------------------------------------------------------------------

    def line(self, number: str) -> Line:
        with _asking("what kind of line a number is"):
            found = self._client.lookups.v2.phone_numbers(number).fetch(fields="line_type_intelligence")
            told = found.line_type_intelligence or {}
            if not told.get("type") and found.valid is not False:
                raise NotTold(f"the provider does not know a number's line (error {told.get('error_code')})")
        return {"mobile": Line.MOBILE, "landline": Line.LANDLINE}.get(str(told.get("type")), Line.OTHER)

    def deactivated(self, day: date) -> Iterator[str]:
        """Read as it comes: a caller that must have all or nothing keeps it until the end."""
        with _asking("which numbers were given up"):
            base = f"{self._client.messaging.base_url}/v1/Deactivations"
            answer = self._client.request("GET", base, params={"Date": day.isoformat()})
            if answer.status_code not in {200, 307}:
                raise TwilioException("Unable to fetch page", answer)
            # A file elsewhere, good for two minutes. Its address is the key to it: ours stay here.
            file = urljoin(base, answer.headers.get("Location") or json.loads(answer.text)["redirect_to"])
            if not file.startswith(("https://", f"{self._client.messaging.base_url}/")):
                raise NotTold("the provider named an unprotected address for its list of numbers")
            for written in self._wire.lines(file):
                digits = written.removeprefix("+").removeprefix("1")
                if len(digits) == 10 and digits.isdigit():
                    yield f"+1{digits}"
                elif written:
                    raise NotTold("the provider's list of numbers has a line that is no number")

    # --- is all well? -------------------------------------------------------------------------------------

    def trouble(self) -> list[str]:
        """Ask Twilio about the account and the sender; costs nothing and sends nothing."""
        found: list[str] = []
        try:
            for sentence in self._troubles():
                found.append(sentence)  # noqa: PERF402 - what was found before a question failed counts
        except NotTold as wrong:
            found.append(str(wrong))
        return found

    def _troubles(self) -> Iterator[str]:
        with _asking(
            "what state the account is in: check PRESENTE_TWILIO_ACCOUNT_SID and PRESENTE_TWILIO_AUTH_TOKENS"
        ):
            account = self._client.api.accounts(self._client.username).fetch()
            if account.status != "active":
                yield f"the Twilio account is {account.status}, not active"
            if account.type == "Trial":
                yield "the Twilio account is on trial: it texts verified numbers only"
        yield from self._troubles_of_service() if self._service else self._troubles_of_number(self.sender)

    def _troubles_of_service(self) -> Iterator[str]:
        who = f"the Messaging Service {self._service}"
        with _asking(f"how {who} is set up: check PRESENTE_TWILIO_MESSAGING_SERVICE"):
            service = self._pool().fetch()
            numbers = self._pool().phone_numbers.list(limit=_MOST_SENDERS)
            senders = numbers or self._short_codes()
        if not senders:
            yield f"{who} has no number to send from"
        for each in numbers:
            if "SMS" not in (each.capabilities or ()):
                yield f"the number …{each.phone_number[-4:]} of {who} cannot send texts"
        long_codes = [each for each in numbers if not meaning.is_toll_free(each.phone_number)]
        if long_codes and service.us_app_to_person_registered is False:
            yield f"{who} is not registered for texting US numbers (A2P 10DLC); carriers block what it sends"
        if service.use_inbound_webhook_on_number:
            for each in numbers:
                yield from self._troubles_of_number(each.phone_number)
        elif not service.inbound_request_url:
            yield f"receiving is switched off in {who}: what families reply is lost, and in no list"
        else:
            yield from self._troubles_of_receiving(
                who,
                (service.inbound_request_url, service.inbound_method),
                (service.fallback_url, service.fallback_method),
            )

    def _troubles_of_number(self, number: str) -> Iterator[str]:
        if not number.startswith("+"):
            return  # a short code: it is in no list of numbers
        who = f"the number …{number[-4:]}"
        with _asking(f"how {who} is set up"):
            owned = self._client.incoming_phone_numbers.list(phone_number=number, limit=1)
        if not owned:
            yield f"{who} does not belong to the Twilio account; check PRESENTE_TWILIO_FROM"
            return
        found = owned[0]
        if not (found.capabilities or {}).get("sms"):
            yield f"{who} cannot send texts"
        if found.sms_application_sid:
            yield f"texts to {who} go to the application {found.sms_application_sid}, not to this program"
            return
        yield from self._troubles_of_receiving(
            who, (found.sms_url, found.sms_method), (found.sms_fallback_url, found.sms_fallback_method)
        )

    def _troubles_of_receiving(
        self, who: str, inbound: tuple[str | None, str | None], fallback: tuple[str | None, str | None]
    ) -> Iterator[str]:
        """Whether what families write reaches this program: address and method of the webhook and its fallback."""
        for what, (url, method), ours in (
            ("texts", inbound, f"{self._callback_base}/twilio/inbound"),
            ("texts that we failed to take", fallback, f"{self._callback_base}/twilio/fallback"),
        ):
            # Behind # stand time-outs and retries, for Twilio alone (TW-20).
            if (url or "").partition("#")[0] != ours:
                yield f"{what} to {who} are posted to {url or 'nowhere'}, but PRESENTE_PUBLIC_URL takes them at {ours}"
            elif method not in {None, "POST"}:
                yield f"{what} to {who} are sent to {ours} by {method}; it takes POST"


@contextmanager
def _asking(what: str) -> Iterator[None]:
    """Whatever goes wrong with a question is NotTold, without address, number or words (TW-108)."""
    try:
        yield
    except NotTold:
        raise
    except Exception as wrong:  # noqa: BLE001 - an answer can be unreadable in ways nobody has listed
        raise NotTold(f"the provider did not say {what} ({_named(wrong)})") from None


def _named(wrong: Exception) -> str:
    """An error by its HTTP status, if there was an answer, or else by its kind."""
    return f"HTTP {_status(wrong)}" if _status(wrong) else type(wrong).__name__


def _status(wrong: Exception) -> int:
    """The HTTP status the library's error tells of; it has two ways to keep it. 0 without an answer."""
    answer = wrong.args[1] if len(wrong.args) > 1 else wrong
    return _as_number(getattr(answer, "status_code", None) or getattr(wrong, "status", None))


def _what_it_means(status_said: object, code_said: object) -> SendFailed:
    """The error of an answer that created nothing, or perhaps something."""
    status, code = _as_number(status_said), _as_number(code_said)
    meant = meaning.of(str(code))
    if code in _BUSY or status == 429:
        return Passing(f"{meaning.of('429').means} (error {code})", str(code))
    if status in {0, 408} or status >= 500:
        return Unknown(f"the provider failed inside (HTTP {status})", str(code))
    if meant.sender is SenderFate.SLOWER:
        return Passing(f"{meant.means} (error {code})", str(code))
    if code in {0, status} and status not in {400, 413, 422}:
        # Not Twilio's word on this text: its keys, its address, or who stands at that address.
        return Refused(meaning.of("20003" if status in {401, 403, 407} else "20404"))
    return Refused(meant)


def _as_number(said: object) -> int:
    """A code of the answer's body, which may be written as text; 0 for what is no number."""
    written = str(said)
    return int(written) if written.isascii() and written.isdigit() and len(written) < 9 else 0
