"""The district's own sign-in (OpenID Connect): it says who somebody is, and opens the desk to staff members only."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import audit
from bot.staff.members import address_of
from bot.staff.refusals import SignInRefused
from bot.staff.tokens import new_token
from bot.store.tables import Staff

# Signatures by the provider's own key pair. Never "none", and never one that our client secret could make.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_SECONDS = 5
_LEEWAY_SECONDS = 60
_KNOWN_FOR = timedelta(hours=1)
_SCOPE = "openid email profile"
_AWAY = (
    "The district's sign-in does not answer at the moment. Try again in a minute, or sign in with a password."
)
_NOT_GOOD = "The district's sign-in did not say who you are in a way that can be trusted. Try once more."


@dataclass(frozen=True)
class Pending:
    """A sign-in that is under way: what the browser must bring back, and what it never shows."""

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True)
class Identity:
    """Who the district says this is. `subject` never changes; an address may be given to somebody else."""

    issuer: str
    subject: str
    email: str
    email_verified: bool


class District:
    """Speaks with one provider, found by its issuer's address; authorization code with PKCE, state and nonce."""

    def __init__(self, issuer: str, client_id: str, client_secret: str, label: str) -> None:
        self._issuer, self._client_id, self._client_secret = issuer, client_id, client_secret
        self.label = label
        self._found: tuple[datetime, dict[str, Any]] | None = None

    def begin(self, back: str, *, now: datetime) -> tuple[str, Pending]:
        """The address to send the browser to, and what to keep for when it comes back to *back*.

        Raises SignInRefused while the provider is away.
        """
        pending = Pending(new_token(), new_token(), new_token())
        where = self._provider(now)["authorization_endpoint"]
        with self._client(back) as client:
            address, _ = client.create_authorization_url(
                where, state=pending.state, nonce=pending.nonce, code_verifier=pending.verifier
            )
        return str(address), pending

    def finish(self, pending: Pending, given: Mapping[str, str], back: str, *, now: datetime) -> Identity:
        """Exchange what the browser brought back for who it is. Raises SignInRefused."""
        if not hmac.compare_digest(given.get("state", "").encode(), pending.state.encode()):
            raise SignInRefused("This sign-in was begun elsewhere or long ago. Begin again from this page.")
        if given.get("iss", self._issuer) != self._issuer or "error" in given or not given.get("code"):
            raise SignInRefused("The district's sign-in did not let you in. Try again, or ask your district.")
        provider = self._provider(now)
        claims = self._claims(provider, self._token(provider, given["code"], pending, back), pending, now)
        verified = claims.get("email_verified")
        return Identity(
            issuer=self._issuer,
            subject=claims["sub"],
            email=str(claims.get("email", "")),
            # Some send it as a word. Anything else is no yes.
            email_verified=verified is True or verified == "true",
        )

    def _provider(self, now: datetime) -> dict[str, Any]:
        """Where everything is, by discovery; an hour old at most."""
        if self._found is None or self._found[0] < now - _KNOWN_FOR:
            found = self._fetch(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
            # Another's name in it would let that other sign anybody in.
            if found.get("issuer") != self._issuer or not all(
                isinstance(found.get(name), str)
                for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
            ):
                raise SignInRefused(_AWAY)
            self._found = (now, found)
        return self._found[1]

    def _fetch(self, address: str) -> dict[str, Any]:
        with self._client("") as client:
            try:
                answer = client.get(address, timeout=_SECONDS, withhold_token=True, allow_redirects=False)
                found = answer.json() if answer.status_code == 200 else None
            except (OSError, ValueError):
                found = None
        if not isinstance(found, dict):
            raise SignInRefused(_AWAY)
        return found

    def _token(self, provider: dict[str, Any], code: str, pending: Pending, back: str) -> str:
        from authlib.common.errors import AuthlibBaseError

        with self._client(back, provider) as client:
            try:
                answer = client.fetch_token(
                    provider["token_endpoint"],
                    code=code,
                    code_verifier=pending.verifier,
                    timeout=_SECONDS,
                    allow_redirects=False,
                )
            except AuthlibBaseError:
                raise SignInRefused(_NOT_GOOD) from None
            except (OSError, ValueError):
                raise SignInRefused(_AWAY) from None
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise SignInRefused(_NOT_GOOD)
        return token

    def _claims(
        self, provider: dict[str, Any], token: str, pending: Pending, now: datetime
    ) -> dict[str, Any]:
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        # Fetched each time: a provider changes its keys whenever it likes, and few people sign in.
        keys = self._fetch(provider["jwks_uri"])
        must = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=_LEEWAY_SECONDS,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": pending.nonce},
        )
        try:
            said = jwt.decode(token, KeySet.import_key_set(keys), algorithms=_ALGORITHMS)  # type: ignore[arg-type]
            must.validate(said.claims)
        except (JoseError, ValueError, TypeError, KeyError):
            raise SignInRefused(_NOT_GOOD) from None
        claims = said.claims
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != self._client_id:
            raise SignInRefused(_NOT_GOOD)
        if not claims["sub"] or len(claims["sub"]) > 255:
            raise SignInRefused(_NOT_GOOD)
        return dict(claims)

    def _client(self, back: str, provider: Mapping[str, Any] | None = None) -> Any:
        from authlib.integrations.requests_client import OAuth2Session

        ways = (provider or {}).get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        by_form = "client_secret_basic" not in ways and "client_secret_post" in ways
        way = "client_secret_post" if by_form else "client_secret_basic"
        return OAuth2Session(
            self._client_id,
            self._client_secret or None,
            token_endpoint_auth_method=way if self._client_secret else "none",
            scope=_SCOPE,
            redirect_uri=back,
            code_challenge_method="S256",
        )


def by_identity(session: Session, identity: Identity, *, now: datetime) -> Staff:
    """The active staff member this is: by the subject, or the first time by an address the district has verified.

    Raises SignInRefused.
    """
    bound = session.scalar(
        select(Staff).where(Staff.oidc_issuer == identity.issuer, Staff.oidc_subject == identity.subject)
    )
    member = bound
    if member is None:
        if not identity.email_verified or not identity.email:
            raise SignInRefused(
                "The district's sign-in does not vouch for your e-mail address, so nobody knows whose account "
                "this is. Sign in with a password, or ask the office that runs Presente."
            )
        member = session.scalar(
            select(Staff).where(Staff.email == address_of(identity.email)).with_for_update()
        )
    if member is None or not member.active:
        raise SignInRefused(
            "You are signed in at the district, but are no staff member here. The office that runs Presente adds people."
        )
    if bound is None:
        if member.oidc_subject is not None:
            raise SignInRefused(
                "This e-mail address belongs to an account of somebody else at the district. "
                "The office that runs Presente can let the account go."
            )
        member.oidc_issuer, member.oidc_subject = identity.issuer, identity.subject
        audit.note(session, member.id, "identity_bound", detail=member.email, now=now)
    return member


def forget_identity(session: Session, staff_id: int, *, now: datetime, by: int | None) -> None:
    """Let go of the district's account: the next one with this address is bound instead."""
    member = session.get_one(Staff, staff_id)
    if member.oidc_subject is not None:
        member.oidc_issuer = member.oidc_subject = None
        audit.note(session, by, "identity_forgotten", detail=member.email, now=now)
