"""Passwords as they are kept: argon2id, and the same work for an address nobody has."""

import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bot.staff.refusals import StaffRefused

SHORTEST_PASSWORD = 12
# Longer than anyone types; a megabyte of "password" must not keep the hasher busy.
_LONGEST_PASSWORD = 200

_hasher = PasswordHasher()
# The hash of a password nobody has: an unknown address costs the same work as a known one, so that
# the time of an answer does not tell who works here.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$z6EgPWjE6HfzSGDjozTAbQ$dPuvZ50xugi7hUY9gWQCWuu792+EtQ/jU1JJVHbm7UM"


def hashed(password: str) -> str:
    """What is kept of a password. Raises StaffRefused for one that is too short or too long."""
    if not SHORTEST_PASSWORD <= len(_normal(password)) <= _LONGEST_PASSWORD:
        length = f"{SHORTEST_PASSWORD} to {_LONGEST_PASSWORD} characters"
        raise StaffRefused(f"a password has {length}; a few unrelated words do well")
    return _hasher.hash(_normal(password))


def belongs(password_hash: str, password: str) -> bool:
    """Whether this is the password. Nobody's, and one that was never set, costs the same work."""
    if len(password) > _LONGEST_PASSWORD:
        password = ""
    try:
        return _hasher.verify(password_hash or _NOBODY, _normal(password)) and bool(password_hash)
    except (VerificationError, InvalidHashError):
        return False


def is_stale(password_hash: str) -> bool:
    """Whether it was made with less work than is asked today."""
    return _hasher.check_needs_rehash(password_hash)


def _normal(password: str) -> str:
    """The same accents typed on another keyboard are the same password."""
    return unicodedata.normalize("NFKC", password)
