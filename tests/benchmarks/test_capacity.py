"""The model of capacity finds known costs, and agrees with the kept measurement."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec import structs

from benchmarks.capacity.__main__ import KEPT, comparison, main, read
from benchmarks.capacity.deployment import Deployment
from benchmarks.capacity.measuring import CostMeasurement, StoreCost, store_cost
from benchmarks.capacity.microphones import Microphones, encoded, sentences
from benchmarks.capacity.model import UNITS, SpeechLoad, fitted, least_squares, load_of
from benchmarks.capacity.scene import FRAME_SECONDS, ROLES, Codec, LoadScene, Observation, Sent
from pipeline.contract.messages import SAMPLE_RATE
from tests.broker import Broker

COST = {name: 0.002 * (place + 1) for names in UNITS.values() for place, name in enumerate(names)}
"""CPU seconds for each unit, the same for all roles."""


def observed(scene: LoadScene, speech: float, sending: float, seconds: float = 100.0) -> Observation:
    """Return what a scene costs if COST is true, with half an utterance in a second of speech."""
    utterances, flags = round(speech / 2), round(speech / 2 * scene.flagged)
    units = {
        "process": 1.0,
        "open": float(scene.rooms * (scene.microphones + scene.steady)),
        "sending": sending / seconds,
        f"sending_{scene.codec}": sending / seconds,
        "speech": speech / seconds,
        "utterances": utterances / seconds,
        "flags": flags / seconds,
    }
    cpu = {role: seconds * sum(COST[name] * units.get(name, 0.0) for name in names) for role, names in UNITS.items()}
    sizes = {
        "voice.audio": round(sending * (32_000 if scene.codec == "pcm" else 4_000)),
        "voice.utterances": round(speech * 15_000),
        "voice.transcripts": utterances * 1_000,
        "voice.flags": utterances * 1_500,
        "voice.speech": utterances * 500,
        "evidence": flags * 20_000,
    }
    counts = dict.fromkeys(ROLES, 1)
    return Observation(
        scene, Sent(seconds, speech, sending, flags), counts, cpu, sizes, utterances, flags, (0.5, 1.0, 1.2), 0.0
    )


FOUND = [
    observed(LoadScene(), 0, 0),
    observed(LoadScene(rooms=3, microphones=4), 120, 160),
    observed(LoadScene(rooms=6, microphones=50, flagged=0.3), 240, 320),
    observed(LoadScene(rooms=3, microphones=4, steady=8), 120, 2_560),
    observed(LoadScene(rooms=3, microphones=4, steady=8, codec="pcm"), 120, 2_560),
    observed(LoadScene(rooms=8, microphones=4, codec="pcm"), 320, 420),
]
LARGER = observed(LoadScene(rooms=40, microphones=20, steady=2), 1_600, 10_200)
STORE = StoreCost(300.0, 1_500.0)
MEASURED = CostMeasurement("2026-11-28", "test", FOUND, [LARGER], {"postgresql": STORE})


def test_the_model_finds_the_costs_that_made_the_observations() -> None:
    model = fitted(MEASURED)
    for role, names in UNITS.items():
        assert model.cpu[role] == pytest.approx({name: COST[name] for name in names}, rel=0.02), role
    assert model.bytes == pytest.approx(
        {"audio_opus": 4_000, "audio_pcm": 32_000, "speech": 15_000, "texts": 3_000, "evidence": 20_000}
    )


def test_it_predicts_a_larger_scene() -> None:
    for name, (predicted, seen) in comparison(fitted(MEASURED), LARGER).items():
        assert predicted == pytest.approx(seen, rel=0.03), name


def test_no_cost_is_negative() -> None:
    table = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    factors = least_squares(table, np.array([3.0, 2.0, 1.0]))
    assert factors[1] == 0
    assert factors[0] > 0


def test_the_kept_measurement_predicts_the_scene_that_it_did_not_use() -> None:
    """The claim of docs/sizing.md."""
    kept = read(KEPT)
    model = fitted(kept)
    for scene in kept.held_out:
        assert scene.scene not in [each.scene for each in kept.fit]
        predicted, seen = comparison(model, scene)["cores: all"]
        assert predicted == pytest.approx(seen, rel=0.2)


def test_a_gateway_takes_no_more_connections_than_its_setting() -> None:
    assert fitted(MEASURED).need(SpeechLoad(10_001, 0, 0)).processes["gateway"] == 58  # each costs 4 ms a second
    cheap = structs.replace(fitted(MEASURED), cpu={role: {"process": 0.01} for role in UNITS})
    assert cheap.need(SpeechLoad(10_001, 0, 0)).processes["gateway"] == 6


@pytest.mark.parametrize("codec", ["opus", "pcm"])
def test_frames_have_the_length_of_their_audio(codec: Codec) -> None:
    frames = encoded(np.zeros(3 * SAMPLE_RATE, np.float32), codec)
    assert len(frames) * FRAME_SECONDS[codec] == pytest.approx(3.0, abs=0.02)


def test_only_what_is_sent_in_the_time_of_measurement_counts() -> None:
    microphones = Microphones(LoadScene(rooms=1, steady=2), end=110.0)
    harmless, flagged = sentences(microphones.scene)
    sentence = harmless[0]
    microphones.said = [(90.0, sentence), (101.0, sentence), (110.0 - sentence.seconds / 2, flagged)]
    sent = microphones.sent(begin=100.0)
    assert sent.speech == pytest.approx(sentence.seconds * 1.5)
    assert sent.sending == pytest.approx(sentence.seconds * 1.5 + 1.0 + 2 * 10.0)
    assert sent.flagged == 0


def test_push_to_talk_sends_no_silence() -> None:
    scene = LoadScene(rooms=1, codec="pcm", push_to_talk=True)
    for sentence in sentences(scene)[0]:
        assert len(sentence.frames) * FRAME_SECONDS["pcm"] == pytest.approx(sentence.seconds, abs=0.1)


def test_a_load_with_silence_sends_all_the_time() -> None:
    assert SpeechLoad.of(100, 5, silence=True, flagged=0.01).sending == 100
    assert SpeechLoad.of(100, 5, silence=False, flagged=0.01).sending == pytest.approx(6.5)
    assert load_of(LARGER).open == 880


def test_predict_prints_figures_and_gpus_replace_workers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.json"
    file.write_bytes(msgspec.json.encode(MEASURED))
    asked = ["predict", "--rooms", "200", "--microphones", "8", "--measured", str(file), "--gpu-speed", "60"]
    main(asked)
    [row] = (line for line in capsys.readouterr().out.splitlines() if "transcribe" in line)
    assert row.split("│")[-2].strip() == "3"  # 100 people speak, and each GPU is 70 % busy


def test_a_missing_measurement_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="capacity measure"):
        main(["predict", "--rooms", "1", "--microphones", "1", "--measured", str(tmp_path / "none.json")])


@pytest.mark.broker
@pytest.mark.weights
@pytest.mark.drill
@pytest.mark.timeout(900)
def test_a_scene_is_played_and_observed(tmp_path: Path) -> None:
    scene = LoadScene(rooms=2, microphones=2, flagged=1)
    with Broker(tmp_path) as broker, Deployment(tmp_path, broker, model="tiny.en").running() as deployment:
        found = deployment.observe(scene, 20)
    assert found.sent.speech > 0
    assert found.utterances > 0
    assert min(found.cpu.values()) > 0
    assert found.bytes["voice.audio"] > 0


def test_the_size_of_a_flag_in_the_store_is_measured(tmp_path: Path) -> None:
    cost = store_cost(tmp_path)
    assert cost.utterance_bytes > 50
    assert cost.flag_bytes > 500
