"""What a form of the desk sent, read with care: numbers, days, members of closed lists, and the way back."""

import re
import secrets
from datetime import date
from enum import StrEnum
from typing import TypeVar

from flask import request

from bot.casework.written import CaseworkRefused

_Value = TypeVar("_Value")
_Kind = TypeVar("_Kind", bound=StrEnum)

# Only our own pages: an address from elsewhere must not become a link of the desk.
_BACK = re.compile(r"/desk/(?:(?:family|student|visit)/\d{1,18}|visits|tasks)")
# What a browser puts into an integer column; anything longer is no id of ours.
_NUMBER = re.compile(r"[0-9]{1,9}")


def number(name: str) -> int | None:
    """The whole number in this field; None for nothing and for anything else."""
    value = request.values.get(name, "").strip()
    return int(value) if _NUMBER.fullmatch(value) else None


def is_number(value: str) -> bool:
    """Whether this is a whole number that may be an id of ours."""
    return _NUMBER.fullmatch(value) is not None


def numbers(name: str) -> tuple[int, ...]:
    """Every number that was ticked under this name."""
    return tuple(int(value) for value in request.values.getlist(name) if _NUMBER.fullmatch(value))


def day(name: str) -> date | None:
    try:
        return date.fromisoformat(request.values.get(name, ""))
    except ValueError:
        return None


def member(kind: type[_Kind], name: str) -> _Kind | None:
    """A member of a closed list; None for nothing and for what is not in it."""
    value = request.values.get(name, "")
    return kind(value) if value in {each.value for each in kind} else None


def chosen(value: _Value | None, otherwise: str) -> _Value:
    """What was chosen. Raises CaseworkRefused with the sentence *otherwise* where nothing was."""
    if value is None:
        raise CaseworkRefused(otherwise)
    return value


def ticked(name: str) -> bool:
    return request.values.get(name) == "yes"


def form_key() -> str:
    """The form's own key: sent twice, by an impatient second click, it acts once."""
    sent = request.form.get("form_key", "")
    return sent if re.fullmatch(r"[0-9a-f]{32}", sent) else secrets.token_hex(16)


def back(otherwise: str) -> str:
    """The page this form was opened from, when it is one of ours."""
    value = request.values.get("back", "")
    return value if _BACK.fullmatch(value) else otherwise


def whole(name: str) -> str:
    """What was typed into a field that is kept, without the NUL that PostgreSQL takes in no text."""
    return request.values.get(name, "").replace("\x00", "")


def words(name: str) -> str:
    """What was typed into a field that is searched for: PostgreSQL takes no NUL."""
    return request.values.get(name, "").replace("\x00", "").strip()[:200]
