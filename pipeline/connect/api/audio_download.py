"""Fetches a recording from a URL: from the hosts of the settings only, and never from a private address."""

import asyncio
import socket
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from pipeline.base.connection_faults import fault_of
from pipeline.base.errors import ConfigError, ParameterError
from pipeline.base.libraries import install_extra
from pipeline.base.network_access import is_public

if TYPE_CHECKING:
    import httpx

SECONDS = 60.0
"""The longest time for the whole download."""

MAX_AUDIO_BYTES = 104_857_600
"""Largest recording, fetched or uploaded: api.max_audio_seconds fit, as Opus or AAC."""

PARAMETER = "url"


async def download(url: str, path: Path, hosts: Collection[str]) -> None:
    """Write the recording at `url` to `path`. `hosts` are the allowed hosts.

    Raises ParameterError if the URL is refused, or if the recording cannot be fetched.
    """
    try:
        import httpx
    except ModuleNotFoundError as error:
        raise ConfigError("httpx is not installed", f"Install it: {install_extra('reader')}.") from error
    parts = _allowed(url, hosts)
    try:
        async with asyncio.timeout(SECONDS):
            address = await _address_of(parts)
            # No proxy of the environment: it would look the name up again, and could reach another address.
            async with httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=SECONDS) as client:
                await _write(client, parts, address, path)
    except (OSError, httpx.HTTPError) as error:  # also the TimeoutError of the time limit
        raise _refused(f"{parts.hostname} cannot be reached: {fault_of(error)}", "Send the file itself.") from error


def _allowed(url: str, hosts: Collection[str]) -> SplitResult:
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        port, host = None, None
    if not host or parts.scheme not in {"https", "http"} or parts.username is not None or not url.isprintable():
        raise _refused("it is not the address of a recording", "Use an address like https://media.example.com/a.ogg.")
    if host not in {each.lower() for each in hosts} or port is not None:
        raise _refused(
            "recordings of this host are not fetched", "Add the host to api.audio_hosts, and use its usual port."
        )
    return parts


async def _address_of(parts: SplitResult) -> str:
    """Return a checked address of the host. Only this one is connected to: a name may lead elsewhere a moment later."""
    found = await asyncio.get_running_loop().getaddrinfo(parts.hostname, port_of(parts), type=socket.SOCK_STREAM)
    addresses = [str(address[0]) for *_, address in found]
    if not all(map(is_public, addresses)):
        raise _refused("the host has a private address", "Use a host of the internet, or send the file itself.")
    return addresses[0]


def port_of(parts: SplitResult) -> int:
    """Return the usual port of the scheme."""
    return 443 if parts.scheme == "https" else 80


async def _write(client: "httpx.AsyncClient", parts: SplitResult, address: str, path: Path) -> None:
    host = f"[{address}]" if ":" in address else address
    target = parts._replace(netloc=f"{host}:{port_of(parts)}", fragment="").geturl()
    # The name is in the header and in the check of the certificate. Compressed bytes could grow beyond every limit.
    headers = {"host": str(parts.hostname), "accept-encoding": "identity"}
    async with client.stream("GET", target, headers=headers, extensions={"sni_hostname": parts.hostname}) as answer:
        if answer.is_redirect:
            raise _refused("the host sends the program elsewhere", "Use the address to which it leads.")
        if answer.status_code != 200:
            raise _refused(f"the host answers {answer.status_code}", "Use an address that needs no sign-in.")
        with path.open("wb") as file:
            async for piece in answer.aiter_raw():
                file.write(piece)
                if file.tell() > MAX_AUDIO_BYTES:
                    raise _refused(f"the recording has more than {MAX_AUDIO_BYTES:,} bytes", "Send it in parts.")


def _refused(what: str, remedy: str) -> ParameterError:
    return ParameterError(PARAMETER, what, remedy)
