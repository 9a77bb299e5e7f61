"""Sign-in by OpenID Connect Core 1.0: the authorization code flow with PKCE (RFC 7636).

The provider's metadata is read once. Its keys are read again when a token's signature matches no known key.
"""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import httpx
import msgspec
from anyio import CapacityLimiter
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from msgspec import Struct

from pipeline.base.errors import AccountError, DependencyError
from pipeline.base.json_reading import read_json
from pipeline.review.accounts.accounts import Role
from pipeline.settings import Oidc

SIGNED_BY = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"]
"""Accepted signature algorithms. All need the provider's private key: `none` and HMAC are left out."""
LEEWAY_SECONDS = 60
QUESTIONS = 4
"""Questions to the provider at once. Strangers can make the console ask, and other pages need threads, too."""
RANKED: tuple[Role, ...] = ("admin", "lead", "moderator", "auditor")
"""Roles by rank. If a person's groups give several roles, the first one here holds."""


class Attempt(Struct, frozen=True):
    """Values that the browser stores while the person signs in at the provider."""

    state: str
    nonce: str
    verifier: str
    then: str


class Identity(Struct, frozen=True):
    """A person whom the provider has signed in, with the role that their groups give."""

    subject: str
    """Issuer and `sub`. A provider may give a name to another person, but never a `sub`."""
    name: str
    role: Role


def attempt(then: str) -> Attempt:
    """Start a sign-in with new random values. `then` is the path to open after it."""
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    return Attempt(state, nonce, verifier, then)


class Metadata(Struct, frozen=True):
    """What the provider says about itself: its name, and the addresses of what it offers."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


class Provider:
    """An OpenID provider; `clock` returns UTC seconds.

    `address` and `identity` raise DependencyError if the provider does not answer or answers wrongly.
    """

    def __init__(self, settings: Oidc, redirect: str, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._redirect = redirect
        self._clock = clock
        # No redirects: the client's secret must not go to another host.
        self._client = httpx.Client(timeout=settings.seconds, follow_redirects=False)
        self._metadata: Metadata | None = None
        self._keys: KeySet | None = None
        self.questions = CapacityLimiter(QUESTIONS)
        """Limits the threads that wait for an answer."""

    def address(self, trying: Attempt) -> str:
        """Return the URL at the provider where the person signs in."""
        challenge = urlsafe_b64encode(sha256(trying.verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._redirect,
            "scope": " ".join(self._settings.scopes),
            "state": trying.state,
            "nonce": trying.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{self._known().authorization_endpoint}?{urlencode(asked)}"

    def identity(self, code: str, trying: Attempt) -> Identity:
        """Return the person for whom the provider issued `code`.

        Raises AccountError if the token is not valid for us, or if the person's groups give no role.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect,
            "code_verifier": trying.verifier,
        }
        answer = self._ask("POST", self._known().token_endpoint, data=form)
        return self._identity(self._claims(str(answer.get("id_token", "")), trying.nonce))

    def close(self) -> None:
        """Close the connections to the provider."""
        self._client.close()

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        wanted = self._settings
        groups = claims.get(wanted.groups_claim)
        groups = groups if isinstance(groups, list) else [groups]
        roles = {wanted.roles[group] for group in groups if isinstance(group, str) and group in wanted.roles}
        if not roles:
            raise AccountError(
                "None of your groups has a role here", "Ask an admin to add one to console.oidc.roles.", text="no_role"
            )
        name = str(claims.get(wanted.name_claim) or claims["sub"])
        return Identity(f"{wanted.issuer} {claims['sub']}", name, next(role for role in RANKED if role in roles))

    def _claims(self, token: str, nonce: str) -> Mapping[str, Any]:
        registry = jwt.JWTClaimsRegistry(
            now=lambda: int(self._clock()),
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self._settings.issuer},
            aud={"essential": True, "value": self._settings.client_id},
            azp={"value": self._settings.client_id},  # another app that the provider issued the token to
            exp={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            claims = self._decoded(token).claims
            registry.validate(claims)
        except (JoseError, ValueError) as error:
            raise AccountError(
                f"The provider's token is not valid: {error}", "Sign in again.", text="oidc_token"
            ) from error
        return claims

    def _decoded(self, token: str) -> jwt.Token:
        if self._keys is not None:
            try:
                return jwt.decode(token, self._keys, algorithms=SIGNED_BY)
            except (JoseError, ValueError):
                self._keys = None  # the provider may have changed its keys: read them again
        self._keys = self._read_keys()
        return jwt.decode(token, self._keys, algorithms=SIGNED_BY)

    def _read_keys(self) -> KeySet:
        keys = self._ask("GET", self._known().jwks_uri)
        try:
            return KeySet.import_key_set(keys)  # type: ignore[arg-type]
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise DependencyError(f"The OpenID provider's keys cannot be read: {error}", "Try again.") from error

    def _known(self) -> Metadata:
        if self._metadata is None:
            found = self._ask("GET", f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration")
            try:
                metadata = msgspec.convert(found, Metadata)
            except msgspec.ValidationError as error:
                raise DependencyError(
                    f"The OpenID provider's metadata is not complete: {error}", "Check console.oidc.issuer."
                ) from error
            # OpenID Connect Discovery 4.3 demands it: otherwise one provider could speak for another.
            if metadata.issuer != self._settings.issuer:
                raise DependencyError(
                    f"The OpenID provider names itself {metadata.issuer}",
                    "Set console.oidc.issuer to exactly this name.",
                )
            self._metadata = metadata
        return self._metadata

    def _ask(self, method: str, url: str, **form: Any) -> dict[str, Any]:
        secret = self._settings.client_secret
        # Only the request for a token has a form.
        auth = (self._settings.client_id, secret.get_secret_value()) if form and secret else None
        try:
            answer = self._client.request(method, url, auth=auth, **form).raise_for_status()
            return read_json(answer.content, dict[str, Any])
        except (httpx.HTTPError, httpx.InvalidURL, msgspec.DecodeError) as error:
            raise DependencyError(f"The request to the OpenID provider failed: {error}", "Try again.") from error
