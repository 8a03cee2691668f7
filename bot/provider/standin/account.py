"""What the stand-in knows of one account: its texts, the book, who opted out, and whom it refuses."""

import secrets
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.clock import Clock, now
from bot.provider.standin import rules
from bot.provider.standin.book import Book, Entry
from bot.provider.standin.rules import Refusal
from bot.provider.standin.trouble import NONE, Trouble

_AUTO_REPLIES = {
    "STOP": "You will get no more texts from this number. Reply START to get them again.",
    "START": "You will get texts from this number again. Reply STOP to end them.",
    "HELP": "Reply STOP to end these texts.",
}


@dataclass(frozen=True)
class Spoken:
    """Words that an answer to a webhook would have texted to a family (TW-11)."""

    to: str
    words: str
    inbound_sid: str


@dataclass
class Message:
    """One text in either direction. `sender` is empty until a service has chosen a number (TW-52)."""

    sid: str
    place: int
    inbound: bool
    to: str
    sender: str
    service_sid: str
    body: str
    status: str
    created_at: datetime
    updated_at: datetime
    status_callback: str = ""
    num_media: int = 0
    error_code: int = 0
    sent_at: datetime | None = None
    send_at: datetime | None = None
    deleted: bool = False


@dataclass(kw_only=True, eq=False, repr=False)
class Account:
    """One Twilio account. What has no underscore may be given at the start, read, and set while it runs."""

    account_sid: str
    auth_token: str
    number: str = "+12035550100"  # the one families text
    service_sid: str = ""  # the Messaging Service that number is in
    owned: Collection[str] | None = None  # the numbers and services that may send; None: any
    advanced_opt_out: bool = False
    answer_url: str = ""
    fallback_url: str = ""
    trouble: Trouble = NONE
    book_file: Path | None = None
    clock: Clock = now

    account_status: str = "active"
    refuses_sender: int = 0  # an error such as 21606 or 30034, with which every create is refused
    posts_receipts: bool = True
    unreachable: dict[str, int] = field(default_factory=dict)  # number: its error after accepting
    incoming_number: dict[str, Any] = field(default_factory=dict)  # settings of the number, where unusual
    service: dict[str, Any] = field(default_factory=dict)  # settings of the service, where unusual
    lines: dict[str, str] = field(default_factory=dict)  # number: line type; the others are "mobile"
    short_codes: list[str] = field(default_factory=list)  # of the service, beside the number
    deactivated: dict[str, Sequence[str]] = field(default_factory=dict)  # YYYY-MM-DD: that file's lines

    opted_out: set[tuple[str, str]] = field(default_factory=set)  # number, and sender or service (TW-93)
    spoken_by_twiml: list[Spoken] = field(default_factory=list)
    auto_replies: list[tuple[str, str]] = field(
        default_factory=list
    )  # number, and what Twilio told it (TW-90)
    warnings: list[tuple[int, str]] = field(
        default_factory=list
    )  # error, and the sid of what was answered so

    def __post_init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._messages: list[Message] = []
        self._by_sid: dict[str, Message] = {}
        self._by_recipient: dict[str, list[Message]] = defaultdict(list)
        self._accepted: list[Entry] = []
        self._book = Book(self.book_file)

    # --- what a test reads ----------------------------------------------------------------------------------

    @property
    def book(self) -> list[Entry]:
        """Every text that reached a phone, in the order in which they were accepted."""
        return self._book.entries()

    @property
    def accepted(self) -> list[Entry]:
        """Every create that was accepted, those that no phone got among them."""
        return list(self._accepted)

    @property
    def counts(self) -> dict[str, int]:
        """How often each thing happened since the start."""
        return dict(self._counts)

    def count(self, what: str) -> None:
        self._counts[what] += 1

    # --- our texts ------------------------------------------------------------------------------------------

    def refusal(self, form: Mapping[str, str], at: datetime) -> Refusal | None:
        """Why this create is not taken; None when it is."""
        code = rules.fault_of_form(form, at) or self._fault_of_sender(form) or self._fault_of_recipient(form)
        return Refusal(code) if code else None

    def _fault_of_sender(self, form: Mapping[str, str]) -> int:
        service, sender = form.get("MessagingServiceSid"), form.get("From", "")
        if self.refuses_sender:
            return self.refuses_sender
        if service:
            return 0 if self.owns(service) else 21701
        if sender in rules.MAGIC_FROM:
            return rules.MAGIC_FROM[sender]
        if rules.e164(sender) is None:
            return 21212
        return 0 if self.owns(sender) or sender == rules.MAGIC_WORKS else 21606

    def _fault_of_recipient(self, form: Mapping[str, str]) -> int:
        to = form["To"]
        number = rules.e164(to)
        if to in rules.MAGIC_TO:
            return rules.MAGIC_TO[to]
        if number is None:
            return 21211
        sender = form.get("MessagingServiceSid") or self._pool(form["From"])
        return 21610 if (number, sender) in self.opted_out else 0

    def owns(self, sender: str) -> bool:
        return self.owned is None or sender in self.owned

    def _pool(self, number: str) -> str:
        """What an opt-out from *number* holds for: the whole service it is in, or itself alone (TW-93)."""
        return self.service_sid if self.service_sid and number == self.number else number

    def accept(self, form: Mapping[str, str], *, error_code: int, media: int, at: datetime) -> Message:
        """Take a create that is not refused. It is in the book from here on, unless no phone gets it."""
        service = form.get("MessagingServiceSid", "")
        scheduled = form.get("ScheduleType") == "fixed"
        to = rules.e164(form["To"]) or form["To"]
        message = self._keep(
            Message(
                sid=_new_sid(media),
                place=len(self._messages),
                inbound=False,
                to=to,
                sender="" if service else form["From"],
                service_sid=service,
                body=form.get("Body", ""),
                status="scheduled" if scheduled else "accepted" if service else "queued",  # TW-51
                created_at=at,
                updated_at=at,
                status_callback=form.get("StatusCallback", ""),
                num_media=media,
                error_code=self.unreachable.get(to, error_code),
                send_at=rules.moment(form["SendAt"]) if scheduled else None,
            )
        )
        self.count("accepted")
        self._accepted.append(_entry(message))
        if not scheduled:
            self._reaches(message)
        return message

    def scheduled_leaves(self, message: Message) -> None:
        message.status = "accepted"
        self._reaches(message)

    def _reaches(self, message: Message) -> None:
        if not message.error_code:
            self._book.write(_entry(message))

    def went_on(self, message: Message, status: str, at: datetime) -> None:
        """A text of ours has another status from now on."""
        message.status, message.updated_at = status, at
        message.sender = message.sender or self.number
        if status == "sent":
            message.sent_at = at

    # --- families' texts ------------------------------------------------------------------------------------

    def service_settings(self) -> dict[str, Any]:
        return {
            "inbound_request_url": self.answer_url or None,
            "fallback_url": self.fallback_url or None,
            "status_callback": None,
            "use_inbound_webhook_on_number": False,
            "usecase": "notifications",
            **self.service,
        }

    def number_settings(self) -> dict[str, Any]:
        return {
            "sms_url": self.answer_url,
            "sms_fallback_url": self.fallback_url,
            "status_callback": "",
            **self.incoming_number,
        }

    @property
    def receiving(self) -> bool:
        """A service without an address keeps nothing that comes in: it is in no list either (TW-5)."""
        service = self.service_settings()
        return bool(
            not self.service_sid or service["use_inbound_webhook_on_number"] or service["inbound_request_url"]
        )

    def inbound_urls(self) -> tuple[str, str]:
        """Where a family's text is posted, and where to when that fails; empty for nowhere."""
        service, number = self.service_settings(), self.number_settings()
        if self.service_sid and not service["use_inbound_webhook_on_number"]:
            return service["inbound_request_url"] or "", service["fallback_url"] or ""
        return number["sms_url"] or "", number["sms_fallback_url"] or ""

    def heard(self, number: str, words: str, to: str) -> str:
        """Obey STOP, START and HELP, as Twilio does before it tells us; the one that was meant, or nothing."""
        meant = rules.keyword(words)
        consent = (number, self._pool(to))
        was_out = consent in self.opted_out
        if meant == "STOP":
            self.opted_out.add(consent)
        if meant == "START":
            self.opted_out.discard(consent)
        # Nobody is told a second time that it is out, or that it never was.
        if (meant, was_out) in {("STOP", False), ("START", True), ("HELP", False)}:
            self.auto_replies.append((number, _AUTO_REPLIES[meant]))
        return meant

    def arrived(self, number: str, words: str, to: str, *, media: int, at: datetime) -> Message:
        """A family's text, which stands in the list whether or not we are ever told of it (TW-61)."""
        message = Message(
            sid=_new_sid(media),
            place=len(self._messages),
            inbound=True,
            to=to,
            sender=number,
            service_sid=self.service_sid if to == self.number else "",
            body=words,
            status="received",
            created_at=at,
            updated_at=at,
            num_media=media,
            sent_at=at,
        )
        return self._keep(message) if self.receiving else message

    # --- the list -------------------------------------------------------------------------------------------

    def _keep(self, message: Message) -> Message:
        self._messages.append(message)
        self._by_sid[message.sid] = message
        self._by_recipient[message.to].append(message)
        return message

    def message(self, sid: str) -> Message | None:
        found = self._by_sid.get(sid)
        return None if found is None or found.deleted else found

    def listed(self, asked: Mapping[str, str]) -> Iterator[Message]:
        """Texts newest first, by To, From and DateSent alone: Twilio has no other filter (TW-60)."""
        kept = self._by_recipient.get(asked["To"], []) if "To" in asked else self._messages
        dates = [(sign, asked[f"DateSent{sign}"]) for sign in ("", "<", ">") if f"DateSent{sign}" in asked]
        return (
            message
            for message in reversed(kept)
            if not message.deleted
            and asked.get("From", message.sender) == message.sender
            and all(rules.sent_within(message.sent_at, sign, said) for sign, said in dates)
        )


def _entry(message: Message) -> Entry:
    return Entry(
        sid=message.sid,
        to=message.to,
        body=message.body,
        sender=message.service_sid or message.sender,
        status_callback=message.status_callback,
        at=message.created_at,
    )


def _new_sid(media: int) -> str:
    # Never from the seed: a second run beside the same database would bring ids it knows already.
    return ("MM" if media else "SM") + secrets.token_hex(16)
