"""The client's address: nobody can choose it, and one person has one."""

from ipaddress import ip_network

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from pipeline.console.client_address import network_of

PROXIES = (ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48"))


def network(peer: str | None, *forwarded: str) -> str:
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    return network_of(Request({"type": "http", "client": peer and (peer, 1), "headers": headers}), PROXIES)


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("192.0.2.1", (), "192.0.2.1"),
        ("192.0.2.1", ("198.51.100.7",), "192.0.2.1"),
        ("10.1.1.1", ("198.51.100.7",), "198.51.100.7"),
        ("10.1.1.1", ("203.0.113.9, 198.51.100.7",), "198.51.100.7"),
        ("10.1.1.1", ("203.0.113.9, 198.51.100.7, 10.2.2.2",), "198.51.100.7"),
        ("10.1.1.1", ("203.0.113.9", "198.51.100.7"), "198.51.100.7"),
        ("10.1.1.1", (), "10.1.1.1"),
        ("10.1.1.1", ("unknown",), "10.1.1.1"),
        ("2001:db8:ffff::1", ("2001:db8:1:2:3:4:5:6",), "2001:db8:1:2::/64"),
        ("::ffff:10.1.1.1", ("::ffff:198.51.100.7",), "198.51.100.7"),
        (None, ("198.51.100.7",), ""),
    ],
)
def test_only_what_a_proxy_added_counts(peer: str | None, forwarded: tuple[str, ...], found: str) -> None:
    assert network(peer, *forwarded) == found


@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters="\r\n")), max_size=3))
def test_a_client_cannot_choose_its_address(written: list[str]) -> None:
    assert network("10.1.1.1", *written, "198.51.100.7") == "198.51.100.7"
    assert network("192.0.2.1", *written) == "192.0.2.1"


@given(st.text(st.characters(codec="latin-1")))
def test_no_header_fails(written: str) -> None:
    assert network("10.1.1.1", written.encode("latin-1").decode("latin-1"))
