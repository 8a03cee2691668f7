"""The provider's two posts: a family's text came in, and what became of one of ours."""

import logging
from urllib.parse import quote, urlsplit

from flask import Blueprint, Request, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from bot import delivery, inbound, outbox
from bot.web.parts import Parts

_log = logging.getLogger(__name__)

_FORM = "application/x-www-form-urlencoded"
# What the columns hold; the provider's own values are far shorter.
_LONGEST_ID = 64
_LONGEST_SENDER = 80


def nothing_to_say(status: int = 200) -> Response:
    """An empty TwiML answer: a plain "OK" would be texted to the family (TW-11)."""
    return Response("<Response></Response>", status, content_type="text/xml; charset=utf-8")


def pages(parts: Parts) -> Blueprint:
    page = Blueprint("webhooks", __name__, url_prefix="/twilio")

    @page.post("/inbound", endpoint="inbound")
    def family_wrote() -> Response:
        if not _signed_by_provider(parts, request):
            return _refused(parts)
        form = request.form
        sid = form.get("MessageSid") or form.get("SmsSid") or form.get("SmsMessageSid") or ""
        if not sid:
            return nothing_to_say(400)
        with parts.database.begin() as session:
            inbound.receive(
                session,
                provider_sid=_kept(sid, _LONGEST_ID),
                sender=_kept(form.get("From", ""), _LONGEST_SENDER),
                words=_kept(form.get("Body", "")),
                media_count=_number(form.get("NumMedia", "")),
                opt_out_type=_kept(form.get("OptOutType", ""), 10),
                now=parts.now,
            )
        parts.wake()
        return nothing_to_say()

    @page.post("/status/<token>", endpoint="status")
    def text_went_on(token: str) -> Response:
        if not _signed_by_provider(parts, request):
            return _refused(parts)
        form = request.form
        with parts.database.begin() as session:
            delivery.receipt(
                session,
                token=_kept(token, _LONGEST_ID),
                status=_kept(form.get("MessageStatus") or form.get("SmsStatus") or ""),
                error_code=_kept(form.get("ErrorCode", "")),
                provider_sid=_kept(form.get("MessageSid", ""), _LONGEST_ID) or None,
                script=parts.script,
                now=parts.now,
            )
        parts.wake()
        return Response(status=204)

    return page


def _signed_by_provider(parts: Parts, posted: Request) -> bool:
    """Whether the provider signed this post. A post that is too large is refused before it is read whole."""
    if posted.mimetype != _FORM:
        return False
    try:
        form = posted.form
        signature = posted.headers.get("X-Twilio-Signature")
        return bool(signature) and parts.signed(parts.public_url + _target(posted), form, signature)
    except RequestEntityTooLarge:
        raise
    except Exception:  # noqa: BLE001 - whatever a forger thinks of is a refusal, never an error (TW-32)
        return False


def _target(posted: Request) -> str:
    """The path and query exactly as they were sent: decoding and encoding again breaks signatures (TW-33)."""
    raw = posted.environ.get("RAW_URI") or posted.environ.get("REQUEST_URI")
    if not raw:
        path = quote(posted.path, safe="/-._~!$&'()*+,;=:@")
        query = posted.environ.get("QUERY_STRING", "")
        return f"{path}?{query}" if query else path
    if raw.startswith("/"):
        return str(raw)
    whole = urlsplit(raw)  # a proxy may send the whole address on the request line
    return f"{whole.path}?{whole.query}" if whole.query else whole.path


def _refused(parts: Parts) -> Response:
    """403: nothing of it is stored or logged, it is only counted (TW-32)."""
    try:
        with parts.database.begin() as session:
            outbox.count_refusal(session, "webhook_refused", parts.now)
    except Exception:  # noqa: BLE001 - a forger gets the same answer, whatever our counting does
        _log.exception("a refused webhook could not be counted")
    return nothing_to_say(403)


def _kept(value: str, longest: int | None = None) -> str:
    """As the database can hold it: PostgreSQL knows no NUL in a text."""
    return value.replace("\x00", "")[:longest]


def _number(value: str) -> int:
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 2 else 0
