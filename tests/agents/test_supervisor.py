"""The supervisor with small real processes and pauses that take no time."""

import asyncio
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.commands.worker import counts_of, stop_on_hangup
from agents.loop.stage_loop import EXIT_HALTED
from agents.supervisor import FIRST_PAUSE, HALTED_PAUSE, LONGEST_PAUSE, STEADY_SECONDS, BackOff, Supervisor, meaning
from pipeline.base.errors import ConfigError
from pipeline.contract.topology import STAGES
from pipeline.settings import ReaderSettings, Settings

DRAINS = """
import pathlib, signal, sys, time
def drain(*_):
    pathlib.Path(sys.argv[1]).write_text("drained")
    sys.exit(0)
signal.signal(signal.SIGTERM, drain)
print("ready", flush=True)
pathlib.Path(sys.argv[1]).write_text("ready")
time.sleep(60)
"""
HANGS = DRAINS.replace("signal.signal(signal.SIGTERM, drain)", "signal.signal(signal.SIGTERM, signal.SIG_IGN)")


def python(code: str, *arguments: object) -> list[str]:
    return [sys.executable, "-S", "-c", code, *map(str, arguments)]


def until_written(*files: Path) -> None:
    while not all(file.exists() and file.read_text() for file in files):
        time.sleep(0.02)


def test_pauses_double_up_to_a_limit_and_become_short_again() -> None:
    back_off = BackOff()
    pauses = [back_off.after(0.1, 3) for _ in range(9)]
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
    assert back_off.after(STEADY_SECONDS, 3) == FIRST_PAUSE


def test_a_halted_worker_waits_long() -> None:
    assert BackOff().after(0.1, EXIT_HALTED) == HALTED_PAUSE


async def test_an_ended_process_is_restarted_with_the_reason() -> None:
    stop, said, pauses = asyncio.Event(), list[str](), list[float]()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            stop.set()
            await asyncio.sleep(60)

    code = await Supervisor({"judge-1": python("raise SystemExit(3)")}, said.append, pause=pause).run(stop)
    assert code == 0
    assert pauses == [1.0, 2.0, 4.0]
    assert said[0].startswith("judge-1 ended with exit code 3 (its batch is not acknowledged")


async def test_a_stop_reaches_all_processes_and_lets_them_finish(tmp_path: Path) -> None:
    stop, files = asyncio.Event(), [tmp_path / "one", tmp_path / "two"]
    commands = {file.name: python(DRAINS, file) for file in files}
    running = asyncio.create_task(Supervisor(commands, print).run(stop))
    await asyncio.to_thread(until_written, *files)
    stop.set()
    assert await running == 0
    assert [file.read_text() for file in files] == ["drained", "drained"]


async def test_a_process_that_does_not_end_is_killed(tmp_path: Path) -> None:
    stop, said, file = asyncio.Event(), list[str](), tmp_path / "hangs"
    running = asyncio.create_task(Supervisor({"hangs": python(HANGS, file)}, said.append, grace_seconds=0.2).run(stop))
    await asyncio.to_thread(until_written, file)
    stop.set()
    assert await running == 1
    assert said == ["hangs did not end within 0.2 s and is killed; its batch will be processed again"]


async def test_a_closed_terminal_leaves_no_process_behind(tmp_path: Path) -> None:
    file = tmp_path / "drains"
    script = (
        "import asyncio, signal\n"
        "from agents.commands.worker import supervise\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run under nohup\n"
        f"asyncio.run(supervise({ {'drains': [*python(DRAINS, file), '0']}!r}))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
    await asyncio.to_thread(until_written, file)
    process.send_signal(signal.SIGHUP)
    assert await process.wait() == 0
    assert file.read_text() == "drained"


@pytest.fixture
def _nohup() -> Iterator[None]:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("_nohup")
async def test_processes_under_nohup_survive_a_closed_terminal() -> None:
    stop_on_hangup(asyncio.Event())
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


async def test_a_command_that_cannot_start_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        await Supervisor({"x": ["/no/such/program"]}, print).run(asyncio.Event())


def test_exit_codes_have_meanings() -> None:
    assert meaning(-9) == "signal SIGKILL"
    assert meaning(1) == "exit code 1"
    assert "dead letters" in meaning(EXIT_HALTED)


def test_counts_of_processes_are_parsed() -> None:
    settings, read = Settings(), Settings(reader=ReaderSettings(url="https://127.0.0.1/v1", model="m"))
    one_each = {stage.name: 1 for stage in STAGES} | {"read": 0}
    assert counts_of([], read) == one_each | {"read": 1}
    assert counts_of(["transcribe=2", "deliver=0"], settings) == one_each | {"transcribe": 2, "deliver": 0}
    for wrong in ("transcribe", "all=2", "judge=-1", "judge=two"):
        with pytest.raises(ConfigError, match="--count"):
            counts_of([wrong], settings)
