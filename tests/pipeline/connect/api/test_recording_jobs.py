"""Each program has a queue of recordings, and one that fails or is unwanted does not stop the others.

Results survive a restart, and the app is told when a recording ends.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select

from pipeline.base.errors import AudioError, DependencyError, Missing, ReusedKey
from pipeline.base.http_problems import TooManyError
from pipeline.connect.api import recording_jobs
from pipeline.connect.api.moderation_answers import Categories
from pipeline.connect.api.recording_jobs import Job, Jobs, Moderate
from pipeline.contract.messages import Flag
from pipeline.judge.labels import load_labels
from pipeline.review import stored_recordings
from pipeline.review.database import Database
from pipeline.review.tables.core import OUTBOX
from pipeline.runner.recordings_runner import FileReport
from pipeline.settings import Api, JudgeSettings, Settings, WebhookSettings
from tests.agents.gateway.test_gateway_server import until
from tests.builders import NOON, flag

pytestmark = pytest.mark.dialect

WEBHOOK = WebhookSettings(url="https://app.example/hook")


class Work:
    """Moderates by a script: the name of a recording says what happens."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.step = asyncio.Event()
        self.step.set()

    async def __call__(self, path: Path, room_type: str) -> AsyncIterator[Flag | FileReport]:
        self.begun.append(room_type)
        for second in range(1, 4):
            yield flag(start=-1_767_268_800.0, end=second - 1_767_268_800.0)
            await self.step.wait()
            if room_type == "broken":
                raise AudioError("No audio")
            if room_type == "bug":
                raise ZeroDivisionError
        yield FileReport(str(path), seconds=4.0, speech_seconds=3.0, utterances=3, suggestion="review")


class Now:
    def __init__(self) -> None:
        self.seconds = NOON

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process tells the store by itself that it lives: the test calls `touch`."""

    async def nothing(_: Jobs) -> None:
        pass

    monkeypatch.setattr(Jobs, "_keep_touching", nothing)


def jobs_of(database: Database, now: Now, work: Moderate | None = None, **settings: object) -> Jobs:
    categories = Categories(load_labels(JudgeSettings().labels))
    return Jobs(work or Work(), categories, database, Settings.model_validate(settings), now)


async def job(jobs: Jobs, owner: int, name: str, key: str | None = None, digest: str | None = None) -> Job:
    path = jobs.new_path()
    path.write_bytes(b"sound")
    made = Job(owner, path, name, seconds=4.0, key=key, digest=digest)
    await jobs.add(made)
    return made


async def statuses(jobs: Jobs, *made: Job) -> list[str]:
    return [(await jobs.answer(each.owner, each.id)).status for each in made]


async def test_a_recording_gives_its_progress_and_its_result(database: Database, now: Now) -> None:
    work = Work()
    work.step.clear()
    async with jobs_of(database, now, work) as jobs:
        made = await job(jobs, 0, "a")
        await until(lambda: bool(made.flags))
        found = await jobs.answer(0, made.id)
        assert (found.status, found.progress, found.ended_at) == ("running", 0.25, None)
        work.step.set()
        await made.ended.wait()
        found = await jobs.answer(0, made.id)
    assert (found.status, found.progress, len(found.utterances)) == ("done", 1.0, 3)
    assert (found.suggestion, found.seconds, found.speech_seconds) == ("review", 4.0, 3.0)
    assert (found.created_at_iso, found.ended_at_iso) == ("2026-01-01T12:00:00.000Z",) * 2
    assert not made.path.exists()


async def test_a_long_recording_does_not_delay_those_of_another_program(database: Database, now: Now) -> None:
    work = Work()
    work.step.clear()
    async with jobs_of(database, now, work) as jobs:
        long, next_one, other = await job(jobs, 0, "long"), await job(jobs, 0, "next"), await job(jobs, 1, "other")
        await until(lambda: bool(other.flags))
        assert await statuses(jobs, long, next_one, other) == ["running", "queued", "running"]
        work.step.set()
        for each in (long, next_one, other):
            await each.ended.wait()
    assert work.begun == ["long", "other", "next"]


@pytest.mark.parametrize(("name", "said"), [("broken", "No audio"), ("bug", "ZeroDivisionError")])
async def test_a_recording_that_fails_does_not_stop_the_next(
    database: Database, now: Now, name: str, said: str
) -> None:
    async with jobs_of(database, now) as jobs:
        bad, good = await job(jobs, 0, name), await job(jobs, 0, "good")
        await good.ended.wait()
        assert await statuses(jobs, bad, good) == ["failed", "done"]
        assert said in str((await jobs.answer(0, bad.id)).error)


async def test_a_program_sees_only_its_own_recordings(database: Database, now: Now) -> None:
    async with jobs_of(database, now) as jobs:
        made = await job(jobs, 0, "a")
        for ended in (False, True):
            if ended:
                await made.ended.wait()
            for owner, identity in ((1, made.id), (0, "0" * 32)):
                with pytest.raises(Missing):
                    await jobs.answer(owner, identity)
                with pytest.raises(Missing):
                    await jobs.remove(owner, identity)
        assert [each.id for each in await jobs.page(0, None, 9)] == [made.id]
        assert await jobs.page(1, None, 9) == []


async def test_a_removed_recording_is_not_moderated(database: Database, now: Now) -> None:
    work = Work()
    work.step.clear()
    async with jobs_of(database, now, work, webhooks=WEBHOOK) as jobs:
        first, second, third = [await job(jobs, 0, name) for name in "abc"]
        await until(lambda: bool(first.flags))
        await jobs.remove(0, first.id)
        await jobs.remove(0, second.id)
        work.step.set()
        await third.ended.wait()
    assert work.begun == ["a", "c"]
    assert len(first.flags) == 1
    assert not first.path.exists()
    assert not second.path.exists()
    assert [about for about, *_ in told(database)] == [third.id]


async def test_only_so_many_recordings_of_a_program_wait(database: Database, now: Now) -> None:
    work = Work()
    work.step.clear()
    async with jobs_of(database, now, work, api=Api(max_jobs=2)) as jobs:
        made = [await job(jobs, 0, "a"), await job(jobs, 0, "b")]
        with pytest.raises(TooManyError):
            jobs.check_room(0)
        jobs.check_room(1)
        work.step.set()
        for each in made:
            await each.ended.wait()
        jobs.check_room(0)


async def test_old_results_are_forgotten(database: Database, now: Now) -> None:
    async with jobs_of(database, now) as jobs:
        made = await job(jobs, 0, "a")
        await made.ended.wait()
        now.seconds += 3_601
        jobs.touch()
        with pytest.raises(Missing):
            await jobs.answer(0, made.id)


async def test_results_and_the_list_survive_a_restart(database: Database, now: Now) -> None:
    async with jobs_of(database, now) as jobs:
        made = []
        for name in "abc":
            made.append(await job(jobs, 0, name))
            now.seconds += 1
            await made[-1].ended.wait()
        before = [await jobs.answer(0, each.id) for each in made]
    async with jobs_of(database, now) as jobs:
        assert [await jobs.answer(0, each.id) for each in made] == before
        newest = await jobs.page(0, None, 2)
        assert [each.id for each in newest] == [made[2].id, made[1].id]
        assert [each.id for each in await jobs.page(0, newest[-1].id, 2)] == [made[0].id]


async def test_a_recording_that_the_end_of_the_process_stopped_has_failed(database: Database, now: Now) -> None:
    work = Work()
    work.step.clear()
    async with jobs_of(database, now, work, webhooks=WEBHOOK) as jobs:
        running, queued = await job(jobs, 0, "a", "key", "x"), await job(jobs, 0, "b")
        await until(lambda: bool(running.flags))
    async with jobs_of(database, now) as jobs:
        for each in (running, queued):
            found = await jobs.answer(0, each.id)
            assert (found.status, found.error) == ("failed", stored_recordings.STOPPED)
        again = await job(jobs, 0, "a", "key", "x")
        await again.ended.wait()
        assert await statuses(jobs, again) == ["done"]
    assert {about: status for about, status, _ in told(database)} == {running.id: "failed", queued.id: "failed"}


@pytest.mark.usefixtures("still")
async def test_a_recording_of_a_killed_process_fails_after_a_minute(database: Database, now: Now) -> None:
    work = Work()
    work.step.clear()
    killed, living, next_one = (jobs_of(database, now, work, webhooks=WEBHOOK) for _ in range(3))
    async with killed, living, next_one:
        lost, kept = await job(killed, 0, "lost"), await job(living, 0, "kept")
        await until(lambda: bool(kept.flags))
        for seconds, status in ((0, "queued"), (50, "queued"), (50, "failed")):
            now.seconds += seconds
            living.touch()
            next_one.touch()
            assert await statuses(next_one, lost, kept) == [status, "running"]
        assert [about for about, *_ in told(database)] == [lost.id]
        work.step.set()
        await kept.ended.wait()
        assert await statuses(next_one, lost, kept) == ["failed", "done"]


@pytest.mark.usefixtures("still")
async def test_after_an_outage_no_process_gives_up_the_recordings_of_another(database: Database, now: Now) -> None:
    work = Work()
    work.step.clear()
    async with jobs_of(database, now, work) as one, jobs_of(database, now, work) as other:
        made = await job(one, 0, "a")
        await until(lambda: bool(made.flags))
        other.touch()
        now.seconds += 600
        for each in (other, one, other):
            each.touch()
        assert await statuses(other, made) == ["running"]
        work.step.set()
        await made.ended.wait()


@pytest.mark.usefixtures("still")
async def test_a_result_waits_for_the_database(database: Database, now: Now, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise DependencyError("The database does not answer")

    async with jobs_of(database, now, webhooks=WEBHOOK) as jobs, jobs_of(database, now) as other:
        with monkeypatch.context() as patched:
            patched.setattr(stored_recordings, "end", away)
            made = await job(jobs, 0, "a")
            await made.ended.wait()
            assert await statuses(jobs, made) == ["done"]
        jobs.touch()
        assert await statuses(other, made) == ["done"]
    assert [about for about, *_ in told(database)] == [made.id]


async def test_a_process_tells_by_itself_that_it_lives(
    database: Database, now: Now, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_jobs, "TOUCH_SECONDS", 0.01)
    work = Work()
    work.step.clear()
    async with jobs_of(database, now, work) as jobs:
        made = await job(jobs, 0, "a")
        await until(lambda: bool(made.flags))

        def stored() -> str:
            with database.read() as connection:
                return str(stored_recordings.find(connection, 0, made.id).status)

        await until(lambda: stored() == "running")
        work.step.set()


async def test_the_same_key_gives_the_same_recording(database: Database, now: Now) -> None:
    async with jobs_of(database, now) as jobs:
        first = await job(jobs, 0, "a", "key", "x")
        copy = await job(jobs, 0, "a", "key", "x")
        other = await job(jobs, 1, "a", "key", "y")
        with pytest.raises(ReusedKey, match="Idempotency-Key"):
            await job(jobs, 0, "a", "key", "y")
        await first.ended.wait()
        await other.ended.wait()
        assert [each.id for each in await jobs.page(0, None, 9)] == [first.id]
    async with jobs_of(database, now) as jobs:
        late = Job(0, jobs.new_path(), "a", 4.0, "key", "x")
        assert await jobs.add(late) == first.id
    assert not copy.path.exists()


async def test_a_recording_that_failed_gives_up_its_key(database: Database, now: Now) -> None:
    async with jobs_of(database, now) as jobs:
        failed = await job(jobs, 0, "broken", "key", "x")
        await failed.ended.wait()
        again = await job(jobs, 0, "fine", "key", "y")
        await again.ended.wait()
        assert await statuses(jobs, failed, again) == ["failed", "done"]


async def test_the_app_is_told_when_a_recording_ends(database: Database, now: Now) -> None:
    async with jobs_of(database, now, webhooks=WEBHOOK) as jobs:
        made = await job(jobs, 0, "a")
        await made.ended.wait()
        found = await jobs.answer(0, made.id)
    [(about, status, payload)] = told(database)
    assert (about, status) == (made.id, "done")
    names = {"id", "status", "suggestion", "seconds", "speech_seconds", "error"}
    assert payload == found.model_dump(include=names)


async def test_without_a_webhook_nothing_waits_to_be_sent(database: Database, now: Now) -> None:
    async with jobs_of(database, now) as jobs:
        made = await job(jobs, 0, "a")
        await made.ended.wait()
    assert told(database) == []


def told(database: Database) -> list[tuple[str, str, dict[str, object]]]:
    """The events about recordings: the recording, its status, and all fields."""
    query = select(OUTBOX).where(OUTBOX.c.kind == "recording.ended").order_by(OUTBOX.c.created_at)
    with database.read() as connection:
        return [(row.about, row.payload["status"], row.payload) for row in connection.execute(query)]
