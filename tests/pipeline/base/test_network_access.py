"""Only the given tokens are accepted. `tests/agents/gateway/test_gateway_server.py` tries the headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import ConfigError
from pipeline.base.network_access import ServerTokens, TokenSet, is_address, is_private, is_public

REFUSAL = ("The server has no token", "Set one.")


@given(st.lists(st.text(max_size=5), max_size=3), st.text(max_size=5))
def test_only_given_tokens_are_held(tokens: list[str], token: str) -> None:
    assert TokenSet(tokens).holds(token) == (token in tokens)


def test_a_token_is_generated_only_on_loopback() -> None:
    made = ServerTokens([], "127.0.0.1", REFUSAL)
    assert made.generated
    assert made.accepts([f"Bearer {made.generated}"])
    assert ServerTokens(["a"], "192.0.2.1", REFUSAL).generated is None
    with pytest.raises(ConfigError, match="Set one"):
        ServerTokens([], "192.0.2.1", REFUSAL)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "10.1.2.3", "192.168.0.9", "172.16.5.5", "fd00::1", "::ffff:10.0.0.1"]
)
def test_private(address: str) -> None:
    assert is_private(address)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "2606:4700::1", "::ffff:8.8.8.8", "169.254.169.254", "fe80::1", "0.0.0.0", "::"],  # noqa: S104
)
def test_not_private(address: str) -> None:
    assert not is_private(address)


def test_a_name_is_no_address() -> None:
    assert not is_address("localhost")
    assert is_address("::1")
    with pytest.raises(ValueError, match="localhost"):
        is_private("localhost")


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888"])
def test_an_address_of_the_internet(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",  # noqa: S104
        "255.255.255.255", "::1", "::", "fe80::1%eth0", "fd00::1", "ff0e::1", "::ffff:10.0.0.1", "::ffff:8.8.8.8",
        "2002:0a00:0001::", "64:ff9b::a00:1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    ],
)  # fmt: skip
def test_an_address_that_is_not_of_the_internet(address: str) -> None:
    assert not is_public(address)
