"""`voxwarden moderate` on real speech and on files without speech, for a person and for a program."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.decode import samples_of
from pipeline.speech.audio.encode import encode_flac
from tests.pipeline.sound import tiny_model

DATA = Path(__file__).parents[2] / "data"
DEMO = Path(__file__).parents[3] / "pipeline" / "runner" / "demo"

KEYS = {
    "kind", "file", "room", "speaker", "start", "end", "language", "text",
    "confidence", "suggestion", "risk", "labels", "hits", "policy", "model",
}  # fmt: skip

FILE_KEYS = {"kind", "file", "seconds", "speech_seconds", "utterances", "unheard", "suggestion", "error"}

BOTH = """
name: both
every: {enabled: false}
labels: {violence: {enabled: true, review: 0.8, sources: both}}
"""

pytestmark = pytest.mark.weights


def command(*arguments: str | Path, model: str, options: tuple[str, ...] = ()) -> list[str]:
    settings = [part for option in (f"asr.model={model}", *options) for part in ("--set", option)]
    return [sys.executable, "-m", "agents", *settings, "moderate", *map(str, arguments)]


def moderate(
    *arguments: str | Path, model: str = "base", options: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    line = command(*arguments, model=model, options=options)
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=300)


def lines(shown: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in shown.stdout.splitlines()]


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """Run the command once on everything: human speech, the demo rooms, and files that are not recordings."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "empty.wav").write_bytes(b"")
    (folder / "notes.txt").write_text("not audio at all", "utf-8")
    whole = (DATA / "sense-and-sensibility.flac").read_bytes()
    (folder / "cut.flac").write_bytes(whole[: len(whole) // 2])
    (folder / "wrong-ending.mp3").write_bytes((DATA / "vm-newuser.flac").read_bytes())
    files = [DATA / "sense-and-sensibility.flac", DEMO / "lounge-ben.ogg", DEMO / "teahouse-wei.ogg"]
    bad = [folder / name for name in ("empty.wav", "notes.txt", "cut.flac", "wrong-ending.mp3", "missing.wav")]
    return moderate(*files, *bad, "--format", "jsonl", "--fail-on", "review")


def of(batch: subprocess.CompletedProcess[str], name: str, kind: str = "utterance") -> list[dict[str, Any]]:
    return [line for line in lines(batch) if line["kind"] == kind and Path(line["file"]).name == name]


@pytest.mark.full
def test_every_line_follows_the_contract(batch: subprocess.CompletedProcess[str]) -> None:
    for line in lines(batch):
        if line["kind"] == "utterance":
            assert set(line) == KEYS
            assert 0 <= line["risk"] <= 1
            assert line["suggestion"] in {"pass", "review", "block"}
            assert 0 <= line["start"] < line["end"] <= line["start"] + 15.0
            for hit in line["hits"]:
                assert set(hit) == {"term", "label", "level", "start", "end"}
                assert line["start"] <= hit["start"] < hit["end"] <= line["end"]
        else:
            assert set(line) == FILE_KEYS


def test_each_file_ends_with_its_own_line_in_order(batch: subprocess.CompletedProcess[str]) -> None:
    files = [Path(line["file"]).name for line in lines(batch)]
    reports = [Path(line["file"]).name for line in lines(batch) if line["kind"] == "file"]
    assert reports == list(dict.fromkeys(files))
    for line in lines(batch):
        if line["kind"] == "file":
            assert line["utterances"] == len(of(batch, Path(line["file"]).name))


def test_read_speech_gives_the_right_words(batch: subprocess.CompletedProcess[str]) -> None:
    (report,) = of(batch, "sense-and-sensibility.flac", "file")
    text = " ".join(line["text"] for line in of(batch, "sense-and-sensibility.flac")).lower()
    assert "had then leisure to consider how much there might be prudently in his power to do for them" in text
    assert report["error"] is None
    assert report["suggestion"] == "pass"


def test_an_english_threat_is_flagged_and_small_talk_is_not(batch: subprocess.CompletedProcess[str]) -> None:
    by_text = {line["text"].lower(): line for line in of(batch, "lounge-ben.ogg")}
    threat = next(line for text, line in by_text.items() if "kill you" in text)
    talk = next(line for text, line in by_text.items() if "dragons" in text)
    assert threat["suggestion"] != "pass"
    assert threat["language"] == "en"
    assert "violence" in {hit["label"] for hit in threat["hits"]} | set(threat["labels"])
    assert threat["risk"] > talk["risk"]
    assert talk["suggestion"] == "pass"


def test_a_mandarin_scam_is_flagged_and_cooking_is_not(batch: subprocess.CompletedProcess[str]) -> None:
    utterances = of(batch, "teahouse-wei.ogg")
    assert {line["language"] for line in utterances} == {"zh"}
    cooking, scam, threat = utterances[0], utterances[1], utterances[-1]
    assert cooking["suggestion"] == "pass"
    assert scam["suggestion"] != "pass"
    assert threat["suggestion"] != "pass"


@pytest.mark.parametrize("name", ["empty.wav", "notes.txt", "missing.wav"])
def test_a_file_that_is_not_a_recording_is_named(batch: subprocess.CompletedProcess[str], name: str) -> None:
    (report,) = of(batch, name, "file")
    assert name in report["error"]
    assert report["suggestion"] is None
    assert sum(name in line for line in batch.stderr.splitlines()) == 1


def test_a_cut_file_is_judged_up_to_its_end(batch: subprocess.CompletedProcess[str]) -> None:
    (report,) = of(batch, "cut.flac", "file")
    assert report["error"]
    assert report["utterances"] >= 1


def test_failed_inputs_win_over_flagged_ones(batch: subprocess.CompletedProcess[str]) -> None:
    assert batch.returncode == 3
    assert "Traceback" not in batch.stderr


def test_a_person_gets_a_table_and_an_exit_code() -> None:
    shown = moderate(DEMO / "lounge-ben.ogg", "--fail-on", "review", model="tiny.en")
    assert shown.returncode == 1, shown.stderr
    assert "review" in shown.stdout or "block" in shown.stdout
    assert "dragons" in shown.stdout
    assert "3 utterances" in shown.stdout


@pytest.mark.full
def test_subtitles_have_the_labels() -> None:
    shown = moderate(DEMO / "lounge-ben.ogg", "--format", "srt", model="tiny.en")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("1\n00:00:0")
    assert "[" in shown.stdout


@pytest.mark.full
def test_ctrl_c_leaves_the_results_that_were_found(tmp_path: Path) -> None:
    speech = samples_of(DATA / "sense-and-sensibility.flac")
    (tmp_path / "long.flac").write_bytes(encode_flac(np.tile(speech, 20)))
    long = command(tmp_path / "long.flac", "--format", "json", model="tiny.en")
    with subprocess.Popen(long, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        opened = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    found = json.loads(opened + rest)
    assert process.returncode == 130
    assert {line["kind"] for line in found} == {"utterance"}


def test_subtitles_need_a_single_recording() -> None:
    shown = moderate(DEMO, "--format", "srt")
    assert shown.returncode == 2
    assert "one recording" in shown.stderr


def test_a_folder_without_recordings_is_named(tmp_path: Path) -> None:
    shown = moderate(tmp_path)
    assert shown.returncode == 3
    assert str(tmp_path) in shown.stderr.replace("\n", "")


def shouted_threat(folder: Path, form: str) -> subprocess.CompletedProcess[str]:
    """Moderate a room in which a siren, which stands for a shout, plays around "I'm going to kill you"."""
    loud = samples_of(DEMO / "lounge-ben.ogg")
    loud[22 * SAMPLE_RATE : 28 * SAMPLE_RATE] += tiny_model.siren(6)
    (folder / "arena.flac").write_bytes(encode_flac(loud))
    (folder / "both.yaml").write_text(BOTH, "utf-8")
    names = tiny_model.save_map(folder, "Siren: violence\nTalk: null\n")
    ear = (f"listen.ear={tiny_model.save(folder / 'tiny')}", f"listen.ear_label_map={names}")
    arguments = (folder / "arena.flac", "--format", form, "--policy", folder / "both.yaml")
    shown = moderate(*arguments, model="tiny.en", options=ear)
    assert shown.returncode == 0, shown.stderr
    return shown


@pytest.mark.full
def test_what_words_and_second_ear_agree_on_has_one_line(tmp_path: Path) -> None:
    *found, file = lines(shouted_threat(tmp_path, "jsonl"))
    [threat] = [line for line in found if "kill you" in line["text"]]
    assert (threat["suggestion"], threat["released"]) == ("review", "violence")
    places = [(line["kind"], line["start"]) for line in found]
    assert len(places) == len(set(places))
    assert file["utterances"] == sum(line["kind"] == "utterance" for line in found)


@pytest.mark.full
def test_what_words_and_second_ear_agree_on_has_one_subtitle(tmp_path: Path) -> None:
    cues = shouted_threat(tmp_path, "srt").stdout
    assert re.findall(r"(.*)I'm going to kill you", cues) == ["[review: violence] I know where you live and "]
    starts = re.findall(r"^([\d:,]+) -->", cues, re.MULTILINE)
    assert starts == sorted(starts)


@pytest.mark.full
def test_what_a_second_ear_hears_has_a_line_of_its_own(tmp_path: Path) -> None:
    sound = np.concatenate([tiny_model.chatter(8), tiny_model.siren(8), tiny_model.chatter(4)])
    file = tmp_path / "room.flac"
    file.write_bytes(encode_flac(sound))
    ear = (
        f"listen.ear={tiny_model.save(tmp_path / 'tiny')}",
        f"listen.ear_label_map={tiny_model.save_map(tmp_path)}",
        "listen.ear_floor=0.9",
    )
    shown = moderate(file, "--format", "jsonl", "--fail-on", "review", model="tiny.en", options=ear)
    first, *rest = [line for line in lines(shown) if line["kind"] == "sound"]
    for line in (first, *rest):  # a sound that goes on is reported in parts
        assert set(line) == {*KEYS, "sound"}
        assert (line["suggestion"], line["labels"]) == ("review", {"abuse": pytest.approx(1, abs=0.1)})
        assert (line["sound"]["kind"], line["sound"]["name"]) == ("ear", "Siren")
        assert 4 <= line["start"] < line["end"] <= 20, (first, *rest)
    assert shown.returncode == 1, shown.stderr
