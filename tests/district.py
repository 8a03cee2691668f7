"""A district's own sign-in on this machine: a small real server with discovery, keys, codes and signed tokens."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

CLIENT = "presente"
SECRET = "the client's secret"


@dataclass
class Provider:
    """What it says next, which a test may bend: `claims` on top of the honest ones, another `key`."""

    now: datetime
    email: str = "rivera@example.org"
    subject: str = "subject-1"
    verified: bool = True
    claims: dict[str, Any] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    forged_with: RSAKey | OctKey | None = None
    algorithm: str = "RS256"
    issuer_said: str = ""
    away: bool = False
    address: str = ""
    asked: dict[str, dict[str, str]] = field(default_factory=dict)

    def grant(self, authorization: str) -> str:
        """What its sign-in page would do: let the person in and send the browser back; returns that address."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(authorization).query).items()}
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert query["client_id"] == CLIENT
        code = f"code-{len(self.asked)}"
        self.asked[code] = query
        return f"{query['redirect_uri']}?code={code}&state={query['state']}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """The exchange. A code is good once, with its verifier and the client's own secret."""
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        query = self.asked.pop(form.get("code", ""), None)
        challenge = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if (
            query is None
            or authorization != f"Basic {basic}"
            or base64.urlsafe_b64encode(challenge).rstrip(b"=").decode() != query["code_challenge"]
            or form.get("redirect_uri") != query["redirect_uri"]
        ):
            return 400, {"error": "invalid_grant"}
        at = int(self.now.timestamp())
        claims = {
            "iss": self.address,
            "aud": CLIENT,
            "sub": self.subject,
            "exp": at + 300,
            "iat": at,
            "nonce": query["nonce"],
            "email": self.email,
            "email_verified": self.verified,
            **self.claims,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": self.algorithm, "kid": "one"}
        signed = jwt.encode(header, kept, self.forged_with or self.key, algorithms=[self.algorithm])
        return 200, {"access_token": "for nothing", "token_type": "Bearer", "id_token": signed}

    def get(self, path: str) -> tuple[int, Any]:
        if self.away:
            return 503, "away"
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.issuer_said or self.address,
                "authorization_endpoint": f"{self.address}/authorize",
                "token_endpoint": f"{self.address}/token",
                "jwks_uri": f"{self.address}/keys",
            }
        return 200, KeySet([self.key]).as_dict(private=False)


@contextmanager
def a_district(now: datetime) -> Iterator[Provider]:
    """The provider, listening; it stops with the block."""
    provider = Provider(now)

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(*provider.get(self.path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self._answer(*provider.token(form, self.headers.get("Authorization", "")))

        def _answer(self, status: int, said: Any) -> None:
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    provider.address = f"http://127.0.0.1:{server.server_port}"
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    serving.start()
    yield provider
    server.shutdown()
    serving.join(5)
    server.server_close()
