"""Addresses of this machine, of private networks, and of the internet."""

import pytest

from pipeline.base.ip_addresses import is_address, is_private


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
