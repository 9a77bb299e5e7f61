"""The second ear hears windows of many speakers together, and each speaker's sounds are as they are alone."""

import asyncio
import itertools
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from pipeline.base.errors import ConfigError
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import SAMPLE_RATE, AudioChunk, Sound
from pipeline.contract.stage import Rejected
from pipeline.contract.topology import DELIVER, JUDGE, LISTEN
from pipeline.judge import model_outputs
from pipeline.judge.model_outputs import Numbers
from pipeline.review.cases.case_values import Filters
from pipeline.review.database import Database
from pipeline.review.evidence.lookback import open_lookback
from pipeline.review.review_store import SqlReviewStore
from pipeline.runner.local import LocalRunner
from pipeline.runner.stage_processor import build_processor
from pipeline.settings import Audio, ListenSettings, Overload, Settings
from pipeline.sound import user_model_detector as second_ear
from pipeline.sound.audio_classifier import AudioClassifier
from pipeline.sound.listen_stage import Listen
from pipeline.sound.user_model_detector import LabelScores, UserModelDetectors, is_quiet
from pipeline.speech.audio.encode import decode_flac
from pipeline.speech.audio.resample import Samples
from pipeline.speech.load_shedding import Valve
from tests.pipeline.sound.tiny_model import chatter, save_map, siren
from tests.pipeline.speech.audio.sound import chunks, silence

GRID = 1_790_000_004.0
"""A time that is a multiple of the hop: three seconds."""


class Faulty:
    """The real model, which fails for a batch that has a window with a certain first sample."""

    def __init__(self, model: AudioClassifier, marked: float, error: Exception | None) -> None:
        self.name, self.labels, self.exclusive = model.name, model.labels, model.exclusive
        self._model, self._marked, self._error = model, np.float32(marked), error
        self.batches: list[int] = []

    def probabilities(self, windows: Sequence[Samples]) -> Numbers:
        self.batches.append(len(windows))
        found = self._model.probabilities(windows)
        for at, window in enumerate(windows):
            if self._marked in window:
                if self._error:
                    raise self._error
                found[at, 0] = np.nan
        return found


class EarRoom:
    """A listen stage with the tiny model."""

    def __init__(
        self, folder: Path, labels: Path, marked: float = 0.987, error: Exception | None = None, **changes: Any
    ) -> None:
        self.metrics = Metrics()
        chosen = ListenSettings.model_validate(
            {"ear": str(folder), "ear_label_map": labels, "ear_floor": 0.9} | changes
        )
        settings = Settings(listen=chosen)
        made = second_ear.user_model_detectors(settings, self.metrics)
        assert made
        self.model = Faulty(made._model, marked, error)
        self.ear = UserModelDetectors(
            self.model,  # type: ignore[arg-type]
            {"Siren": ("abuse",), "Talk": ()},
            settings.listen,
            self.metrics,
        )
        self.stage = Listen([self.ear], Audio(), Valve(Overload()), self.metrics, lambda: GRID)

    def hear(self, sent: Sequence[AudioChunk], batch: int = 64) -> list[Sound]:
        found: list[Sound | Rejected] = []
        for begin in range(0, len(sent), batch):
            found += self.stage.process(sent[begin : begin + batch])
        assert all(isinstance(each, Sound) for each in found)
        return [each for each in found if isinstance(each, Sound)]

    def windows(self, result: str) -> float:
        labels = {"result": result}
        return self.metrics.registry.get_sample_value("voxwarden_ear_windows_total", labels) or 0.0


@pytest.fixture
def room(tiny_ear: Path, ear_map: Path) -> EarRoom:
    return EarRoom(tiny_ear, ear_map)


def sent(sound: Samples, speaker: str = "s", size: float = 0.2) -> list[AudioChunk]:
    sizes = [round(size * SAMPLE_RATE)] * (sound.size // round(size * SAMPLE_RATE) - 1)
    return [structs.replace(chunk, speaker=speaker) for chunk in chunks(sound, sizes, start=GRID)]


def mixed(*streams: Sequence[AudioChunk]) -> list[AudioChunk]:
    return sorted((chunk for stream in streams for chunk in stream), key=lambda chunk: chunk.start)


def alarm(before: float = 12, seconds: float = 6, after: float = 12) -> Samples:
    """Talk with a siren in it."""
    return np.concatenate([chatter(before), siren(seconds), chatter(after)])


def comparable(sounds: Sequence[Sound]) -> dict[str, Sound]:
    """Sounds by id, with scores of three digits: the next ones depend on the batch."""
    return {each.id: structs.replace(each, score=round(each.score, 3)) for each in sounds}


def test_a_siren_in_talk_is_heard_with_its_label_its_span_and_its_audio(room: EarRoom) -> None:
    [heard] = room.hear(sent(alarm()))
    assert (heard.kind, heard.label, heard.name, heard.reference) == ("ear", "abuse", "Siren", "")
    assert heard.score > 0.9
    assert heard.model == room.ear.name
    assert (heard.start - GRID, heard.end - GRID) == (12, 18)
    begin = round((heard.start - GRID) * SAMPLE_RATE)
    np.testing.assert_allclose(decode_flac(heard.data), alarm()[begin : begin + 6 * SAMPLE_RATE], atol=2e-4)
    assert room.windows("heard") == 10


def test_the_windows_of_all_speakers_are_heard_in_one_batch(room: EarRoom) -> None:
    room.hear(mixed(*(sent(chatter(6.2), f"s{number}", 3.1) for number in range(20))), batch=20)
    assert room.model.batches == [20, 20, 20], "two windows of each, and the rest at the end of their streams"


def test_a_speakers_sounds_do_not_depend_on_others_or_on_the_batches(tiny_ear: Path, ear_map: Path) -> None:
    streams = [alarm(), alarm(3, 9), chatter(30), silence(30), alarm(0, 30, 0), alarm(7, 4, 9)]
    speakers = [sent(stream, f"s{number}", 0.2 + 0.1 * number) for number, stream in enumerate(streams)]
    together = comparable(EarRoom(tiny_ear, ear_map).hear(mixed(*speakers)))
    alone = [comparable(EarRoom(tiny_ear, ear_map).hear(stream, batch=1)) for stream in speakers]
    assert together == {id_: each for found in alone for id_, each in found.items()}
    assert {each.speaker for each in together.values()} == {"s0", "s1", "s4", "s5"}


def test_audio_that_is_heard_again_after_a_restart_gives_the_same_ids(tiny_ear: Path, ear_map: Path) -> None:
    audio = sent(alarm(27, 9, 12))
    whole, again = EarRoom(tiny_ear, ear_map).hear(audio), EarRoom(tiny_ear, ear_map)
    at = round(24 / 0.2)
    again.stage.lead_in(audio[:at])
    assert again.model.batches, "the model hears the lead-in"
    assert comparable(again.hear(audio[at:])) == comparable(whole)


def test_a_sound_that_goes_on_is_reported_in_parts_that_touch(room: EarRoom) -> None:
    found = room.hear(sent(alarm(6, 45, 6)))
    spans = [(each.start - GRID, each.end - GRID) for each in found]
    assert spans[0][0] == pytest.approx(6, abs=3)
    assert spans[-1][1] == pytest.approx(51, abs=3)
    assert all(one[1] == other[0] for one, other in itertools.pairwise(spans))
    assert len(found) <= 6


def test_the_end_of_a_stream_is_heard_and_no_span_goes_beyond_it(tiny_ear: Path, ear_map: Path) -> None:
    room = EarRoom(tiny_ear, ear_map, ear_floor=0.0)
    found = room.hear(sent(alarm(4, 1.5, 0), size=0.5))
    assert room.windows("heard") == 2
    assert (found[0].start - GRID, found[-1].end - GRID) == (0, 5.5)


def test_quiet_windows_are_left_out_and_counted(room: EarRoom) -> None:
    noise = 1e-3 * np.random.default_rng(0).normal(size=30 * SAMPLE_RATE).astype(np.float32)
    assert room.hear(sent(noise)) == []
    assert (room.windows("heard"), room.windows("quiet")) == (0, 10)
    assert room.model.batches == []


def test_scores_below_the_floor_are_not_sent(tiny_ear: Path, ear_map: Path) -> None:
    unsure = np.concatenate([chatter(9), siren(3), chatter(9)])
    scores = [each.score for each in EarRoom(tiny_ear, ear_map, ear_floor=0.0).hear(sent(unsure))]
    assert scores
    assert EarRoom(tiny_ear, ear_map, ear_floor=1.0).hear(sent(unsure)) == []


@pytest.mark.parametrize("error", [RuntimeError("odd shape"), None], ids=["the model raises", "scores are NaN"])
def test_a_window_that_the_model_cannot_hear_is_left_out_alone(
    tiny_ear: Path, ear_map: Path, error: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    bad = chatter(30)
    bad[10 * SAMPLE_RATE] = 0.5  # two windows have this sample, and 16-bit audio keeps it
    room = EarRoom(tiny_ear, ear_map, marked=0.5, error=error)
    assert 0.5 not in alarm()
    found = room.hear(mixed(sent(alarm(), "good"), sent(bad, "bad")))
    assert [(each.speaker, each.label) for each in found] == [("good", "abuse")]
    assert (room.windows("failed"), room.windows("heard")) == (2, 18)
    assert [("cannot hear a window" in line) for line in caplog.messages] == [True] * len(caplog.messages)
    assert 1 <= len(caplog.messages) <= 2
    assert "odd shape" not in caplog.text, "a model's message may repeat its input"


def test_too_little_memory_stops_the_stage(tiny_ear: Path, ear_map: Path) -> None:
    bad = chatter(12)
    bad[4 * SAMPLE_RATE] = 0.5
    with pytest.raises(MemoryError):
        EarRoom(tiny_ear, ear_map, marked=0.5, error=MemoryError()).hear(sent(bad))


SCORES = st.lists(st.floats(0, 1), min_size=3, max_size=3)
OUTPUTS = {"a": ("abuse", "hate"), "b": ("abuse",), "c": ()}


@given(SCORES, st.booleans(), st.floats(0, 1))
def test_our_scores_are_the_highest_or_the_sum_and_those_below_the_floor_are_left_out(
    scores: list[float], exclusive: bool, floor: float
) -> None:
    found = {each.label: each for each in LabelScores(("a", "b", "c"), exclusive, OUTPUTS, floor).of(np.array(scores))}
    one, other, _ = scores
    expected = {"abuse": min(1.0, one + other) if exclusive else max(one, other), "hate": one}
    assert found.keys() == {label for label, score in expected.items() if round(score, 4) >= floor}
    for label, each in found.items():
        assert each.score == round(expected[label], 4)
        assert each.own == ("b" if label == "abuse" and other > one else "a")


LABEL_MAPS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["abuse", "Siren", "Talk", "risk", "~", "&a", "*a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["Siren", "Talk", "x"]), inner),
    max_leaves=6,
)


@given(LABEL_MAPS, st.text(max_size=20))
def test_any_label_map_gives_outputs_or_one_line_with_its_name(
    tmp_path_factory: pytest.TempPathFactory, content: object, rest: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.yaml"
    path.write_text(f"{content}\n{rest}", "utf-8")
    said = ""
    try:
        found = model_outputs.load_label_map(path, ["Siren", "Talk"], "tiny", setting="listen.ear_label_map")
    except ConfigError as error:
        said = str(error)
    assert (str(path) in said and "judge.label_map" not in said) if said else found.keys() == {"Siren", "Talk"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, r"unknown label Siren, Talk\. Set listen\.ear_label_map to a YAML"),
        ("Siren: abuse\n", r"ear\.yaml: no line for Talk"),
        ("Siren: rude\nTalk: null\n", r"ear\.yaml: unknown label rude\. Set listen\.ear_label_map"),
        ("Siren: risk\nTalk: null\n", r"ear\.yaml: risk is no label for sounds"),
        ("[Siren]", r"listen\.ear_label_map: .*ear\.yaml: Expected"),
    ],
)
def test_a_mistake_in_the_label_map_is_one_line(tmp_path: Path, tiny_ear: Path, text: str | None, said: str) -> None:
    path = save_map(tmp_path, text) if text else None
    settings = Settings(listen=ListenSettings(ear=str(tiny_ear), ear_label_map=path))
    with pytest.raises(ConfigError, match=said):
        second_ear.user_model_detectors(settings, Metrics())


def test_the_loudest_tenth_of_a_second_tells_whether_a_window_is_quiet() -> None:
    sound = np.zeros(3 * SAMPLE_RATE, np.float32)
    assert is_quiet(sound)
    sound[SAMPLE_RATE : SAMPLE_RATE + SAMPLE_RATE // 10] = 0.01
    assert not is_quiet(sound)
    assert is_quiet(sound * np.float32(0.25))


def test_pytorch_is_imported_only_for_an_ear(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pipeline.base.metrics import Metrics; "
        "from pipeline.settings import Settings; from pipeline.contract.topology import LISTEN; "
        "from pipeline.runner.stage_processor import build_processor; "
        f"build_processor(LISTEN, Settings(data_dir=Path({str(tmp_path)!r})), Metrics()); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


async def _moderate(settings: Settings, audio: Sequence[AudioChunk]) -> None:
    lookback = open_lookback(settings)
    stages = (LISTEN, JUDGE, DELIVER)
    async with LocalRunner(
        settings, Metrics(), lambda *_: None, stages=stages, lookback=lookback, clock=None
    ) as runner:
        for chunk in audio:
            await runner.put(chunk)


def test_what_the_ear_hears_becomes_a_case_with_its_clip(tmp_path: Path, tiny_ear: Path, ear_map: Path) -> None:
    chosen = ListenSettings(ear=str(tiny_ear), ear_label_map=ear_map, ear_floor=0.9)
    settings = Settings(data_dir=tmp_path, listen=chosen)
    stage = build_processor(LISTEN, settings, Metrics())
    audio = sent(alarm())
    [expected] = [each for each in stage.process(audio) if isinstance(each, Sound)]
    asyncio.run(_moderate(settings, audio))
    store = SqlReviewStore(Database(settings.database_url))
    [case] = store.cases(Filters())
    assert (case.source, case.label, case.text, case.suggestion) == ("ear", "abuse", "Siren", "review")
    [flag] = store.case(case.id).flags
    assert flag.utterance == expected.id
    assert (flag.start - GRID, flag.end - GRID) == (12, 18)
    assert flag.reasons == (f"second ear: abuse {flag.risk:.2f} reaches review at 0.90",)
    [clip] = store.case(case.id).evidence
    assert clip.seconds == pytest.approx(6, abs=0.1)
