"""The arguments of both client libraries for each way to connect."""

import sys
from pathlib import Path

import pytest
from faust.auth import OAuthCredentials, SASLCredentials, SSLCredentials
from pydantic import SecretStr

from agents.broker.kafka_security import client_arguments, faust_credentials, token
from pipeline.base.errors import ConfigError, DependencyError
from pipeline.settings import Security


def test_plaintext_needs_no_arguments() -> None:
    assert client_arguments(Security()) == {"security_protocol": "PLAINTEXT"}
    assert faust_credentials(Security()) is None


def test_tls_checks_the_brokers_name() -> None:
    security = Security(protocol="ssl")
    arguments, credentials = client_arguments(security), faust_credentials(security)
    assert arguments["security_protocol"] == "SSL"
    assert arguments["ssl_context"].check_hostname
    assert isinstance(credentials, SSLCredentials)
    assert credentials.context.check_hostname


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"])
def test_both_clients_get_the_password(mechanism: str) -> None:
    security = Security.model_validate(
        {"protocol": "sasl_ssl", "mechanism": mechanism, "username": "u", "password": SecretStr("p")}
    )
    arguments, credentials = client_arguments(security), faust_credentials(security)
    assert arguments["security_protocol"] == "SASL_SSL"
    assert isinstance(credentials, SASLCredentials)
    assert credentials.protocol.value == "SASL_SSL"
    assert arguments["sasl_mechanism"] == credentials.mechanism.value == mechanism
    assert (arguments["sasl_plain_username"], arguments["sasl_plain_password"]) == ("u", "p")
    assert (credentials.username, credentials.password) == ("u", "p")


async def test_a_renewed_token_is_used(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    security = Security(protocol="sasl_plaintext", mechanism="OAUTHBEARER", token_file=file)
    arguments, credentials = client_arguments(security), faust_credentials(security)
    assert isinstance(credentials, OAuthCredentials)
    assert arguments["sasl_oauth_token_provider"].token() == await credentials.oauth_cb.token() == "first"
    file.write_text("second")
    assert arguments["sasl_oauth_token_provider"].token() == await credentials.oauth_cb.token() == "second"


def test_a_token_comes_from_a_command() -> None:
    assert token(Security(token_command=(sys.executable, "-c", "print('made')"))) == "made"


def test_a_failing_command_does_not_show_its_output() -> None:
    command = (sys.executable, "-c", "print('secret'); raise SystemExit(1)")
    with pytest.raises(DependencyError, match="token command") as caught:
        token(Security(token_command=command))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("security", "message"),
    [
        (Security(protocol="sasl_ssl"), "needs kafka.security.username and password"),
        (Security(protocol="ssl", ca_file=Path("/no/such.pem")), r"TLS for Kafka: No such file.*/no/such\.pem"),
        (Security(protocol="sasl_ssl", mechanism="OAUTHBEARER"), "OAUTHBEARER has no token"),
        (Security(token_file=Path("/no/such")), None),
    ],
)
def test_mistakes_name_the_setting(security: Security, message: str | None) -> None:
    with pytest.raises(ConfigError, match=message or "token file /no/such cannot be read"):
        client_arguments(security) if message else token(security)
