"""What somebody sent after their session had ended: kept for half an hour, so that nothing typed is lost."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from bot.staff.refusals import SignInRefused
from bot.staff.tokens import hash_of, new_token
from bot.store.tables import KeptForm

_LASTS = timedelta(minutes=30)
_LARGEST = 64 * 1024
# Whoever sends more forms than this after their session ended is not writing notes.
_EACH = 10


@dataclass(frozen=True)
class Kept:
    """A form as it was sent. `files`: there were files with it, which are not kept."""

    token: str
    path: str
    fields: tuple[tuple[str, str], ...]
    files: bool
    at: datetime


def keep(
    session: Session,
    staff_id: int,
    path: str,
    fields: Sequence[tuple[str, str]],
    *,
    files: bool,
    now: datetime,
) -> str:
    """Keep a form for its writer; the token it returns is the only key to it. Raises SignInRefused."""
    from cryptography.fernet import Fernet

    if sum(len(name.encode()) + len(value.encode()) for name, value in fields) > _LARGEST:
        raise SignInRefused("What you wrote is too long to be kept here.")
    session.execute(delete(KeptForm).where(KeptForm.at < now - _LASTS))
    so_far = session.scalars(
        select(KeptForm.token_hash).where(KeptForm.staff_id == staff_id).order_by(KeptForm.at.desc())
    ).all()
    session.execute(delete(KeptForm).where(KeptForm.token_hash.in_(so_far[_EACH - 1 :])))
    token = new_token()
    words = json.dumps({"path": path, "fields": [list(pair) for pair in fields], "files": files})
    session.add(
        KeptForm(
            token_hash=hash_of(token),
            staff_id=staff_id,
            sealed=Fernet(_key(token)).encrypt(words.encode()),
            at=now,
        )
    )
    session.flush()
    return token


def kept_for(session: Session, staff_id: int, tokens: Sequence[str], *, now: datetime) -> Sequence[Kept]:
    """What this person had written, of the forms whose tokens their browser holds; the newest last."""
    from cryptography.fernet import Fernet

    by_hash = {hash_of(token): token for token in tokens}
    found = session.scalars(
        select(KeptForm)
        .where(KeptForm.token_hash.in_(by_hash), KeptForm.staff_id == staff_id, KeptForm.at > now - _LASTS)
        .order_by(KeptForm.at)
    )
    opened = []
    for form in found:
        token = by_hash[form.token_hash]
        said = json.loads(Fernet(_key(token)).decrypt(form.sealed))
        fields = tuple((name, value) for name, value in said["fields"])
        opened.append(Kept(token, said["path"], fields, said["files"], form.at))
    return opened


def drop(session: Session, staff_id: int, token: str) -> None:
    """It was sent, or its writer does not want it any more."""
    session.execute(
        delete(KeptForm).where(KeptForm.token_hash == hash_of(token), KeptForm.staff_id == staff_id)
    )


def _key(token: str) -> bytes:
    return base64.urlsafe_b64encode(hashlib.sha256(f"kept form:{token}".encode()).digest())
