"""The faults of real connections, as the clients of the project meet them."""

import asyncio
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from pipeline.base.connection_faults import certificate_refused, fault_of
from tests.dead_hosts import UNKNOWN, refusing, self_signed, silent


async def faults(address: str) -> list[BaseException]:
    """The errors of a WebSocket and of an HTTP request."""
    found: list[BaseException] = []
    with pytest.raises(OSError, match=r".") as socket:
        await connect(f"wss://{address}", proxy=None, open_timeout=0.5)
    found.append(socket.value)
    async with httpx.AsyncClient(trust_env=False, timeout=0.5) as client:
        with pytest.raises(httpx.TransportError) as http:
            await client.get(f"https://{address}")
    return [*found, http.value]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_refused_connection(host: str) -> None:
    assert {fault_of(error) for error in await faults(refusing(host))} == {"Connection refused"}


async def test_an_unknown_name() -> None:
    for error in await faults(UNKNOWN):
        assert "ame" in fault_of(error), "in the words of the system: Name or service not known"
        assert "Errno" not in fault_of(error)
        assert not certificate_refused(error)


async def test_a_certificate_that_nobody_trusts(tmp_path: Path) -> None:
    async with self_signed(tmp_path) as address:
        for error in await faults(address):
            assert fault_of(error) == "its certificate is not accepted (self-signed certificate)"
            assert certificate_refused(error)


async def test_a_server_that_says_nothing() -> None:
    async with silent() as address:
        assert {fault_of(error) for error in await faults(address)} == {"no answer in time"}


def test_another_fault_has_its_own_words() -> None:
    assert fault_of(asyncio.IncompleteReadError(b"", 2)) == "0 bytes read on a total of 2 expected bytes"
