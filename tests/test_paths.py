"""Few files lie on the two main paths: from audio to a case, and from a decision to the audit log."""

import asyncio
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from pipeline.base.metrics import Metrics
from pipeline.console import console_app
from pipeline.contract.messages import SAMPLE_RATE, AudioChunk
from pipeline.review import audit_log
from pipeline.review.cases.case_values import Filters
from pipeline.review.evidence.lookback import open_lookback
from pipeline.review.review_store import open_store
from pipeline.runner.local import LocalRunner
from pipeline.settings import Asr, Settings
from pipeline.speech.audio.decode import read_file
from pipeline.speech.audio.encode import to_pcm16
from tests.builders import NOON
from tests.pipeline.console.cases.test_case_decisions import decide, stored, taken
from tests.pipeline.console.conftest import Console, Enter, compiled, console, enter, staffed

__all__ = ["compiled", "console", "enter", "staffed"]

ROOT = Path(__file__).parents[1]
SPEECH = ROOT / "pipeline" / "runner" / "demo" / "lounge-ben.ogg"
# With the warnings of a busy machine, and a connection that closes meanwhile.
MOST_OF_AUDIO, MOST_OF_DECISION = 84, 25


class Trace:
    """The functions of the product that all threads called while `on`."""

    def __init__(self) -> None:
        self.on = False
        self._seen: set[CodeType] = set()

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        if self.on and event == "call":
            self._seen.add(frame.f_code)

    def files(self) -> set[str]:
        """Return the files of these functions, below the root of the repository. Imports do not count."""
        called = {Path(code.co_filename) for code in self._seen if code.co_name != "<module>"}
        ours = {path.relative_to(ROOT) for path in called if path.is_relative_to(ROOT) and path.suffix == ".py"}
        return {str(path) for path in ours if path.parts[0] in ("agents", "pipeline")}


async def never(*_: object) -> None:
    pass


@pytest.fixture(autouse=True)  # before the server of `console` starts its threads
def trace(monkeypatch: pytest.MonkeyPatch) -> Iterator[Trace]:
    """Trace the calls of this thread, and of all threads that start during the test."""
    made = Trace()
    # Looks of open pages and work at intervals are no part of a decision, and could fall into it by chance.
    monkeypatch.setattr(console_app, "POLL_SECONDS", 60.0)
    monkeypatch.setattr(console_app, "_repeat", never)
    threading.setprofile(made)
    sys.setprofile(made)
    yield made
    sys.setprofile(None)
    threading.setprofile(None)


async def speak(settings: Settings, trace: Trace) -> None:
    """Put 12 s of speech with a threat into a runner. At the end, all stages are drained and stopped."""
    pcm = b"".join(to_pcm16(block) for block in read_file(SPEECH))[18 * SAMPLE_RATE * 2 : 30 * SAMPLE_RATE * 2]
    size = SAMPLE_RATE // 5 * 2
    async with LocalRunner(settings, Metrics(), lambda *_: None, lookback=open_lookback(settings)) as runner:
        trace.on = True
        for number, at in enumerate(range(0, len(pcm), size)):
            start, data = NOON + at / 2 / SAMPLE_RATE, pcm[at : at + size]
            final = at + size >= len(pcm)
            await runner.put(
                AudioChunk(room="lounge", speaker="ben", start=start, sequence=number, data=data, final=final)
            )
    trace.on = False


@pytest.mark.weights
def test_audio_passes_few_files_to_a_stored_case(tmp_path: Path, trace: Trace) -> None:
    settings = Settings(data_dir=tmp_path, asr=Asr(model="tiny.en"))
    with closing(open_store(settings)) as store:
        asyncio.run(speak(settings, trace))
        assert len(store.cases(Filters())) == 1
    assert len(files := trace.files()) <= MOST_OF_AUDIO, sorted(files)


def test_a_decision_passes_few_files_to_the_audit_log(console: Console, enter: Enter, trace: Trace) -> None:
    [case] = stored(console)
    ana = enter("ana")
    lease = taken(ana, case)
    trace.on = True
    assert decide(ana, case, lease).status_code == 200
    trace.on = False
    with console.database.read() as connection:
        assert any(line.action == "case.decide" for line in audit_log.all_lines(connection))
    assert len(files := trace.files()) <= MOST_OF_DECISION, sorted(files)
