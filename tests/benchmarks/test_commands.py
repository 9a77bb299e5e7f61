"""Every benchmark that the documents name still runs: each command once, for a few seconds, on little data."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.songs import song
from pipeline.audio.decode import samples_of
from pipeline.audio.encode import encode_flac
from pipeline.messages import SAMPLE_RATE
from pipeline.sound.yamnet.rules import RULES
from tests.pipeline.sound.yamnet import networks
from training.voices.network import VoiceNetwork, export

ROOT = Path(__file__).parents[2]
CLIPS = ROOT / "tests" / "data"
MANDARIN = CLIPS / "mandarin"

ELSEWHERE = {
    "assessment": "test_assessment.py",
    "audits": "test_audits.py",
    "bare_worker": "started by stream",
    "capacity": "test_capacity.py, and crowd plays the same scenes",
    "chaos": "test_chaos.py",
    "contender": "started by asr",
    "fast_worker": "started by stream and chaos",
    "incidents": "incidents/test_run.py",
    "judge": "test_judging.py",
    "microphones": "started by capacity and crowd",
    "mutants": "needs packages that the project does not install",
    "odd_inputs": "test_odd_inputs.py",
    "opus_client": "started by gateway",
    "overload": "test_overload.py",
    "panels": "tests/deploy/test_dashboards.py asks the same queries",
    "slowed": "started by incidents",
    "rival_ears": "needs packages that the project does not install",
    "rolling": "test_chaos.py: the same people, processes and verdict",
    "stream": "test_stream.py",
    "reading": "started by upgrade",
    "staying": "started by upgrade",
    "upgrade": "test_upgrade.py",
    "writing": "started by upgrade",
}
"""Benchmarks that another test or benchmark runs."""


def ordinary_talk(folder: Path) -> Path:
    """The sets that benchmarks/policy.py reads, with a few rows each."""
    for name in ("kdconv", "crosswoz", "cped", "medical_zh", "swda", "mrda", "topical_chat"):
        rows = [
            {"text": f"nice to meet you {n}", "dialogue": str(n), "label": "clean", "heard_b": f"see you {n}"}
            for n in range(120)
        ]
        table(folder / name / "rows.csv", rows)
    table(folder / "cold" / "dev.csv", [{"TEXT": f"你好{n}", "label": str(n % 2)} for n in range(4)])
    harm = [json.dumps({"text": "加微信领钱", "label": "欺诈"}, ensure_ascii=False)]
    (folder / "chineseharm").mkdir()
    (folder / "chineseharm" / "train.jsonl").write_text("\n".join(harm), "utf-8")
    return folder


def table(path: Path, rows: Sequence[dict[str, str]]) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, rows[0])
        out.writeheader()
        out.writerows(rows)


def two_clips(folder: Path) -> Path:
    head = "file\tlanguage\tsource\tseconds\treference\tsplit\n"
    names = sorted(path.name for path in MANDARIN.glob("*.flac"))[:2]
    (folder / "refs.tsv").write_text(
        head + "".join(f"{MANDARIN / n}\tzh\tphone\t2\t你好\tdev\n" for n in names), "utf-8"
    )
    return folder


def few_sounds(folder: Path) -> Path:
    """Talk, a song and noise, in the folders that benchmarks/sound.py reads."""
    random = np.random.default_rng(1)
    size = 20 * SAMPLE_RATE
    made = {"speech": samples_of(CLIPS / "demo-echotest.flac"), "music": song(random, size)}
    for kind, samples in (made | {"other": random.normal(0, 0.02, size)}).items():
        path = folder / kind / "source" / "1.flac"
        path.parent.mkdir(parents=True)
        path.write_bytes(encode_flac(samples.astype(np.float32)))
    return folder


def few_screams(folder: Path) -> Path:
    """The sounds of `few_sounds` with a loud noise, which a network in the form of YAMNet takes for a scream."""
    few_sounds(folder)
    noise = np.random.default_rng(2).uniform(-0.9, 0.9, SAMPLE_RATE).astype(np.float32)
    path = folder / "scream" / "source" / "1.flac"
    path.parent.mkdir(parents=True)
    path.write_bytes(encode_flac(noise))
    networks.write(folder / "yamnet.tflite", RULES["scream"].places)
    return folder


def few_voices(folder: Path) -> Path:
    """Two people, and the same ones under other names: a half of them measures."""
    voices = {
        "allison": ("demo-echotest", "demo-abouttotry", "vm-newuser"),
        "reader": ("sense-and-sensibility",) * 6,
    }
    rows = [
        {"file": str(CLIPS / f"{clip}.flac"), "language": "en", "source": "phone", "speaker": f"{name} {number}"}
        for name, clips in voices.items()
        for number in (1, 2)
        for clip in clips
    ]
    with (folder / "refs.tsv").open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, rows[0], delimiter="\t")
        out.writeheader()
        out.writerows(rows)
    return folder


def some_synthetic(folder: Path) -> Path:
    """Talk of a person, of Kokoro, and noise, in the folders that benchmarks/synthetic_voices.py reads; and a model."""
    spoken = [samples_of(path) for path in sorted(MANDARIN.glob("*.flac"))]
    few_sounds(folder)
    export(VoiceNetwork().eval(), folder / "model.onnx")
    path = folder / "synthetic" / "kokoro" / "1.flac"
    path.parent.mkdir(parents=True)
    path.write_bytes(encode_flac(np.concatenate(spoken)))
    return folder


def few_heard(folder: Path) -> Path:
    """The first lines of a set of spoken lines."""
    lines = (ROOT / "benchmarks" / "heard_validation" / "zh.tsv").read_text("utf-8").splitlines(keepends=True)
    (folder / "zh.tsv").write_text("".join(lines[:9]), "utf-8")
    return folder / "zh.tsv"


COMMANDS: dict[str, Callable[[Path], list[str]]] = {
    "asr": lambda _: [
        "--clips",
        str(CLIPS),
        "--languages",
        "en",
        "--model",
        "tiny.en",
        "--limit",
        "1",
        "--repeat",
        "1",
        "--only",
        "ours, ctranslate2",
    ],
    "console": lambda _: ["--cases", "60", "--moderators", "1", "--seconds", "1", "--pause", "0.2"],
    "conversations": lambda _: ["--limit", "3"],
    "crowd": lambda _: ["--room", "3", "--talks", "1", "--rooms", "--seconds", "8", "--model", "tiny.en"],
    "fingerprints": lambda folder: [
        "--speeches",
        str(two_clips(folder)),
        "--talk",
        str(MANDARIN),
        "--songs",
        "2",
        "--draws",
        "1",
        "--bank",
        "3",
    ],
    "gateway": lambda _: ["--speakers", "2", "4", "--seconds", "2", "--repeat", "1"],
    "labelling": lambda _: ["--count", "2", "--hours", "0.005"],
    "listening": lambda _: ["--speakers", "1", "--seconds", "1", "--bank", "6", "--repeats", "1", "--opus"],
    "livekit": lambda _: ["--tracks", "1", "--speakers", "1", "--seconds", "1"],
    "memory": lambda _: ["file", "--hours", "0.01"],
    "forms": lambda _: ["--lines", "4"],
    "other_languages": lambda folder: [
        "--clips",
        str(two_clips(folder)),
        str(CLIPS / "other_languages"),
        "--heard",
        str(folder / "heard.jsonl"),
        "--cost",
        "1",
    ],
    "people": lambda folder: ["--clips", str(two_clips(folder))],
    "policy": lambda folder: ["--data", str(ordinary_talk(folder))],
    "quality": lambda _: ["--cases", "300", "--tallied-days", "2"],
    "ranking": lambda folder: ["--clips", str(two_clips(folder))],
    "readings": lambda folder: ["--heard", str(few_heard(folder))],
    "rooms": lambda _: [
        "--rooms",
        "3",
        "--seconds",
        "6",
        "--warm",
        "0.5",
        "--workers",
        "1",
        "--sounds",
        "none",
        "all",
        "--bank",
        "6",
    ],
    "screenshot": lambda folder: [str(folder / "shown.svg"), "voxwarden", "--version"],
    "second_ear": lambda _: ["--models", "whisper-tiny", "--windows", "1", "--batch", "1"],
    "sign_ins": lambda _: ["--clients", "2", "--cases", "60", "--seconds", "0.6"],
    "sound": lambda folder: ["--data", str(few_sounds(folder))],
    "synthetic_voices": lambda folder: [
        "--data",
        str(some_synthetic(folder)),
        "--model",
        str(folder / "model.onnx"),
        "--folds",
        "3",
        "--sources",
    ],
    "voice_change": lambda folder: ["--data", str(few_voices(folder))],
    "webhook_delay": lambda folder: ["--rooms", "2", "--seconds", "15", "--share", "1"],
    "wire": lambda folder: ["--clips", str(two_clips(folder))],
    "yamnet": lambda folder: ["--data", str(few_screams(folder)), "--yamnet", str(folder / "yamnet.tflite")],
}
"""The options of a short run."""


def test_every_benchmark_is_run_by_a_test() -> None:
    files = [
        path for path in (ROOT / "benchmarks").rglob("*.py") if '__name__ == "__main__"' in path.read_text("utf-8")
    ]
    names = {path.parent.name if path.stem == "__main__" else path.stem for path in files}
    assert names == COMMANDS.keys() | ELSEWHERE.keys()
    named = [name for name in ELSEWHERE.values() if name.endswith(".py")]
    assert all((Path(__file__).parent / name).exists() for name in named)


@pytest.mark.weights
@pytest.mark.parametrize("name", COMMANDS)
def test_a_short_run_prints_figures(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", f"benchmarks.{name}", *COMMANDS[name](tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "The audit log is broken" not in done.stderr
    shown = tmp_path / "shown.svg"
    assert any(letter.isdigit() for letter in done.stdout) or shown.exists()
