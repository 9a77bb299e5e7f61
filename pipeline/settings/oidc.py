"""Settings of the sign-in with OpenID Connect."""

from typing import Literal

from pydantic import Field, PositiveFloat, SecretStr

from pipeline.settings.section import Section


class Oidc(Section):
    """Sign-in with OpenID Connect."""

    issuer: str = Field(description="issuer URL of the provider, e.g. https://id.example.org")
    client_id: str = Field(description="client id of the console at the provider")
    client_secret: SecretStr | None = Field(None, description="client secret; set it in the environment")
    scopes: tuple[str, ...] = Field(("openid", "profile"), description="scopes that the console requests")
    name_claim: str = Field("preferred_username", description="claim that names the account")
    groups_claim: str = Field("groups", description="claim that lists the groups of the account")
    roles: dict[str, Literal["moderator", "lead", "auditor", "admin"]] = Field(
        description="role by group; a person in none of these groups is refused"
    )
    seconds: PositiveFloat = Field(10.0, description="seconds within which the provider must answer")
