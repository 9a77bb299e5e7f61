"""Settings of the security of the connection to the broker."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from pipeline.settings.section import Section


class Security(Section):
    """Security of the connection to the broker, for both client libraries. Keep secrets in the environment."""

    protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        "plaintext", description="ssl: TLS; sasl_plaintext: SASL without TLS; sasl_ssl: SASL over TLS"
    )
    mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN", "OAUTHBEARER"] = Field(
        "SCRAM-SHA-512", description="SASL mechanism"
    )
    username: str | None = Field(None, description="SASL user name")
    password: SecretStr | None = Field(None, description="SASL password")
    ca_file: Path | None = Field(
        None, description="PEM file of certificate authorities; unset: those of the operating system"
    )
    cert_file: Path | None = Field(None, description="PEM file of the client's own certificate, for mutual TLS")
    key_file: Path | None = Field(None, description="PEM file of the client's key; unset: the key is in cert_file")
    token_file: Path | None = Field(
        None, description="file of the OAUTHBEARER token; it is read again at each connection"
    )
    token_command: tuple[str, ...] = Field(
        (), description="command that prints the OAUTHBEARER token; it runs at each connection"
    )

    @property
    def tls(self) -> bool:
        """Whether the connection uses TLS."""
        return self.protocol in {"ssl", "sasl_ssl"}

    @property
    def sasl(self) -> bool:
        """Whether the client authenticates with SASL."""
        return self.protocol in {"sasl_plaintext", "sasl_ssl"}
