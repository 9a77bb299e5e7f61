"""Recordings that wait for moderation, are in work, or are done. They are in memory: a restart forgets them."""

import asyncio
import contextlib
import logging
import tempfile
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

from pipeline.base.errors import Missing, VoxwardenError
from pipeline.base.http_problems import TooManyError
from pipeline.base.logs import REQUEST
from pipeline.contract.messages import Flag, SpeechStatus
from pipeline.runner.recordings_runner import FileReport, Found
from pipeline.settings import Api

KEPT_SECONDS = 3_600.0
"""Time for which the result of a recording is kept in memory. A program asks for it within seconds."""

State = Literal["queued", "running", "done", "failed"]

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Job:
    """One recording. `owner` is the number of the program that sent it."""

    owner: int
    path: Path
    room_type: str
    seconds: float
    """Length that the recording states; 0: unknown."""
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    state: State = "queued"
    done_seconds: float = 0.0
    flags: list[Flag] = field(default_factory=list)
    unheard: list[SpeechStatus] = field(default_factory=list)
    """The utterances without a flag."""
    report: FileReport | None = None
    error: str | None = None
    ended_at: float = 0.0
    """UTC seconds."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    unwanted: bool = False
    request: str = field(default_factory=REQUEST.get)
    """Id of the request that brought the recording."""

    @property
    def progress(self) -> float:
        """Share of the recording that is done, from 0 to 1."""
        if self.ended.is_set():
            return 1.0
        return min(1.0, self.done_seconds / self.seconds) if self.seconds else 0.0


class Moderate(Protocol):
    """Moderates a recording: gives the flag or the status of each utterance, and then its report."""

    def __call__(self, path: Path, room_type: str) -> AsyncIterator[Found]: ...


class Jobs:
    """`async with Jobs(...)` works through the recordings. Each program has one in work, beside those of the others.

    `clock` returns UTC seconds.
    """

    def __init__(self, moderate: Moderate, settings: Api, clock: Callable[[], float]) -> None:
        self._moderate = moderate
        self._settings = settings
        self._clock = clock
        self._jobs: dict[str, Job] = {}
        self._waiting: dict[int, deque[Job]] = {}
        """Queued jobs of each program that has a worker."""
        # One folder for all recordings, so that a stop also deletes the files of jobs that have not run.
        self._folder = tempfile.TemporaryDirectory(prefix="voxwarden-api-")
        self._workers: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._folder.cleanup()

    def check_room(self, owner: int) -> None:
        """Raise TooManyError if this program may not send another recording now."""
        unfinished = sum(job.owner == owner and not job.ended.is_set() for job in self._jobs.values())
        if unfinished >= self._settings.max_jobs:
            raise TooManyError(f"{unfinished} recordings of this token wait", "Send the next one when one is done.")

    def new_path(self) -> Path:
        """Return a path for a recording. The file goes when its job has ended."""
        return Path(self._folder.name) / uuid.uuid4().hex

    def add(self, job: Job) -> None:
        """Queue a job. Raises TooManyError."""
        self.check_room(job.owner)
        self._forget_old()
        self._jobs[job.id] = job
        if job.owner in self._waiting:
            self._waiting[job.owner].append(job)
            return
        self._waiting[job.owner] = deque([job])
        worker = asyncio.create_task(self._run(job.owner))
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)

    def get(self, owner: int, identity: str) -> Job:
        """Return a job of this program. Raises Missing."""
        self._forget_old()
        job = self._jobs.get(identity)
        # The same answer in both cases, so that a program cannot find out the ids of others.
        if job is None or job.owner != owner:
            raise Missing(f"There is no recording {identity}", "Results are kept for an hour.")
        return job

    def remove(self, owner: int, identity: str) -> None:
        """Forget a job, and end its work. Raises Missing."""
        job = self.get(owner, identity)
        job.unwanted = True  # the worker sees it at the next utterance; a thread that transcribes cannot be stopped
        del self._jobs[identity]

    def _forget_old(self) -> None:
        # Only at calls, without a timer: nobody needs the memory until the next recording comes.
        before = self._clock() - KEPT_SECONDS
        for job in list(self._jobs.values()):
            if job.ended.is_set() and job.ended_at < before:
                del self._jobs[job.id]

    async def _run(self, owner: int) -> None:
        """Work through the jobs of a program."""
        while jobs := self._waiting[owner]:
            await self._work(jobs.popleft())
        del self._waiting[owner]

    async def _work(self, job: Job) -> None:
        job.state = "running"
        REQUEST.set(job.request)  # the worker was begun by the request of an earlier job
        try:
            await self._moderated(job)
            # A report of 0 s: nothing could be decoded, and its `error` says why.
            job.state = "done" if job.report and job.report.seconds else "failed"
        except VoxwardenError as error:
            job.state, job.error = "failed", str(error)
        except Exception as error:  # one recording must not stop the others
            log.exception("a recording raised an unexpected error")
            job.state, job.error = "failed", f"An unexpected {type(error).__name__}; see the log of the API"
        finally:
            job.ended_at = self._clock()
            job.ended.set()
            job.path.unlink(missing_ok=True)

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
