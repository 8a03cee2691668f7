"""What the API shows of an account: JSON in the shapes of Twilio's OpenAPI document, every value typed as there."""

from collections.abc import Collection
from email.utils import format_datetime
from typing import Any

from bot import texts
from bot.provider.standin import rules
from bot.provider.standin.account import Account, Message

API = "/2010-04-01/Accounts"


def message(account: Account, text: Message) -> dict[str, Any]:
    """A text. Numbers are strings, a missing value is null, and the price comes with the last status (TW-57)."""
    uri = f"{API}/{account.account_sid}/Messages/{text.sid}"
    finished = text.status in ("delivered", "undelivered", "failed")
    failed = text.error_code if finished and text.error_code else None
    segments = texts.segments(text.body) if text.body else 1
    return {
        "account_sid": account.account_sid,
        "api_version": "2010-04-01",
        "body": text.body,
        "date_created": format_datetime(text.created_at),
        "date_sent": format_datetime(text.sent_at) if text.sent_at else None,
        "date_updated": format_datetime(text.updated_at),
        "direction": "inbound" if text.inbound else "outbound-api",
        "error_code": failed,
        "error_message": f"Error {failed}" if failed else None,
        "from": text.sender or None,
        "messaging_service_sid": text.service_sid or None,
        "num_media": str(text.num_media),
        "num_segments": str(segments) if text.sender else "0",  # TW-52
        "price": "-0.00790" if finished else None,
        "price_unit": "USD",
        "sid": text.sid,
        "status": text.status,
        "subresource_uris": {"media": f"{uri}/Media.json", "feedback": f"{uri}/Feedback.json"},
        "to": text.to,
        "uri": f"{uri}.json",
    }


def owner(account: Account) -> dict[str, Any]:
    """The account itself."""
    uri = f"{API}/{account.account_sid}"
    return {
        "auth_token": "hidden",
        **_dates_of_the_api(account),
        "friendly_name": "Stand-in",
        "owner_account_sid": account.account_sid,
        "sid": account.account_sid,
        "status": account.account_status,
        "subresource_uris": {"messages": f"{uri}/Messages.json"},
        "type": "Full",
        "uri": f"{uri}.json",
    }


def number(account: Account, e164: str) -> dict[str, Any]:
    """One of the account's numbers, with the addresses its texts are posted to."""
    sid = _sid_of("PN", e164)
    return {
        "account_sid": account.account_sid,
        "api_version": "2010-04-01",
        "capabilities": {"voice": False, "sms": True, "mms": True, "fax": False},
        **_dates_of_the_api(account),
        "friendly_name": e164,
        "phone_number": e164,
        "sid": sid,
        "sms_application_sid": "",
        "sms_fallback_method": "POST",
        "sms_method": "POST",
        "status": "in-use",
        "status_callback_method": "POST",
        "uri": f"{API}/{account.account_sid}/IncomingPhoneNumbers/{sid}.json",
        **account.number_settings(),
    }


def service(account: Account, sid: str, url: str) -> dict[str, Any]:
    """A Messaging Service."""
    return {
        "account_sid": account.account_sid,
        "area_code_geomatch": True,
        **_dates_of_services(account),
        "fallback_method": "POST",
        "fallback_to_long_code": False,
        "friendly_name": "Stand-in",
        "inbound_method": "POST",
        "links": {"phone_numbers": f"{url}/PhoneNumbers"},
        "mms_converter": True,
        "scan_message_content": "inherit",
        "sid": sid,
        "smart_encoding": True,
        "sticky_sender": True,
        "synchronous_validation": False,
        "url": url,
        "us_app_to_person_registered": True,
        "validity_period": 36000,
        **account.service_settings(),
    }


def service_sender(account: Account, service_sid: str, sender: str, url: str) -> dict[str, Any]:
    """A number, or a short code, as a Messaging Service lists it."""
    short = not sender.startswith("+")
    sid = _sid_of("SC" if short else "PN", sender)
    return {
        "account_sid": account.account_sid,
        "capabilities": ["SMS", "MMS"],
        "country_code": "US",
        **_dates_of_services(account),
        "short_code" if short else "phone_number": sender,
        "service_sid": service_sid,
        "sid": sid,
        "url": f"{url}/{sid}",
    }


def line(account: Account, asked: str, fields: Collection[str], url: str) -> dict[str, Any]:
    """A lookup. What cannot be a number is answered too, as not valid."""
    e164 = rules.e164(asked)
    kind = {
        "type": account.lines.get(e164 or asked, "mobile"),
        "carrier_name": "A carrier",
        "mobile_country_code": "310",
        "mobile_network_code": "000",
        "error_code": None,
    }
    return {
        "calling_country_code": "1" if e164 else None,
        "country_code": "US" if e164 else None,
        "phone_number": e164 or asked,
        "national_format": asked,
        "valid": e164 is not None,
        "validation_errors": [] if e164 else ["INVALID_LENGTH"],
        "line_type_intelligence": kind if e164 and "line_type_intelligence" in fields else None,
        "url": url,
    }


def receipt(account: Account, text: Message, status: str) -> dict[str, str]:
    """A word on delivery, as it is posted to the text's own address."""
    form = {
        "AccountSid": account.account_sid,
        "ApiVersion": "2010-04-01",
        "From": text.sender,
        "MessageSid": text.sid,
        "MessageStatus": status,
        "SmsSid": text.sid,
        "SmsStatus": status,
        "To": text.to,
    }
    if text.service_sid:
        form["MessagingServiceSid"] = text.service_sid
    if status in ("undelivered", "failed"):
        form["ErrorCode"] = str(text.error_code)
    if status == "delivered":
        form["RawDlrDoneDate"] = account.clock().strftime("%y%m%d%H%M")  # TW-56
    return form


def family_text(account: Account, text: Message, opt_out_type: str) -> dict[str, str]:
    """A family's text, as it is posted to us (TW-2). The places are those of the numbers, not of people."""
    form = {
        "AccountSid": account.account_sid,
        "ApiVersion": "2010-04-01",
        "Body": text.body,
        "From": text.sender,
        "MessageSid": text.sid,
        "NumMedia": str(text.num_media),
        "NumSegments": str(texts.segments(text.body) if text.body else 1),
        "SmsMessageSid": text.sid,
        "SmsSid": text.sid,
        "SmsStatus": "received",
        "To": text.to,
    }
    for whose in ("From", "To"):
        form |= {f"{whose}City": "", f"{whose}Country": "US", f"{whose}State": "CT", f"{whose}Zip": ""}
    if text.service_sid:
        form["MessagingServiceSid"] = text.service_sid
    if opt_out_type and text.service_sid and account.advanced_opt_out:
        form["OptOutType"] = opt_out_type
    return form


def _dates_of_the_api(account: Account) -> dict[str, str]:
    at = format_datetime(account.clock())
    return {"date_created": at, "date_updated": at}


def _dates_of_services(account: Account) -> dict[str, str]:
    """The newer part of the API writes its dates differently."""
    at = account.clock().strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"date_created": at, "date_updated": at}


def _sid_of(kind: str, name: str) -> str:
    """The same id for the same name, always."""
    return f"{kind}{name.encode().hex():0>32}"[:34]
