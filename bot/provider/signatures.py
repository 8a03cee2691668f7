"""Whether a post to our webhooks was signed by Twilio (TW-30 to TW-38)."""

import base64
import hmac
from collections.abc import Iterable
from itertools import chain
from typing import Any

from twilio.request_validator import HMAC_SHA1, HMAC_SHA256, RequestValidator, get_signature_algorithm

Pairs = Iterable[tuple[str, str]]


class Signatures:
    """The tokens a post may be signed with: two while one replaces the other (TW-36).

    Almost every post is signed for the very address that is configured. That is checked here, with keys
    that were prepared once; only when it fails is Twilio's own validator asked, which is ten times as
    slow and knows the rest: an address with or without its standard port (TW-31), and HMAC-SHA256.
    """

    def __init__(self, tokens: Iterable[str]) -> None:
        # An empty token would be a key that everybody has.
        chosen = [token for token in tokens if token]
        self._keyed = [hmac.new(token.encode(), digestmod="sha1") for token in chosen]
        self._validators = [RequestValidator(token) for token in chosen]

    def signed(self, url: str, form: Any, signature: str | None, settings: str | None = None) -> bool:
        """Whether *form*, a Werkzeug MultiDict, was posted to *url* by somebody who has a token.

        *settings* is the header X-Twilio-Webhooks-Signature-Settings, which names the algorithm. Total:
        a missing header, a strange body or any failure of the check itself is a no (TW-32).
        """
        try:
            pairs = list(form.items(multi=True))
        except Exception:  # noqa: BLE001 - no MultiDict: the library may know what it is
            pairs = None
        return self._signed(url, pairs, form, signature, settings)

    def signed_pairs(
        self, url: str, pairs: list[tuple[str, str]], signature: str | None, settings: str | None = None
    ) -> bool:
        """As `signed`, for the names and values that `urllib.parse.parse_qsl` gives.

        Blank values must be kept and nothing be trimmed: all of it was signed (TW-35).
        """
        return self._signed(url, pairs, None, signature, settings)

    def _signed(
        self,
        url: str,
        pairs: list[tuple[str, str]] | None,
        form: Any,
        signature: str | None,
        settings: str | None,
    ) -> bool:
        if not signature:
            return False
        try:
            algorithm = get_signature_algorithm(settings).upper()
            if algorithm == HMAC_SHA1 and pairs is not None and self._as_it_stands(url, pairs, signature):
                return True
            # What the library does not know it logs, and a forger would choose the words.
            if algorithm not in {HMAC_SHA1, HMAC_SHA256}:
                return False
            asked = _Form(pairs) if form is None else form
        except Exception:  # noqa: BLE001 - any crash of the check is a forged post (TW-32)
            return False
        return any(_says_yes(each, url, asked, signature, algorithm) for each in self._validators)

    def _as_it_stands(self, url: str, pairs: Pairs, signature: str) -> bool:
        # Sorted as pairs: each name's distinct values in their order, behind the name (TW-30).
        signed = "".join(chain((url,), *sorted(set(pairs)))).encode()
        said = signature.encode()
        for keyed in self._keyed:
            own = keyed.copy()
            own.update(signed)
            if hmac.compare_digest(base64.b64encode(own.digest()), said):
                return True
        return False


class _Form(dict[str, list[str]]):
    """Pairs as the library reads a form: a name once, with all its values."""

    def __init__(self, pairs: Pairs | None) -> None:
        super().__init__()
        for name, value in pairs or ():
            self.setdefault(name, []).append(value)

    def getlist(self, name: str) -> list[str]:
        return self[name]


def _says_yes(validator: RequestValidator, url: str, form: Any, signature: str, algorithm: str) -> bool:
    try:
        return bool(validator.validate(url, form, signature, algorithm))
    except Exception:  # noqa: BLE001 - any crash of the check is a forged post (TW-32)
        return False
