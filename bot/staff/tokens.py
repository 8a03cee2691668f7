"""Secrets that a browser keeps and the database does not: only their hash stands there."""

import hashlib
import secrets


def new_token() -> str:
    """256 bits that nobody guesses."""
    return secrets.token_urlsafe(32)


def hash_of(token: str) -> str:
    """What is kept of a token. A plain SHA-256 does: no list of guesses holds 256 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()
