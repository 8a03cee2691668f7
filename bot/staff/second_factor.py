"""The second factor: codes of an authenticator (RFC 6238), each good once, and ten codes for a lost telephone."""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from bot import audit
from bot.staff.refusals import StaffRefused
from bot.staff.tokens import hash_of
from bot.store.tables import RecoveryCode, SecondFactor, Staff

_STEP_SECONDS = 30
_RECOVERY_CODES = 10
# 80 bits each, so that a hash in a stolen database is nothing to guess; no letter that looks like another.
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
_LETTERS_EACH = 16
_NAME = "Presente"


class Sealer:
    """Seals what must be read again with the program's key, so that the database alone gives nothing away."""

    def __init__(self, secret_key: str) -> None:
        self._key = base64.urlsafe_b64encode(hashlib.sha256(f"second factor:{secret_key}".encode()).digest())

    def seal(self, words: str) -> bytes:
        from cryptography.fernet import Fernet

        return Fernet(self._key).encrypt(words.encode())

    def open(self, sealed: bytes) -> str | None:
        """None for what another key has sealed."""
        from cryptography.fernet import Fernet, InvalidToken

        try:
            return Fernet(self._key).decrypt(sealed).decode()
        except InvalidToken:
            return None


@dataclass(frozen=True)
class Factor:
    """Somebody's second factor. `secret` and `address` are shown while it is set up, and never again."""

    confirmed_at: datetime | None
    codes_left: int
    secret: str = ""
    address: str = ""


def factor_of(session: Session, staff_id: int, sealer: Sealer) -> Factor | None:
    """What somebody has, or is about to have; None for neither."""
    kept = session.get(SecondFactor, staff_id)
    if kept is None:
        return None
    if kept.confirmed_at is not None:
        left = session.scalar(
            select(func.count()).where(RecoveryCode.staff_id == staff_id, RecoveryCode.used_at.is_(None))
        )
        return Factor(kept.confirmed_at, left or 0)
    secret = sealer.open(kept.sealed_secret)
    return _to_set_up(session, staff_id, secret) if secret else None


def begin_factor(session: Session, staff_id: int, sealer: Sealer, *, now: datetime) -> Factor:
    """A new secret, which counts for nothing until a code of it was typed. Raises StaffRefused."""
    import pyotp

    kept = session.get(SecondFactor, staff_id)
    if kept is not None and kept.confirmed_at is not None:
        raise StaffRefused("The second factor is on already. Switch it off before you set up another one.")
    secret = pyotp.random_base32()
    if kept is None:
        kept = SecondFactor(staff_id=staff_id, sealed_secret=b"", made_at=now, confirmed_at=None, last_step=0)
        session.add(kept)
    kept.sealed_secret, kept.made_at = sealer.seal(secret), now
    session.flush()
    return _to_set_up(session, staff_id, secret)


def confirm_factor(session: Session, staff_id: int, code: str, sealer: Sealer, *, now: datetime) -> list[str]:
    """Switch it on with a first code; returns the ten recovery codes, which nobody can show again.

    Raises StaffRefused.
    """
    kept = session.get(SecondFactor, staff_id, with_for_update=True)
    if kept is None or kept.confirmed_at is not None:
        raise StaffRefused("There is no second factor to confirm. Look at your account, and begin anew.")
    if not _code_is_right(session, kept, code, sealer, now):
        raise StaffRefused(
            "That code is not right. Wait for the next one, and look at your telephone's clock."
        )
    kept.confirmed_at = now
    codes = ["".join(secrets.choice(_LETTERS) for _ in range(_LETTERS_EACH)) for _ in range(_RECOVERY_CODES)]
    session.execute(delete(RecoveryCode).where(RecoveryCode.staff_id == staff_id))
    session.add_all(RecoveryCode(staff_id=staff_id, code_hash=hash_of(code), used_at=None) for code in codes)
    audit.note(session, staff_id, "second_factor_on", now=now)
    return ["-".join(code[at : at + 4] for at in range(0, _LETTERS_EACH, 4)) for code in codes]


def factor_says(session: Session, staff_id: int, typed: str, sealer: Sealer, *, now: datetime) -> bool:
    """Whether *typed* is a code of this moment, or a recovery code; each is good once, on every machine."""
    kept = session.get(SecondFactor, staff_id)
    if kept is None or kept.confirmed_at is None:
        return False
    code = "".join(letter for letter in typed.lower() if letter.isalnum())
    if code.isdecimal():
        return _code_is_right(session, kept, code, sealer, now)
    used = session.scalar(
        update(RecoveryCode)
        .where(
            RecoveryCode.staff_id == staff_id,
            RecoveryCode.code_hash == hash_of(code),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=now)
        .returning(RecoveryCode.staff_id)
    )
    if used is not None:
        audit.note(session, staff_id, "recovery_code_used", now=now)
    return used is not None


def switch_off_factor(session: Session, staff_id: int, *, now: datetime, by: int | None) -> bool:
    """Take the second factor away; the caller has asked for the password, or is the office."""
    kept = session.get(SecondFactor, staff_id)
    if kept is None:
        return False
    confirmed = kept.confirmed_at is not None
    session.execute(delete(RecoveryCode).where(RecoveryCode.staff_id == staff_id))
    session.delete(kept)
    session.flush()
    if confirmed:
        email = session.get_one(Staff, staff_id).email
        audit.note(session, by, "second_factor_off", detail=email, now=now)
    return confirmed


def _to_set_up(session: Session, staff_id: int, secret: str) -> Factor:
    import pyotp

    email = session.get_one(Staff, staff_id).email
    return Factor(None, 0, secret, pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=_NAME))


def _code_is_right(session: Session, kept: SecondFactor, code: str, sealer: Sealer, now: datetime) -> bool:
    """One step early or late is a telephone's clock; a step that was used, or an older one, is a replay."""
    import pyotp

    secret = sealer.open(kept.sealed_secret)
    code = code.replace(" ", "")
    if secret is None or not code.isascii():
        return False
    step = int(now.timestamp()) // _STEP_SECONDS
    generator = pyotp.TOTP(secret)
    for candidate in (step - 1, step, step + 1):
        right = hmac.compare_digest(generator.generate_otp(candidate), code)
        if right and candidate > kept.last_step:
            used = session.scalar(
                update(SecondFactor)
                .where(SecondFactor.staff_id == kept.staff_id, SecondFactor.last_step < candidate)
                .values(last_step=candidate)
                .returning(SecondFactor.staff_id)
            )
            return used is not None
    return False
