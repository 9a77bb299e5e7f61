"""One request to the second reader's API, bounded in time and size. Nothing that it sends or gets is logged."""

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import msgspec

from pipeline.base.errors import ConfigError
from pipeline.base.libraries import install_extra
from pipeline.base.network_access import is_private
from pipeline.base.rate_limits import BUSY, retry_seconds
from pipeline.judge.reader.chat import ReaderAnswer, UnreadableError, read_answer, schema_of
from pipeline.settings import ReaderSettings

if TYPE_CHECKING:
    import httpx

ANSWER_BYTES = 65_536
"""The most bytes of an answer that are read. A longer one is unreadable."""
ANSWER_TOKENS = 200
"""Most tokens of an answer, which has a fixed form. `reader.extra` may replace it, for models that think first."""
ABOUT_THE_TEXT = frozenset({400, 413, 422})
"""Statuses that refuse one utterance, for example by a filter of the vendor. They say nothing about the next one."""

Fault = Literal["late", "limited", "refused", "failed", "unreadable"]
"""Why there is no answer: not within `reader.seconds`; 429 or 503; another status; no connection; not in the form."""


@cache
def _certificates() -> ssl.SSLContext:
    """The machine's certificates, or the ones in SSL_CERT_FILE."""
    # httpx itself would use certifi's, without the operator's own.
    return ssl.create_default_context()


class NoAnswerError(Exception):
    """There is no answer to a request. `reason` is for people, and has nothing of the question or the answer.

    `wait` is the pause in seconds that the API asked for. `down`: the next request would fail, too.
    """

    def __init__(self, fault: Fault, reason: str, *, wait: float = 0.0, down: bool = True) -> None:
        super().__init__(reason)
        self.fault, self.reason, self.wait, self.down = fault, reason, wait, down


class Endpoint:
    """The API of the settings. All calls belong to one event loop. Raises ConfigError if httpx is not installed.

    `clock` returns UTC seconds.
    """

    def __init__(self, settings: ReaderSettings, clock: Callable[[], float] = time.time) -> None:
        try:
            import httpx
        except ImportError as error:
            raise ConfigError(
                "reader.url needs httpx, which is not installed", f"Install it: {install_extra('reader')}."
            ) from error
        key = settings.api_key.get_secret_value() if settings.api_key else ""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        # identity: a packed answer could be far larger than its bytes
        headers |= {"accept-encoding": "identity", "content-type": "application/json"}
        self._settings = settings
        self._clock = clock
        self._url = f"{(settings.url or '').rstrip('/')}/chat/completions"
        self._client = httpx.AsyncClient(
            follow_redirects=False,  # the question goes to `reader.url` only
            timeout=settings.seconds,
            trust_env=False,  # no proxy of the environment
            verify=_certificates(),
            headers=headers,
        )

    async def ask(self, messages: Sequence[dict[str, str]], labels: Sequence[str]) -> ReaderAnswer:
        """Return the answer to a chat about `labels`. Raises NoAnswerError."""
        import httpx

        seconds = self._settings.seconds
        try:
            # The client's own timeout is for each read. An answer in drops must not hold a place.
            async with asyncio.timeout(seconds):
                await self._check_address()
                body = msgspec.json.encode(self._request(messages, labels))
                async with self._client.stream("POST", self._url, content=body) as response:
                    return read_answer(await self._read(response), labels)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise NoAnswerError("late", f"no answer within {seconds:g} s") from error
        except UnreadableError as error:
            raise NoAnswerError("unreadable", str(error), down=False) from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise NoAnswerError("failed", type(error).__name__) from error

    async def close(self) -> None:
        await self._client.aclose()

    def _request(self, messages: Sequence[dict[str, str]], labels: Sequence[str]) -> dict[str, Any]:
        made: dict[str, Any] = {
            "model": self._settings.model,
            "messages": messages,
            "temperature": 0,  # as far as possible, the same question gets the same answer
            "max_tokens": ANSWER_TOKENS,
        }
        kind = self._settings.response_format
        if kind == "json_schema":
            form = {"name": "answer", "strict": True, "schema": schema_of(labels)}
            made["response_format"] = {"type": kind, kind: form}
        elif kind == "json_object":
            made["response_format"] = {"type": kind}
        made |= self._settings.extra  # null removes a field
        return {name: value for name, value in made.items() if value is not None}

    async def _check_address(self) -> None:
        """Raise NoAnswerError if plain HTTP would go to a public address."""
        # Before each request, because a name may lead elsewhere one day.
        parts = urlsplit(self._url)
        if parts.scheme == "https":
            return
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_STREAM)
        # An IPv6 address may end in `%` and the name of an interface.
        addresses = {str(ipaddress.ip_address(str(address[0]).partition("%")[0])) for *_, address in found}
        if not all(map(is_private, addresses)):
            raise NoAnswerError("refused", "reader.url is http:// and leads to a public address: use https://")

    async def _read(self, response: "httpx.Response") -> bytes:
        status = response.status_code
        if status in BUSY:
            wait = retry_seconds(response.headers.get("retry-after", ""), self._clock())
            raise NoAnswerError("limited", f"HTTP status {status}", wait=wait)
        if status != 200:
            raise NoAnswerError("refused", f"HTTP status {status}", down=status not in ABOUT_THE_TEXT)
        read = bytearray()
        async for part in response.aiter_raw():
            read += part
            if len(read) > ANSWER_BYTES:
                raise UnreadableError(f"the answer has more than {ANSWER_BYTES} bytes")
        return bytes(read)
