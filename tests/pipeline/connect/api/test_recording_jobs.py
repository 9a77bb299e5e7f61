"""Each program has a queue of recordings, and one that fails or is unwanted does not stop the others."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pipeline.base.errors import AudioError, Missing
from pipeline.base.http_problems import TooManyError
from pipeline.connect.api.recording_jobs import Job, Jobs
from pipeline.contract.messages import Flag
from pipeline.runner.recordings_runner import FileReport
from pipeline.settings import Api
from tests.agents.gateway.test_gateway_server import until
from tests.builders import flag


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
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def job(jobs: Jobs, owner: int, name: str) -> Job:
    path = jobs.new_path()
    path.write_bytes(b"sound")
    made = Job(owner, path, name, seconds=4.0)
    jobs.add(made)
    return made


async def test_a_recording_gives_its_progress_and_its_result() -> None:
    work = Work()
    work.step.clear()
    async with Jobs(work, Api(), Now()) as jobs:
        made = job(jobs, 0, "a")
        assert (made.state, made.progress) == ("queued", 0.0)
        await until(lambda: bool(made.flags))
        assert (made.state, made.progress) == ("running", 0.25)
        work.step.set()
        await made.ended.wait()
    assert (made.state, made.progress, len(made.flags)) == ("done", 1.0, 3)
    assert made.report is not None
    assert made.report.suggestion == "review"
    assert not made.path.exists()


async def test_a_long_recording_does_not_delay_those_of_another_program() -> None:
    work = Work()
    work.step.clear()
    async with Jobs(work, Api(), Now()) as jobs:
        long, next_one, other = job(jobs, 0, "long"), job(jobs, 0, "next"), job(jobs, 1, "other")
        await until(lambda: bool(other.flags))
        assert (long.state, next_one.state, other.state) == ("running", "queued", "running")
        work.step.set()
        for each in (long, next_one, other):
            await each.ended.wait()
    assert work.begun == ["long", "other", "next"]


@pytest.mark.parametrize(("name", "said"), [("broken", "No audio"), ("bug", "ZeroDivisionError")])
async def test_a_recording_that_fails_does_not_stop_the_next(name: str, said: str) -> None:
    async with Jobs(Work(), Api(), Now()) as jobs:
        bad, good = job(jobs, 0, name), job(jobs, 0, "good")
        await good.ended.wait()
    assert (bad.state, good.state) == ("failed", "done")
    assert said in str(bad.error)


async def test_a_program_sees_only_its_own_recordings() -> None:
    async with Jobs(Work(), Api(), Now()) as jobs:
        made = job(jobs, 0, "a")
        assert jobs.get(0, made.id) is made
        for owner, identity in ((1, made.id), (0, "0" * 32)):
            with pytest.raises(Missing):
                jobs.get(owner, identity)


async def test_a_removed_recording_is_not_moderated() -> None:
    work = Work()
    work.step.clear()
    async with Jobs(work, Api(), Now()) as jobs:
        first, second, third = (job(jobs, 0, name) for name in "abc")
        await until(lambda: bool(first.flags))
        jobs.remove(0, first.id)
        jobs.remove(0, second.id)
        work.step.set()
        await third.ended.wait()
    assert work.begun == ["a", "c"]
    assert len(first.flags) == 1
    assert not first.path.exists()
    assert not second.path.exists()


async def test_only_so_many_recordings_of_a_program_wait() -> None:
    work = Work()
    work.step.clear()
    async with Jobs(work, Api(max_jobs=2), Now()) as jobs:
        made = [job(jobs, 0, "a"), job(jobs, 0, "b")]
        with pytest.raises(TooManyError):
            jobs.check_room(0)
        jobs.check_room(1)
        work.step.set()
        for each in made:
            await each.ended.wait()
        jobs.check_room(0)


async def test_old_results_are_forgotten() -> None:
    now = Now()
    async with Jobs(Work(), Api(), now) as jobs:
        made = job(jobs, 0, "a")
        await made.ended.wait()
        now.seconds = 3_601.0
        with pytest.raises(Missing):
            jobs.get(0, made.id)
