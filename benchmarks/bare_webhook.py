"""The least a webhook can be: one Flask route, the library's check of the signature, one hand-written INSERT.

What it leaves out is what the program's own webhook is measured by: nothing is de-duplicated, no
opt-out is heard, nobody works on the texts, and a database that is away loses them.
"""

import os
import sqlite3
import threading
from typing import Any

import psycopg
from flask import Flask, Response, request
from twilio.request_validator import RequestValidator

from benchmarks.provider import TOKEN

_COLUMNS = "sid TEXT UNIQUE, sender TEXT, words TEXT, media INTEGER, at TIMESTAMP DEFAULT CURRENT_TIMESTAMP"
TABLE = {
    "sqlite": f"CREATE TABLE bare_texts (id INTEGER PRIMARY KEY, {_COLUMNS})",
    "postgresql": f"CREATE TABLE bare_texts (id BIGSERIAL PRIMARY KEY, {_COLUMNS})",
}
_INSERT = "INSERT INTO bare_texts (sid, sender, words, media) VALUES ({0}, {0}, {0}, {0})"


def create_app() -> Flask:
    app = Flask(__name__)
    validator = RequestValidator(TOKEN)
    address = os.environ["BARE_DATABASE"]
    public = os.environ["BARE_PUBLIC_URL"]
    insert = _on_sqlite(address) if address.startswith("sqlite") else _on_postgresql(address)

    @app.post("/twilio/inbound")
    def inbound() -> Response:
        form = request.form
        if not validator.validate(
            f"{public}/twilio/inbound", form, request.headers.get("X-Twilio-Signature", "")
        ):
            return Response(status=403)
        insert((form["MessageSid"], form["From"], form["Body"], int(form["NumMedia"])))
        return Response("<Response></Response>", content_type="text/xml")

    return app


def _on_sqlite(address: str) -> Any:
    """A connection for each thread, in WAL as the program's own, committing each INSERT."""
    of_thread = threading.local()
    statement = _INSERT.format("?")

    def connection() -> sqlite3.Connection:
        if not hasattr(of_thread, "it"):
            of_thread.it = sqlite3.connect(
                address.removeprefix("sqlite:///"), timeout=10, isolation_level=None
            )
            of_thread.it.execute("PRAGMA journal_mode=WAL")
            of_thread.it.execute("PRAGMA synchronous=NORMAL")
        made: sqlite3.Connection = of_thread.it
        return made

    return lambda row: connection().execute(statement, row)


def _on_postgresql(address: str) -> Any:
    of_thread = threading.local()
    statement = _INSERT.format("%s")

    def connection() -> psycopg.Connection[Any]:
        if not hasattr(of_thread, "it"):
            of_thread.it = psycopg.connect(address, autocommit=True)
        made: psycopg.Connection[Any] = of_thread.it
        return made

    return lambda row: connection().execute(statement, row)
