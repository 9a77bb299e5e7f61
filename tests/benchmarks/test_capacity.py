"""The model of capacity finds known costs, agrees with the kept measurement, and names what is full as an app grows."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec import structs

from benchmarks.capacity.__main__ import KEPT, comparison, main, read
from benchmarks.capacity.growth import AssumedLimits, GrowingApp, Growth, partition_shares, simulate, world_of
from benchmarks.capacity.measuring import CostMeasurement, StoreCost
from benchmarks.capacity.microphones import Microphones, encoded, sentences
from benchmarks.capacity.model import LARGEST_SHARE, UNITS, SpeechLoad, fitted, least_squares, load_of
from benchmarks.capacity.scene import BROKER, FRAME_SECONDS, ROLES, Codec, LoadScene, Observation, Sent
from pipeline.contract.messages import SAMPLE_RATE

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
STORE = StoreCost(1.0, 3.0, 300.0, 1_500.0)
MEASURED = CostMeasurement(
    "2026-11-28", "test", FOUND, [LARGER], {"sqlite": STORE, "postgresql": STORE}, dict.fromkeys(ROLES, 200)
)


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


def grown(most: int, limits: AssumedLimits | None = None, speech: float = 0.05) -> tuple[Growth, list[str], GrowingApp]:
    growth = Growth(fitted(MEASURED), limits or AssumedLimits())
    sizes = [size for size in (100, 1_000, 10_000, 100_000) if size <= most]
    worlds = [world_of(size, speech, 0.01, silence=False) for size in sizes]
    return growth, [change.bottleneck for change in simulate(growth, worlds)], worlds[-1]


def test_growth_ends_with_room_in_every_part() -> None:
    growth, bottlenecks, world = grown(100_000)
    assert not list(growth.grow(world))
    need, state = growth.need(world), growth.state
    workers = {role: count for role, count in growth.workers(need).items() if role not in {"gateway", BROKER}}
    assert max(workers.values()) <= state.partitions
    busiest = partition_shares(world, state.room_shards, state.partitions).max()
    assert busiest * need.cores["segment"] <= LARGEST_SHARE
    assert any("SQLite" in each for each in bottlenecks)
    assert any("moderators" in each for each in bottlenecks)


def test_one_large_room_gets_shards() -> None:
    growth = Growth(fitted(MEASURED), AssumedLimits())
    crowd = GrowingApp(1_000, 0.2, 0.01, silence=True, sizes=np.array([1_000]))
    changes = list(growth.grow(crowd))
    assert "largest room" in changes[0].bottleneck
    assert growth.state.room_shards > 1
    shares = partition_shares(crowd, growth.state.room_shards, growth.state.partitions)
    assert shares.max() * growth.need(crowd).cores["segment"] <= LARGEST_SHARE


def test_without_shards_a_room_is_on_one_partition() -> None:
    crowd = GrowingApp(1_000, 0.2, 0.01, silence=False, sizes=np.array([1_000]))
    assert sorted(partition_shares(crowd, 1, 12)) == [0.0] * 11 + [1.0]


def test_a_gateway_takes_no_more_connections_than_its_setting() -> None:
    assert fitted(MEASURED).need(SpeechLoad(10_001, 0, 0)).processes["gateway"] == 58  # each costs 4 ms a second
    cheap = structs.replace(fitted(MEASURED), cpu={role: {"process": 0.01} for role in UNITS})
    assert cheap.need(SpeechLoad(10_001, 0, 0)).processes["gateway"] == 6


def test_gpus_replace_the_cores_of_transcribe() -> None:
    growth, _, world = grown(10_000, AssumedLimits(gpu_speed=200.0))
    assert growth.workers(growth.need(world))["transcribe"] == 4  # 500 people speak


def test_rooms_have_the_wanted_microphones_and_a_tail() -> None:
    sizes = world_of(100_000, 0.05, 0.01, silence=False).sizes
    assert 100_000 <= sizes.sum() < 101_000
    assert sizes[0] > 20 * np.median(sizes)


@pytest.mark.parametrize("codec", ["opus", "pcm"])
def test_frames_have_the_length_of_their_audio(codec: Codec) -> None:
    frames = encoded(np.zeros(3 * SAMPLE_RATE, np.float32), codec)
    assert len(frames) * FRAME_SECONDS[codec] == pytest.approx(3.0, abs=0.02)


def test_only_what_is_sent_in_the_time_of_measurement_counts() -> None:
    microphones = Microphones(LoadScene(rooms=1, steady=2), end=110.0)
    harmless, flagged = sentences("pcm")
    sentence = harmless[0]
    microphones.said = [(90.0, sentence), (101.0, sentence), (110.0 - sentence.seconds / 2, flagged)]
    sent = microphones.sent(begin=100.0)
    assert sent.speech == pytest.approx(sentence.seconds * 1.5)
    assert sent.sending == pytest.approx(sentence.seconds * 1.5 + 1.0 + 2 * 10.0)
    assert sent.flagged == 0


def test_a_load_with_silence_sends_all_the_time() -> None:
    assert SpeechLoad.of(100, 5, silence=True, flagged=0.01).sending == 100
    assert SpeechLoad.of(100, 5, silence=False, flagged=0.01).sending == pytest.approx(6.5)
    assert load_of(LARGER).open == 880


def test_the_commands_print_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.json"
    file.write_bytes(msgspec.json.encode(MEASURED))
    main(["predict", "--rooms", "200", "--microphones", "8", "--core", "30", "--measured", str(file)])
    main(["simulate", "--most", "2000", "--measured", str(file)])
    shown = capsys.readouterr().out
    assert "transcribe" in shown
    assert "a month" in shown
    assert "open microphones" in shown


def test_a_missing_measurement_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="capacity measure"):
        main(["predict", "--rooms", "1", "--microphones", "1", "--measured", str(tmp_path / "none.json")])
