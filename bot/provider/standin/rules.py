"""Twilio's rules without any state: its errors, magic numbers, keywords, and how it reads numbers and moments."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from bot.phone import PhoneNumber, PhoneRefused

_LONGEST_BODY = 1600  # TW-41
_SOONEST, _LATEST = timedelta(minutes=5), timedelta(days=35)  # TW-65

# HTTP status and sentence of each error answer, in our own words.
_ANSWERS = {
    20001: (400, "A parameter cannot be read."),
    20003: (401, "The account and its token do not fit together."),
    20404: (404, "There is nothing at this address."),
    20429: (429, "Too many requests at the same time."),
    20500: (500, "The provider failed inside."),
    21211: (400, "The 'To' number is not a valid phone number."),
    21212: (400, "The 'From' number is not a valid phone number."),
    21408: (400, "Texts to the region of the 'To' number are switched off."),
    21602: (400, "A text needs a body or a picture."),
    21603: (400, "A text needs a 'From' number or a Messaging Service."),
    21604: (400, "A text needs a 'To' number."),
    21606: (400, "The 'From' number is not one of this account that may text there."),
    21610: (400, "The person at the 'To' number has opted out of this sender."),
    21611: (400, "The queue of the 'From' number is full."),
    21612: (400, "The 'To' number cannot be reached by text now."),
    21614: (400, "The 'To' number is not a mobile number."),
    21617: (400, "The body is longer than 1600 characters."),
    21701: (400, "There is no such Messaging Service."),
    30034: (400, "The 'From' number is not registered for texts to US phones."),
    30409: (400, "Only a scheduled text can be canceled."),
    35111: (400, "A scheduled text needs 'SendAt'."),
    35114: (400, "'SendAt' is not between 5 minutes and 35 days from now."),
    35118: (400, "A scheduled text needs a Messaging Service."),
}

# The numbers with which a program rehearses errors, and the one that works (TW-109).
MAGIC_TO = {
    "+15005550001": 21211,
    "+15005550002": 21612,
    "+15005550003": 21408,
    "+15005550004": 21610,
    "+15005550009": 21614,
}
MAGIC_FROM = {"+15005550001": 21212, "+15005550007": 21606, "+15005550008": 21611}
MAGIC_WORKS = "+15005550006"

# TW-90. A text that is exactly one of these; with one word more it is an ordinary text (TW-91).
_KEYWORDS = {
    **dict.fromkeys(("STOP", "UNSUBSCRIBE", "END", "QUIT", "STOPALL", "REVOKE", "OPTOUT", "CANCEL"), "STOP"),
    **dict.fromkeys(("START", "YES", "UNSTOP"), "START"),
    **dict.fromkeys(("HELP", "INFO"), "HELP"),
}


@dataclass(frozen=True)
class Refusal:
    """An error answer in Twilio's shape. A code without a sentence here is one against the sender."""

    code: int

    @property
    def status(self) -> int:
        return _ANSWERS.get(self.code, (400, ""))[0]

    @property
    def body(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "message": _ANSWERS.get(self.code, (400, "The sender may not text."))[1],
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }


def fault_of_form(form: Mapping[str, str], at: datetime) -> int:
    """The error for what a create says or leaves out; 0 for a create that is whole."""
    body, service = form.get("Body", ""), form.get("MessagingServiceSid", "")
    if not form.get("To"):
        return 21604
    if not (form.get("From") or service):
        return 21603
    if not (body or "MediaUrl" in form or "ContentSid" in form):
        return 21602
    if len(body.encode("utf-16-le", "surrogatepass")) // 2 > _LONGEST_BODY:
        return 21617
    if form.get("ScheduleType") != "fixed":
        return 0
    if not service:
        return 35118
    if not form.get("SendAt"):
        return 35111
    leaves = moment(form["SendAt"])
    return 0 if leaves and _SOONEST < leaves - at <= _LATEST else 35114


def keyword(words: str) -> str:
    """STOP, START or HELP when that is all a family wrote, in any of Twilio's words for it; else nothing."""
    return _KEYWORDS.get(words.strip().upper(), "")


@lru_cache(maxsize=65536)
def e164(written: str) -> str | None:
    """The number as Twilio keeps it, or None for what is no number."""
    if written == MAGIC_WORKS:
        return written
    try:
        return PhoneNumber.parse(written).e164
    except PhoneRefused:
        return None


def moment(said: str) -> datetime | None:
    """A date or a moment, in GMT unless it says otherwise; None for what is neither."""
    try:
        read = datetime.fromisoformat(said)
    except ValueError:
        return None
    return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)


def sent_within(sent_at: datetime | None, sign: str, said: str) -> bool:
    """Whether DateSent (that day in GMT), DateSent< or DateSent> holds; what was not sent yet is on no day (TW-60)."""
    asked = moment(said)
    if sent_at is None or asked is None:
        return False
    if sign == "<":
        return sent_at <= asked
    if sign == ">":
        return sent_at >= asked
    return sent_at.astimezone(UTC).date() == asked.date()
