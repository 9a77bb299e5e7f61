"""Every benchmark still runs: each once, for a few seconds, on little data."""

import csv
import json
import shlex
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import asr
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.yamnet_detector import RULES
from pipeline.speech.audio.decode import samples_of
from pipeline.speech.audio.encode import encode_flac
from tests.pipeline.sound import yamnet_networks
from tests.pipeline.sound.songs import song

ROOT = Path(__file__).parents[2]
CLIPS = ROOT / "tests" / "data"
MANDARIN = CLIPS / "mandarin"

ELSEWHERE = {
    "bare_worker": "started by stream",
    "capacity": "test_capacity.py",
    "contender": "started by asr",
    "fast_worker": "started by stream, gateway and chaos",
    "microphones": "started by capacity and webhook_delay",
    "mutants": "needs packages that the project does not install",
    "odd": "test_odd.py",
    "stream": "test_stream.py",
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
    names = sorted(path.name for path in MANDARIN.glob("*.flac"))[:2]
    rows = "".join(f"{MANDARIN / name}\tzh\tphone\t2\t你好\n" for name in names)
    (folder / "refs.tsv").write_text(f"file\tlanguage\tsource\tseconds\treference\n{rows}", "utf-8")
    return folder


def one_of_each(folder: Path) -> Path:
    rows = [
        f"{CLIPS / 'conf-invalid.flac'}\ten\tasterisk\t3.86\tThat is not a valid conference number.",
        f"{MANDARIN / 'da269b5be455.flac'}\tzh\tphone\t3\t家里没大人的时候，谁敲门都别开",
    ]
    lines = "\n".join(["file\tlanguage\tsource\tseconds\treference", *rows, ""])
    (folder / "refs.tsv").write_text(lines, "utf-8")
    return folder


def few_sounds(folder: Path) -> Path:
    """Talk, a song, noise, and a loud noise, which a network in the form of YAMNet takes for a scream."""
    random, size = np.random.default_rng(1), 12 * SAMPLE_RATE
    made: dict[str, NDArray[Any]] = {
        "speech": samples_of(CLIPS / "demo-echotest.flac"),
        "music": song(random, size),
        "other": random.normal(0, 0.02, size),
        "scream": random.uniform(-0.9, 0.9, SAMPLE_RATE),
    }
    for kind, samples in made.items():
        path = folder / kind / "source" / "1.flac"
        path.parent.mkdir(parents=True)
        path.write_bytes(encode_flac(samples.astype(np.float32)))
    yamnet_networks.write(folder / "yamnet.tflite", RULES["scream"].places)
    return folder


COMMANDS: dict[str, Callable[[Path], str]] = {
    "asr": lambda _: (
        f"--clips {CLIPS} --languages en --model tiny.en --limit 1 --repeat 1 --device cpu"
        " --only 'ours, ctranslate2' 'ours, openai-whisper' 'ours, openai-whisper, one at a time'"
    ),
    "assessment": lambda _: "--utterances 100 --cases 60 --days 1",
    "audits": lambda _: "--audits 2",
    "console": lambda _: "--cases 60 --moderators 1 --seconds 1 --pause 0.2",
    "conversations": lambda _: "--limit 3",
    "fingerprints": lambda folder: f"--speeches {two_clips(folder)} --talk {MANDARIN} --songs 2 --draws 1 --bank 3",
    "forms": lambda _: "--lines 4",
    "judge": lambda folder: f"--data {folder} --only throughput --sample 8",
    "memory": lambda _: "file --hours 0.01",
    "mixed": lambda folder: f"--clips {one_of_each(folder)} --pairs 1 --repeat 1",
    "policy": lambda folder: f"--data {ordinary_talk(folder)}",
    "rooms": lambda _: "--rooms 3 --seconds 5 --warm 0.5 --workers 1 --early 0.5 --sounds all --bank 6",
    "sound": lambda folder: f"--data {few_sounds(folder)} --yamnet {folder / 'yamnet.tflite'}",
}
"""The options of a short run."""

WITH_SERVERS: dict[str, str] = {
    "attacks": "--rounds 1 --seconds 15 --only pings",
    "chaos": "--minutes 0.3 --rooms 1 --troubles kill",
    "gateway": "--speakers 4 --seconds 2 --repeat 1",
    "webhook_delay": "--rooms 2 --seconds 25 --share 1",
}
"""Those that start many processes, and take minutes."""


def test_every_benchmark_is_run_by_a_test() -> None:
    files = [
        path for path in (ROOT / "benchmarks").rglob("*.py") if '__name__ == "__main__"' in path.read_text("utf-8")
    ]
    names = {path.parent.name if path.stem == "__main__" else path.stem for path in files}
    assert names == COMMANDS.keys() | WITH_SERVERS.keys() | ELSEWHERE.keys()
    named = [name for name in ELSEWHERE.values() if name.endswith(".py")]
    assert all((Path(__file__).parent / name).exists() for name in named)


def test_recognisers_that_use_no_gpu_are_left_out_there() -> None:
    on_cpu, on_gpu = (asr.names(Namespace(device=device, only=None)) for device in ("cpu", "cuda"))
    assert {*on_cpu} - {*on_gpu} == {"ours, ctranslate2", "ours, ctranslate2, one at a time"}
    assert {"faster-whisper", "openai-whisper", "ours, openai-whisper", "ours, the command"} <= {*on_gpu}


@pytest.mark.weights
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # a program that ends leaves its files to the system
@pytest.mark.parametrize("name", COMMANDS)
def test_a_short_run_prints_figures(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process, so that each run does not load all libraries again."""
    monkeypatch.setattr(sys, "argv", [name, *shlex.split(COMMANDS[name](tmp_path))])
    import_module(f"benchmarks.{name}").main()
    assert any(letter.isdigit() for letter in capsys.readouterr().out)


@pytest.mark.broker
@pytest.mark.drill
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", WITH_SERVERS)
def test_a_short_run_with_servers_prints_figures(name: str) -> None:
    command = [sys.executable, "-m", f"benchmarks.{name}", *shlex.split(WITH_SERVERS[name])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert any(letter.isdigit() for letter in done.stdout)
