"""Recordings that wait for moderation or are in work, and their results, which are in the store for an hour.

The queue and the recordings themselves do not survive a restart. Their rows then say so.
"""

import asyncio
import contextlib
import logging
import math
import tempfile
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from sqlalchemy import Connection

from pipeline.base.errors import DependencyError, VoxwardenError
from pipeline.base.http_problems import TooManyError
from pipeline.base.logs import REQUEST
from pipeline.connect.api.moderation_answers import (
    AudioModeration,
    Categories,
    RecordingState,
    Status,
    unheard_result,
)
from pipeline.contract.messages import Flag, SpeechStatus, by_time
from pipeline.review import stored_recordings
from pipeline.review.database import Database, fields_of
from pipeline.review.tables.core import RECORDING_JOBS
from pipeline.runner.recordings_runner import FileReport, Found
from pipeline.settings import Settings

TOUCH_SECONDS = 15.0
"""Seconds between two signs of life in the store."""

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Job:
    """One recording. `owner` is the number of the program that sent it, `digest` the SHA-256 of its request."""

    owner: int
    path: Path
    room_type: str
    seconds: float
    """Length that the recording states; 0: unknown."""
    key: str | None = None
    """The Idempotency-Key of the request."""
    digest: str | None = None
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    status: Status = "queued"
    done_seconds: float = 0.0
    flags: list[Flag] = field(default_factory=list)
    unheard: list[SpeechStatus] = field(default_factory=list)
    """The utterances without a flag."""
    report: FileReport | None = None
    error: str | None = None
    created_at: float = 0.0
    """UTC seconds."""
    ended_at: float | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    unwanted: bool = False
    request: str = field(default_factory=REQUEST.get)
    """Id of the request that brought the recording."""

    @property
    def progress(self) -> float:
        """Share of the recording that is done, from 0 to 1."""
        if self.ended_at is not None:
            return 1.0
        return min(1.0, self.done_seconds / self.seconds) if self.seconds else 0.0


class Moderate(Protocol):
    """Moderates a recording: gives the flag or the status of each utterance, and then its report."""

    def __call__(self, path: Path, room_type: str) -> AsyncIterator[Found]: ...


class Jobs:
    """`async with Jobs(...)` works through the recordings. Each program has one in work, beside those of the others.

    `clock` returns UTC seconds.
    """

    def __init__(
        self,
        moderate: Moderate,
        categories: Categories,
        database: Database,
        settings: Settings,
        clock: Callable[[], float],
    ) -> None:
        self._moderate = moderate
        self._categories = categories
        self._database = database
        self._most = settings.api.max_jobs
        self._tells = settings.webhooks.url is not None
        self._clock = clock
        self._jobs: dict[str, Job] = {}
        """The jobs that have not ended, and those whose result could not be stored yet."""
        self._waiting: dict[int, deque[Job]] = {}
        """Queued jobs of each program that has a worker."""
        # One folder for all recordings, so that a stop also deletes the files of jobs that have not run.
        self._folder = tempfile.TemporaryDirectory(prefix="voxwarden-api-")
        self._workers: set[asyncio.Task[None]] = set()
        self._touched_at = -math.inf

    async def __aenter__(self) -> Self:
        self._toucher = asyncio.create_task(self._keep_touching(), name="recordings")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = (self._toucher, *self._workers)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for job in list(self._jobs.values()):
            stopped = job.ended_at is None
            await self._end(job, *("failed", stored_recordings.STOPPED) if stopped else (job.status, job.error))
        self._folder.cleanup()

    def check_room(self, owner: int) -> None:
        """Raise TooManyError if this program may not send another recording now."""
        unfinished = sum(job.owner == owner and job.ended_at is None for job in self._jobs.values())
        if unfinished >= self._most:
            raise TooManyError(f"{unfinished} recordings of this token wait", "Send the next one when one is done.")

    def new_path(self) -> Path:
        """Return a path for a recording. The file goes when its job has ended."""
        return Path(self._folder.name) / uuid.uuid4().hex

    async def add(self, job: Job) -> str:
        """Queue a job, and return its id. If one came with the same key, return that one's id, and drop this job.

        Raises TooManyError, and ReusedKey if the key came with another request.
        """
        self.check_room(job.owner)
        job.created_at = self._clock()
        self._jobs[job.id] = job  # before it is stored: it counts for `check_room`
        own = {"owner": job.owner, "key": job.key, "digest": job.digest, "seen_at": job.created_at}
        try:
            first = await self._write(partial(stored_recordings.put, values=self._row(job) | own))
        except BaseException:
            del self._jobs[job.id]
            raise
        if first == job.id:
            self._queue(job)
        else:
            del self._jobs[job.id]
            job.path.unlink(missing_ok=True)
        return first

    async def wait(self, identity: str, seconds: float) -> None:
        """Wait until a job of this process has ended, for `seconds` at most."""
        if job := self._jobs.get(identity):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await job.ended.wait()

    async def answer(self, owner: int, identity: str) -> AudioModeration:
        """Return what is known of a recording of this program. Raises Missing."""
        job = self._jobs.get(identity)
        if job and job.owner == owner:
            return answer_of(job, self._categories)
        return AudioModeration(
            **fields_of(await self._read(partial(stored_recordings.find, owner=owner, identity=identity)))
        )

    async def page(self, owner: int, after: str | None, limit: int) -> list[RecordingState]:
        """Return recordings of this program, newest first. Raises Missing if `after` is gone."""
        rows = await self._read(partial(stored_recordings.page, owner=owner, after=after, limit=limit))
        jobs = [(row, self._jobs.get(row.id)) for row in rows]
        return [
            RecordingState(**(answer_of(job, self._categories).model_dump() if job else fields_of(row)))
            for row, job in jobs
        ]

    async def remove(self, owner: int, identity: str) -> None:
        """Forget a job, and end its work. Raises Missing."""
        await self._write(partial(stored_recordings.remove, owner=owner, identity=identity))
        if job := self._jobs.pop(identity, None):
            job.unwanted = True  # the worker sees it at the next utterance; a thread that transcribes cannot be stopped

    def touch(self) -> None:
        """Tell the store which recordings are in hand, end those of processes that are gone, and forget old results.

        Raises DependencyError.
        """
        now = self._clock()
        jobs = list(self._jobs.values())
        unstored = [job for job in jobs if job.ended_at is not None]
        with self._database.write() as connection:
            for job in unstored:
                stored_recordings.end(connection, job.id, self._row(job), now, self._tells)
            live = [(job.id, job.status, job.progress) for job in jobs if job.ended_at is None]
            stored_recordings.touch(connection, live, now)
            # After an outage of the database, the other processes need time to touch theirs.
            if now < self._touched_at + stored_recordings.GONE_SECONDS:
                stored_recordings.give_up(connection, now, self._tells)
            stored_recordings.forget_old(connection, now)
        self._touched_at = now
        for job in unstored:
            self._jobs.pop(job.id, None)

    async def _keep_touching(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self.touch)
            except DependencyError as error:
                log.warning("recordings: %s; trying again in %g s", error, TOUCH_SECONDS)
            except Exception:  # the task must not end unnoticed
                log.exception("recordings: the store cannot be written; trying again in %g s", TOUCH_SECONDS)
            await asyncio.sleep(TOUCH_SECONDS)

    def _queue(self, job: Job) -> None:
        if job.owner in self._waiting:
            self._waiting[job.owner].append(job)
            return
        self._waiting[job.owner] = deque([job])
        worker = asyncio.create_task(self._run(job.owner))
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)

    async def _run(self, owner: int) -> None:
        """Work through the jobs of a program."""
        while jobs := self._waiting[owner]:
            await self._work(jobs.popleft())
        del self._waiting[owner]

    async def _work(self, job: Job) -> None:
        job.status = "running"
        REQUEST.set(job.request)  # the worker was begun by the request of an earlier job
        try:
            await self._moderated(job)
            # A report of 0 s: nothing could be decoded, and its `error` says why.
            await self._end(job, "done" if job.report and job.report.seconds else "failed", job.error)
        except VoxwardenError as error:
            await self._end(job, "failed", str(error))
        except Exception as error:  # one recording must not stop the others
            log.exception("a recording raised an unexpected error")
            await self._end(job, "failed", f"An unexpected {type(error).__name__}; see the log of the API")

    async def _moderated(self, job: Job) -> None:
        if job.unwanted:
            return
        # Without this, a job that nobody wants would feed the stages until its generator is collected.
        async with contextlib.aclosing(self._moderate(job.path, job.room_type)) as results:  # type: ignore[type-var]
            async for found in results:
                if job.unwanted:
                    return
                if isinstance(found, FileReport):
                    job.report, job.error = found, found.error
                    continue
                if isinstance(found, Flag):
                    job.flags.append(found)
                else:
                    job.unheard.append(found)
                # They come as they end, not by time.
                job.done_seconds = max(job.done_seconds, found.end)

    async def _end(self, job: Job, status: Status, error: str | None) -> None:
        """End a job, and store its result. While the store does not answer, the result stays in memory."""
        job.path.unlink(missing_ok=True)
        job.status, job.error, job.ended_at = status, error, self._clock()
        at = job.ended_at
        try:
            await self._write(
                partial(stored_recordings.end, identity=job.id, values=self._row(job), at=at, tell=self._tells)
            )
            self._jobs.pop(job.id, None)
        except DependencyError as fault:
            log.warning("the result of a recording is not stored yet: %s", fault)
        finally:
            job.ended.set()

    def _row(self, job: Job) -> dict[str, Any]:
        """Return the columns of a job that its answer has."""
        found = answer_of(job, self._categories).model_dump(mode="json")
        return {name: found[name] for name in found.keys() & RECORDING_JOBS.columns.keys()}

    async def _read(self, work: Callable[[Connection], T]) -> T:
        def reading() -> T:
            with self._database.read() as connection:
                return work(connection)

        return await asyncio.to_thread(reading)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        def writing() -> T:
            with self._database.write() as connection:
                return work(connection)

        return await asyncio.to_thread(writing)


def answer_of(job: Job, categories: Categories) -> AudioModeration:
    """Return what is known of a recording."""
    report = job.report
    return AudioModeration(
        id=job.id,
        status=job.status,
        progress=round(job.progress, 3),
        suggestion=report.suggestion if report else None,
        seconds=round(report.seconds, 3) if report else job.seconds or None,
        speech_seconds=round(report.speech_seconds, 3) if report else None,
        error=job.error,
        created_at=job.created_at,
        ended_at=job.ended_at,
        utterances=[categories.utterance(flag) for flag in by_time(job.flags)],
        unheard=[unheard_result(status) for status in by_time(job.unheard)],
    )
