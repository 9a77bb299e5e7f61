"""Webhooks: they send the outbox's events to the app, with retries, signed by Standard Webhooks (standardwebhooks.com).

`webhook_targets.py` chooses the shape of the body.

Each event arrives at least once, and the events of a room in order. An app recognises a repeated event by its
`webhook-id`. Rooms do not wait for each other: several requests run at once, one for each room, and at most half of
them are retries. So if the app hangs at the events of some rooms, places are left for the other rooms.
"""

import asyncio
import base64
import binascii
import hmac
import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from hashlib import sha256
from typing import TypeVar

import httpx

from pipeline.base.errors import ConfigError, DependencyError
from pipeline.base.metrics import Metrics, from_zero
from pipeline.base.rate_limits import AppAnswer, answer_of
from pipeline.review.database import Database
from pipeline.review.delivery import event_outbox
from pipeline.review.delivery.event_outbox import OutboxEvent
from pipeline.review.delivery.events_for_apps import RAISED
from pipeline.review.delivery.webhook_targets import EventTargets, Target, plain_targets, targets
from pipeline.settings import Settings, WebhookSettings

log = logging.getLogger(__name__)
T = TypeVar("T")

PREFIX = "whsec_"
SECRET_BYTES = range(24, 65)

POLL_SECONDS = 0.1
"""Seconds between two looks into the outbox."""
LONGEST_POLL_SECONDS = 0.5
IDLE_SHARE = 4
"""A look that takes long, because many events wait, is followed by a pause of this many times its length."""
FAULT_SECONDS = 2.0
"""Seconds before the next look if the database does not answer."""
FIGURES_SECONDS = 5.0
"""Seconds between two counts of the waiting events."""
ANSWER_SECONDS = 10.0
"""Time for the app to answer. After it, the event is sent again: the app may have it twice."""
HOLD_SECONDS = 5.0
"""Seconds after ANSWER_SECONDS for the sender to store a result. After that, the event is sent again."""
ANSWER_BYTES = 65_536
"""The most bytes of an answer that are read. A connection with more is closed."""
SHARED_THREADS = 32
"""Threads of the process for other work than to look up names."""
LOOKUPS = 6
"""Times that a request may be tried while its first look-up still waits: a name server may be awaited for a minute."""
ASIDE_TRIES = 5
"""Tries after which an event loses its place in its room, if the app accepts other events meanwhile."""


class Webhooks:
    """Sends events to the app. `secret` is raw bytes, and `clock` returns UTC seconds.

    Without `chosen`, events have our own shape.
    """

    def __init__(
        self,
        database: Database,
        settings: WebhookSettings,
        secret: bytes,
        metrics: Metrics,
        clock: Callable[[], float],
        chosen: EventTargets | None = None,
    ) -> None:
        self._database = database
        self._settings = settings
        self._targets = chosen or plain_targets(settings)
        self._secret = secret
        self._metrics = metrics
        from_zero(metrics.webhooks, ("sent", "retried", "failed"))
        self._clock = clock
        # No redirects: events must not go to a URL that the operator did not choose.
        self._client = httpx.AsyncClient(follow_redirects=False, timeout=ANSWER_SECONDS)
        # One thread: a take and a result never wait for each other's locks.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="webhooks")
        self._requests: set[asyncio.Task[None]] = set()
        self._retries = 0
        """Running requests for events that were tried before."""
        self._settled = asyncio.Event()
        self._closed_until = self._accepted_at = self._counted_at = float("-inf")

    async def run(self) -> None:
        """Send events until the task is cancelled. If the database does not answer, try again later."""
        while True:
            self._settled.clear()  # before the look: it may miss what settles meanwhile
            pause = await self._turn()
            # Python 3.11's `wait_for` can swallow a cancellation, and `run` would never end.
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._settled.wait()

    async def send_due(self) -> None:
        """Send all events that are due now, and return when each has its result."""
        while await self._start() or self._requests:
            if self._requests:
                await asyncio.wait(self._requests, return_when=asyncio.FIRST_COMPLETED)

    async def close(self) -> None:
        """End the running requests. Their events are sent again, by the next sender."""
        for request in self._requests:
            request.cancel()
        await asyncio.gather(*self._requests, return_exceptions=True)
        await self._client.aclose()
        await asyncio.to_thread(self._thread.shutdown)  # it waits for the last transaction

    async def _turn(self) -> float:
        """Start the requests that are due. Return the seconds until the next look."""
        began = time.monotonic()
        try:
            await self._start()
        except DependencyError as error:
            log.warning("webhooks: %s; trying again in %g s", error, FAULT_SECONDS)
            return FAULT_SECONDS
        except Exception:  # the task must not end unnoticed
            log.exception("webhooks: the outbox cannot be read; trying again in %g s", FAULT_SECONDS)
            return FAULT_SECONDS
        return min(LONGEST_POLL_SECONDS, max(POLL_SECONDS, IDLE_SHARE * (time.monotonic() - began)))

    async def _start(self) -> int:
        """Start a request for each event that is due and goes somewhere. Return the number of all due events."""
        events = await self._stored(self._take)
        for event, target in events:
            if target is None:
                continue
            request = asyncio.create_task(self._handle(event, target), name="webhook")
            self._requests.add(request)  # asyncio itself keeps only a weak reference to a task
            request.add_done_callback(self._requests.discard)
        return len(events)

    def _take(self) -> list[tuple[OutboxEvent, Target | None]]:
        """Take the events that are due. Those that go nowhere are withdrawn, so that they hold up no room."""
        now = self._clock()
        if now - self._counted_at >= FIGURES_SECONDS:
            self._count(now)
        free = self._settings.parallel - len(self._requests)
        if not free or now < self._closed_until or not self._any_due(now):
            return []
        hold = ANSWER_SECONDS + HOLD_SECONDS
        retries = max(0, self._settings.parallel // 2 - self._retries)
        with self._database.write() as connection:
            taken = [
                (event, self._targets.of(event)) for event in event_outbox.take(connection, now, hold, free, retries)
            ]
            for event, target in taken:
                if target is None:
                    event_outbox.leave_out(connection, event, "webhooks.format has no shape for it")
        return taken

    def _any_due(self, now: float) -> bool:
        """A look that finds nothing takes no lock from the writers."""
        with self._database.read() as connection:
            return event_outbox.any_due(connection, now)

    def _count(self, now: float) -> None:
        with self._database.read() as connection:
            found = event_outbox.count_waiting(connection, now)
        self._metrics.webhooks_waiting.set(found.events)
        self._metrics.webhooks_oldest_seconds.set(found.oldest)
        self._counted_at = now

    async def _handle(self, event: OutboxEvent, target: Target) -> None:
        again = event.attempts > 1
        self._retries += again
        try:
            answer = await self._send(event, target)
            await self._stored(partial(self._settle, event, answer))
        except DependencyError as error:
            log.warning("webhook %s: its result cannot be stored, so it will be sent again: %s", event.id, error)
        except Exception:
            log.exception("webhook %s failed, and will be sent again", event.id)
        finally:
            self._retries -= again
            self._settled.set()

    async def _send(self, event: OutboxEvent, target: Target) -> AppAnswer:
        sent_at, request = int(self._clock()), target.render(event)
        headers = request.headers | {
            "content-type": request.content_type,
            "webhook-id": event.id,
            "webhook-timestamp": str(sent_at),
            "webhook-signature": signature(self._secret, event.id, sent_at, request.body),
        }
        try:
            # The client's own timeout is for each read. An app that sends its answer in drops must not hold a place.
            async with asyncio.timeout(ANSWER_SECONDS):
                async with self._client.stream("POST", target.url, content=request.body, headers=headers) as response:
                    await _read(response)
                    return answer_of(response.status_code, response.headers.get("retry-after"), self._clock())
        except TimeoutError:
            return AppAnswer(f"no answer within {ANSWER_SECONDS:g} s")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return AppAnswer(f"{type(error).__name__}: {error}")

    async def _stored(self, work: Callable[[], T]) -> T:
        """Run work on the database in the sender's own thread. `close` waits for its end."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _settle(self, event: OutboxEvent, answer: AppAnswer) -> None:
        """Store the result of a try."""
        now = self._clock()
        # An answer with Retry-After, for example, stops all rooms: the whole app is overloaded.
        self._closed_until = max(self._closed_until, now + answer.close_seconds)
        with self._database.write() as connection:
            if not answer.error:
                event_outbox.sent(connection, event, now)
            elif self._should_step_aside(event, now):
                event_outbox.step_aside(connection, event)
            over = bool(answer.error) and event_outbox.refused(
                connection, event, answer.error, now + max(event.pause, answer.wait_seconds)
            )
        self._metrics.webhooks.labels("failed" if over else "retried" if answer.error else "sent").inc()
        if answer.error:
            log.warning("webhook %s (%s): try %d failed: %s", event.id, event.kind, event.attempts, answer.error)
            return
        self._accepted_at = now
        if event.kind == RAISED:
            self._metrics.speech_to_webhook.observe(max(0.0, now - event.payload["end"]))

    def _should_step_aside(self, event: OutboxEvent, now: float) -> bool:
        """Tell whether the app refuses this event again and again, but accepted another one since the last try."""
        # If the app accepts nothing at all, it is down. Then every event keeps its place.
        return event.attempts >= ASIDE_TRIES and now - self._accepted_at <= event.pause


@asynccontextmanager
async def sending(settings: Settings, database: Database, metrics: Metrics) -> AsyncIterator[None]:
    """Send the outbox's events while the block runs, if `webhooks.url` is set."""
    webhooks = build_webhooks(settings, database, metrics, time.time)
    if webhooks is None:
        yield
        return
    # Python looks up names in the threads that all of the process shares. A name server that is silent holds some for
    # each request, and then the pages of the console would have none to follow live rooms.
    threads = SHARED_THREADS + LOOKUPS * settings.webhooks.parallel
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(threads))
    task = asyncio.create_task(webhooks.run(), name="webhooks")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await webhooks.close()


def build_webhooks(
    settings: Settings, database: Database, metrics: Metrics, clock: Callable[[], float]
) -> Webhooks | None:
    """Build the sender from the settings; None if `webhooks.url` is empty.

    Raises ConfigError if the secret is not valid, or a setting that the format needs is missing.
    """
    chosen = settings.webhooks
    if not chosen.url:
        return None
    secret = secret_of(chosen.secret.get_secret_value() if chosen.secret else "")
    return Webhooks(database, chosen, secret, metrics, clock, targets(settings))


def secret_of(text: str) -> bytes:
    """Return the bytes of a secret that is written as `whsec_` and base64.

    Raises ConfigError if it is written otherwise, or has fewer than 24 or more than 64 bytes.
    """
    try:
        secret = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        secret = b""
    if not text.startswith(PREFIX) or len(secret) not in SECRET_BYTES:
        raise ConfigError(
            "webhooks.secret is not a valid Standard Webhooks secret",
            f'Make one with echo "{PREFIX}$(openssl rand -base64 32)", and give it to the app, too.',
        )
    return secret


async def _read(response: httpx.Response) -> None:
    """Read the answer, so that the connection can be used again, unless it is too long."""
    taken = 0
    async for part in response.aiter_raw():
        taken += len(part)
        if taken > ANSWER_BYTES:
            return


def signature(secret: bytes, identity: str, at: int, body: bytes) -> str:
    """Return `v1,` and the HMAC-SHA256 of id, time and body in base64. `at` is UTC seconds."""
    digest = hmac.new(secret, f"{identity}.{at}.".encode() + body, sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
