"""Each utterance is judged, skipped for a reason or failed, once: with a scripted recogniser, and else real stages."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pytest
from typer.testing import CliRunner

from agents.commands.command_line import app
from pipeline.base.cpu_cores import is_back
from pipeline.base.metrics import Metrics
from pipeline.connect.api.api_server import open_backend
from pipeline.connect.api.moderation_answers import Categories
from pipeline.connect.api.recording_jobs import Job, Jobs
from pipeline.contract.messages import Flag, SpeechStatus, Utterance
from pipeline.contract.topology import JUDGE, SEGMENT, TRANSCRIBE
from pipeline.judge.judge_stage import Judge
from pipeline.judge.labels import load_labels
from pipeline.review.database import Database
from pipeline.runner.local import LocalRunner
from pipeline.runner.moderator import Moderator
from pipeline.runner.recordings_runner import FileReport, Recordings
from pipeline.settings import JudgeSettings, Settings
from pipeline.speech.asr import recogniser
from pipeline.speech.asr import transcribe_stage as stage
from pipeline.speech.asr.recogniser import Clip, HasRoom, Recognition, always_room
from pipeline.speech.audio.encode import encode_flac
from pipeline.speech.audio.recording_parts import chunks_of
from tests.pipeline.speech.asr.parts import recognition
from tests.pipeline.speech.audio.sound import clip, silence

Fate = Literal["judged", "language", "no_words", "transcribe"]
"""How an utterance ends: it is judged, skipped for this reason, or failed in this stage."""

THREAT = "I will kill you."
HEARD = {
    "judged": recognition(THREAT),
    "language": recognition("Bonjour.", language="fr"),
    "no_words": recognition("…"),
}


class Fated:
    """A recogniser that hears a threat, another language or no words, or fails. The clips have the fates in order."""

    name = "scripted/none@00000000"

    def __init__(self, fates: Sequence[Fate]) -> None:
        self._fates, self._known = iter(fates), dict[bytes, Fate]()

    def transcribe(
        self, clips: Sequence[Clip], *, words: bool = False, has_room: HasRoom = always_room
    ) -> list[Recognition]:
        fates = [self._fate(clip.samples.tobytes()) for clip in clips]
        if "transcribe" in fates:
            raise ValueError("this clip breaks the recogniser")
        return [HEARD[fate] for fate in fates]

    def _fate(self, samples: bytes) -> Fate:
        if samples not in self._known:
            self._known[samples] = next(self._fates)
        return self._known[samples]


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three utterances."""
    pieces = [each for name in ("tt-weasels", "vm-newuser", "auth-incorrect") for each in (clip(name), silence(3))]
    (path := tmp_path_factory.mktemp("talk") / "talk.flac").write_bytes(encode_flac(np.concatenate(pieces)))
    return path


def fated(monkeypatch: pytest.MonkeyPatch, *fates: Fate) -> None:
    made = Fated(fates)
    for module in (stage, recogniser):
        monkeypatch.setattr(module, "load_recogniser", lambda asr: made)


def invoked(*arguments: str | Path) -> list[dict[str, Any]]:
    result = CliRunner().invoke(app, [*map(str, arguments), "--format", "jsonl"])
    return [json.loads(line) for line in result.stdout.splitlines()]


def by_moderate(talk: Path) -> list[str]:
    *found, report = invoked("moderate", talk)
    ends = [line.get("reason", "judged") for line in found]
    assert (report["utterances"], report["unheard"]) == (ends.count("judged"), len(ends) - ends.count("judged"))
    return ends


def by_transcribe(talk: Path) -> list[str]:
    return ["transcribe" if "error" in line else line.get("reason", "judged") for line in invoked("transcribe", talk)]


async def _api(recording: bytes, store: str) -> list[str]:
    moderator, categories = Moderator.of(Settings()), Categories(load_labels(JudgeSettings().labels))
    with closing(Database(store)) as database:
        async with Jobs(moderator.results, categories, database, Settings(), time.time) as jobs:
            (copy := jobs.new_path()).write_bytes(recording)
            await jobs.add(job := Job(0, copy, "default", 0.0))
            await job.ended.wait()
            answer = await jobs.answer(0, job.id)
    assert answer.status == "done"
    return ["judged"] * len(answer.utterances) + [each.reason for each in answer.unheard]


def by_api(talk: Path) -> list[str]:
    return asyncio.run(_api(talk.read_bytes(), f"sqlite:///{talk.with_suffix('.db')}"))


def by_library(talk: Path) -> list[str]:
    found = Moderator().file(talk)
    return ["judged"] * len(found.utterances) + [each.reason for each in found.unheard]


async def _run(talk: Path) -> list[str]:
    """The runner of live rooms. The audio is from an hour ago, so that no utterance is recognised early."""
    made: list[Any] = []
    stages = [SEGMENT, TRANSCRIBE, JUDGE]
    async with LocalRunner(
        Settings(), Metrics(), lambda stage, batch, outputs: made.extend(outputs), stages=stages
    ) as room:
        for chunk in chunks_of(talk, "room", "speaker", start=time.time() - 3_600):
            await room.put(chunk)
    ends = {each.utterance: "judged" for each in made if isinstance(each, Flag)}
    statuses = [each for each in made if isinstance(each, SpeechStatus) and each.state != "segmented"]
    assert not ends.keys() & {each.utterance for each in statuses}
    assert {*ends, *(each.utterance for each in statuses)} == {each.id for each in made if isinstance(each, Utterance)}
    return [*ends.values(), *(each.reason for each in statuses)]


def by_run(talk: Path) -> list[str]:
    return asyncio.run(_run(talk))


@pytest.mark.parametrize("fates", [*pairwise(("judged", *get_args(Fate)[::-1]))], ids="-".join)
@pytest.mark.parametrize("ends_of", [by_moderate, by_transcribe, by_api, by_library, by_run])
def test_each_utterance_ends_once(
    monkeypatch: pytest.MonkeyPatch, talk: Path, fates: tuple[Fate, Fate], ends_of: Callable[[Path], list[str]]
) -> None:
    """The third utterance ends as the first one."""
    fated(monkeypatch, *fates, fates[0])
    assert Counter(ends_of(talk)) == Counter([*fates, fates[0]])


@pytest.mark.parametrize(
    ("fates", "suggestion"),
    [
        (("judged", "language", "no_words"), "review"),
        (("language", "no_words", "language"), None),
        (("no_words", "transcribe", "transcribe"), None),
    ],
)
async def test_speech_that_was_not_judged_is_not_called_clean(
    monkeypatch: pytest.MonkeyPatch, talk: Path, fates: Sequence[Fate], suggestion: str | None
) -> None:
    fated(monkeypatch, *fates)
    *found, report = [each async for each in Recordings([talk], Settings(), Metrics())]
    assert isinstance(report, FileReport)
    assert (report.suggestion, report.unheard) == (suggestion, len(fates) - fates.count("judged"))
    assert sum(isinstance(each, SpeechStatus) for each in found) == report.unheard
    assert (report.error is not None) == ("transcribe" in fates)


@pytest.mark.parametrize("beside_live", [True, False])
async def test_a_recording_of_the_api_steps_back_beside_live_rooms(
    monkeypatch: pytest.MonkeyPatch, talk: Path, tmp_path: Path, beside_live: bool
) -> None:
    fated(monkeypatch, *("judged",) * 3)
    heard, back = Fated.transcribe, set[bool]()

    def transcribe(self: Fated, clips: Sequence[Clip], **options: Any) -> list[Recognition]:
        back.add(is_back())
        return heard(self, clips, **options)

    monkeypatch.setattr(Fated, "transcribe", transcribe)
    with closing(Database(f"sqlite:///{tmp_path}/store.db")) as database:
        backend = open_backend(Settings(), database, Moderator.of(Settings()), beside_live=beside_live)
        async with backend.jobs:
            await backend.jobs._moderated(job := Job(0, talk, "default", 0.0))
    assert (len(job.flags), back) == (3, {beside_live})


async def test_speech_that_a_stage_loses_has_failed(
    monkeypatch: pytest.MonkeyPatch, talk: Path, tmp_path: Path
) -> None:
    """The files behind it are reported, too."""
    fated(monkeypatch, *("judged",) * 3)
    monkeypatch.setattr(Judge, "process", lambda judge, batch: [])
    (quiet := tmp_path / "quiet.flac").write_bytes(encode_flac(silence(2)))
    found = [each async for each in Recordings([talk, quiet], Settings(), Metrics())]
    *lost, report, other = found
    assert [(each.state, each.reason) for each in lost if isinstance(each, SpeechStatus)] == [("failed", "lost")] * 3
    assert isinstance(report, FileReport)
    assert isinstance(other, FileReport)
    assert (report.suggestion, report.error) == (None, f"{talk} has lost speech. Please report it.")
    assert (other.suggestion, other.error) == ("pass", None)


@pytest.mark.parametrize(
    ("fates", "fail_on", "code"),
    [
        (("language", "judged", "judged"), "review", 1),
        (("language", "judged", "judged"), "block", 0),
        (("language",) * 3, "review", 0),
        (("language",) * 3, "unheard", 1),
        (("no_words",) * 3, "unheard", 1),
        (("judged",) * 3, "unheard", 1),
        (("transcribe", "judged", "judged"), "unheard", 3),
    ],
)
def test_the_exit_code_tells_the_worst(
    monkeypatch: pytest.MonkeyPatch, talk: Path, fates: Sequence[Fate], fail_on: str, code: int
) -> None:
    fated(monkeypatch, *fates)
    assert CliRunner().invoke(app, ["moderate", str(talk), "--fail-on", fail_on]).exit_code == code


def test_a_person_reads_what_was_not_judged(monkeypatch: pytest.MonkeyPatch, talk: Path) -> None:
    fated(monkeypatch, "language", "no_words", "no_words")
    result = CliRunner().invoke(app, ["moderate", str(talk)])
    shown = [line.split() for line in result.stdout.splitlines()]
    assert [line[1:] for line in shown[:3]] == [
        ["○", "unheard", "language", "fr"], ["○", "unheard", "no_words"], ["○", "unheard", "no_words"],
    ]  # fmt: skip
    assert "○ unheard 0 utterances (3 more unheard)" in " ".join(result.stdout.split())
    said = " ".join(result.stderr.split())
    assert "1 utterances are in the language fr, which asr.languages does not have. They were not judged." in said
    assert "2 utterances have no words that the recogniser understands. They were not judged." in said
