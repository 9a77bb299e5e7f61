"""TLS and SASL from `kafka.security`, as arguments for both Kafka clients."""

import asyncio
import ssl
import subprocess
from typing import Any

from aiokafka.abc import AbstractTokenProvider as FaustTokens
from faust.auth import Credentials, OAuthCredentials, SASLCredentials, SSLCredentials
from kafka.net.sasl.oauth import AbstractTokenProvider as KafkaTokens

from pipeline.base.errors import ConfigError, DependencyError
from pipeline.settings import Security

COMMAND_SECONDS = 10


def client_arguments(security: Security) -> dict[str, Any]:
    """Return the arguments for kafka-python's clients.

    Raises ConfigError for a setting that is missing or cannot be read.
    """
    arguments: dict[str, Any] = {"security_protocol": security.protocol.upper()}
    if security.tls:
        arguments["ssl_context"] = tls_context(security)
    if security.sasl and security.mechanism == "OAUTHBEARER":
        arguments |= {"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_provider": _ForKafka(security)}
    elif security.sasl:
        username, password = _login(security)
        arguments |= {
            "sasl_mechanism": security.mechanism,
            "sasl_plain_username": username,
            "sasl_plain_password": password,
        }
    return arguments


def producer_arguments(security: Security) -> dict[str, Any]:
    """Return the arguments for aiokafka's clients. Raises ConfigError as `client_arguments` does."""
    arguments = client_arguments(security)
    if "sasl_oauth_token_provider" in arguments:
        arguments["sasl_oauth_token_provider"] = _ForFaust(security)
    return arguments


def faust_credentials(security: Security) -> Credentials | None:
    """Return Faust's `broker_credentials`. Raises ConfigError as `client_arguments` does."""
    context = tls_context(security) if security.tls else None
    if not security.sasl:
        return SSLCredentials(context=context) if context else None
    if security.mechanism == "OAUTHBEARER":
        return OAuthCredentials(oauth_cb=_ForFaust(security), ssl_context=context)
    username, password = _login(security)
    return SASLCredentials(username=username, password=password, ssl_context=context, mechanism=security.mechanism)


def tls_context(security: Security) -> ssl.SSLContext:
    """Return a TLS context that checks the broker's certificate and name, and presents ours if one is set.

    Raises ConfigError if a file cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=security.ca_file)  # checks the certificate and the host's name
        if security.cert_file:
            context.load_cert_chain(security.cert_file, security.key_file)
    except (OSError, ssl.SSLError) as error:
        files = [str(file) for file in (security.ca_file, security.cert_file, security.key_file) if file]
        raise ConfigError(
            f"TLS for Kafka: {error.strerror or error} ({', '.join(files)})", "Use PEM files that this user can read."
        ) from error
    return context


def token(security: Security) -> str:
    """Return the current token from the file or command.

    It is read for each new connection, so a renewed token is used.

    Raises ConfigError if none is set or the file cannot be read, and DependencyError if the command fails.
    """
    if security.token_command:
        return _from_command(security.token_command)
    if not security.token_file:
        raise ConfigError("OAUTHBEARER has no token", "Set kafka.security.token_file or token_command.")
    try:
        return security.token_file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The token file {security.token_file} cannot be read", "Check its path and owner."
        ) from error


def _from_command(command: tuple[str, ...]) -> str:
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=COMMAND_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:  # its output may hold a secret, so it is not shown
        raise DependencyError(
            f"The token command {command[0]} failed ({type(error).__name__})", "Run it by hand to see why."
        ) from error
    return done.stdout.strip()


def _login(security: Security) -> tuple[str, str]:
    if security.username is None or security.password is None:
        raise ConfigError(
            f"{security.mechanism} needs kafka.security.username and password",
            "Set the password in the environment: VOXWARDEN_KAFKA__SECURITY__PASSWORD.",
        )
    return security.username, security.password.get_secret_value()


class _ForKafka(KafkaTokens):  # type: ignore[misc]  # the library has no types
    def __init__(self, security: Security) -> None:
        super().__init__()
        token(security)  # report a mistake at the start, not in a thread of the library
        self._security = security

    def token(self) -> str:
        return token(self._security)


class _ForFaust(FaustTokens):  # type: ignore[misc]  # the library has no types
    def __init__(self, security: Security) -> None:
        token(security)
        self._security = security

    async def token(self) -> str:
        return await asyncio.to_thread(token, self._security)  # a command may take seconds, and heartbeats go on
