"""The shipped classifier, and others, through the interface that the judge uses."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Semaphore
from typing import Any

import numpy as np
import pytest
from transformers import AutoConfig

from pipeline.base.cpu_cores import step_back
from pipeline.base.errors import ConfigError, DependencyError
from pipeline.judge import classifier, transformers_model
from pipeline.judge.classifier import SHIPPED, SLICE, Classifier, SharedClassifier, load_classifier, load_model
from pipeline.learning import starting_model
from pipeline.settings import JudgeSettings

RISKY = [
    ("shut up you worthless idiot nobody wants you here", "en"),
    ("i am going to kill you and your family", "en"),
    ("those people are vermin and should all be thrown out", "en"),
    ("你这个傻逼怎么不去死", "zh"),
    ("兼职刷单一天赚三百加微信马上带你赚钱", "zh"),
    ("黑人都是垃圾滚出中国", "zh"),
]
CLEAN = [
    ("hi everyone welcome back to the room", "en"),
    ("the next game starts at nine o'clock see you there", "en"),
    ("i finally finished painting my little dragons", "en"),
    ("我昨天做了红烧肉味道还不错", "zh"),
    ("今天天气很好我们去公园走走吧", "zh"),
    ("这部电影的导演是谁", "zh"),
]


@pytest.fixture(scope="module")
def shipped() -> Classifier:
    return load_classifier(JudgeSettings())


def risks(classifier: Classifier, texts: list[tuple[str, str]]) -> list[float]:
    scores = classifier.classify([text for text, _ in texts], [language for _, language in texts])
    return [score["risk"] for score in scores]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_shipped_model_separates_risky_from_clean(shipped: Classifier, language: str) -> None:
    risky = risks(shipped, [text for text in RISKY if text[1] == language])
    clean = risks(shipped, [text for text in CLEAN if text[1] == language])
    assert min(risky) > max(clean)


def test_every_label_and_risk_get_probabilities(shipped: Classifier) -> None:
    (scores,) = shipped.classify(["hello"], ["en"])
    assert set(scores) == {*shipped.labels, "risk"}
    assert len(shipped.labels) == 12
    assert all(0 <= score <= 1 for score in scores.values())
    assert shipped.name.startswith("model@")


def test_a_text_has_the_same_scores_in_any_batch(shipped: Classifier) -> None:
    texts = [text for text, _ in RISKY + CLEAN]
    together = shipped.classify(texts, ["en"] * len(texts))
    for text, among in zip(texts, together, strict=True):
        (alone,) = shipped.classify([text], ["en"])
        assert alone == pytest.approx(among, abs=1e-6)


def test_no_texts_have_no_scores(shipped: Classifier) -> None:
    assert shipped.classify([], []) == []


def test_the_shipped_model_needs_no_pytorch() -> None:
    script = (
        "import sys; from pipeline.judge.classifier import load_classifier;"
        "from pipeline.settings import JudgeSettings;"
        "load_classifier(JudgeSettings()).classify(['hello'], ['en']);"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_package_stays_small() -> None:
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) < 60_000_000


def test_the_number_of_threads_changes_no_score() -> None:
    one, two = (
        load_classifier(JudgeSettings(), threads).classify(["you idiot", "今天天气很好"], ["en", "zh"])
        for threads in (1, 2)
    )
    for scores, same in zip(one, two, strict=True):
        assert scores == pytest.approx(same, abs=1e-6)


def test_long_and_odd_texts_are_scored(shipped: Classifier) -> None:
    odd = ["", " ", "a" * 100_000, "傻" * 5_000, "\x00\ud83d", "🙂" * 300, "word " * 4_000]
    assert len(shipped.classify(odd, ["en"] * len(odd))) == len(odd)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "model"))


def test_the_calibration_is_applied(copy: Path) -> None:
    texts = [text for text, _ in RISKY]
    (copy / "calibration.json").write_text(json.dumps({"temperature": {"risk": 1.0}}))
    sharp = load_model(str(copy)).probabilities(texts)[:, -1]
    (copy / "calibration.json").write_text(json.dumps({"temperature": {"risk": 4.0}}))
    flat = load_model(str(copy)).probabilities(texts)[:, -1]
    np.testing.assert_allclose(np.log(flat / (1 - flat)) * 4, np.log(sharp / (1 - sharp)), rtol=1e-4)


@pytest.mark.parametrize("content", ['{"temperature": {"risk": 0}}', '{"temperature": 1}', "{"])
def test_a_broken_calibration_is_named(copy: Path, content: str) -> None:
    (copy / "calibration.json").write_text(content)
    with pytest.raises(ConfigError, match=r"calibration\.json"):
        load_classifier(JudgeSettings(model=str(copy)))


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "config.json"])
@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\x00"])
def test_a_broken_file_is_named(copy: Path, name: str, content: bytes) -> None:
    (copy / name).write_bytes(content)
    with pytest.raises(ConfigError, match=r"judge\.model: .*model cannot be loaded"):
        load_classifier(JudgeSettings(model=str(copy)))


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"judge\.model: no model at .*nowhere"):
        load_classifier(JudgeSettings(model=str(tmp_path / "nowhere")))


def test_other_labels_are_mapped_to_ours(copy: Path, tmp_path: Path) -> None:
    rename(copy, {"abuse": "toxic", "hate": "identity_attack"})
    lines = [f"{label}: {label}" for label in labels_of(copy) if label not in {"toxic", "identity_attack"}]
    file = tmp_path / "map.yaml"
    file.write_text("\n".join([*lines, "toxic: [abuse]", "identity_attack: [abuse, hate]"]))
    (scores,) = load_classifier(JudgeSettings(model=str(copy), label_map=file)).classify(["you idiot"], ["en"])
    (own,) = load_classifier(JudgeSettings()).classify(["you idiot"], ["en"])
    assert scores["abuse"] == pytest.approx(max(own["abuse"], own["hate"]), abs=1e-6)
    assert scores["hate"] == pytest.approx(own["hate"], abs=1e-6)


def test_unmapped_labels_are_named_with_the_remedy(copy: Path) -> None:
    rename(copy, {"abuse": "toxic"})
    with pytest.raises(ConfigError, match=r"unknown label toxic.*judge\.label_map"):
        load_classifier(JudgeSettings(model=str(copy)))


def test_a_map_without_a_label_is_named(copy: Path, tmp_path: Path) -> None:
    file = tmp_path / "map.yaml"
    file.write_text("abuse: abuse\n")
    with pytest.raises(ConfigError, match="no line for"):
        load_classifier(JudgeSettings(model=str(copy), label_map=file))


def labels_of(folder: Path) -> list[str]:
    config = json.loads((folder / "config.json").read_text())
    return [str(label) for label in config["id2label"].values()]


def rename(folder: Path, names: dict[str, str]) -> None:
    (folder / "sounds.npz").unlink()
    calibration = folder / "calibration.json"
    temperature = json.loads(calibration.read_text())["temperature"]
    renamed = {names.get(label, label): value for label, value in temperature.items()}
    calibration.write_text(json.dumps({"temperature": renamed}))
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["id2label"] = {at: names.get(label, label) for at, label in config["id2label"].items()}
    config["label2id"] = {label: int(at) for at, label in config["id2label"].items()}
    path.write_text(json.dumps(config))


COMMIT = "0123456789abcdef" * 2 + "01234567"


@pytest.mark.parametrize("source", ["owner/name", "owner/name@main", "owner/name@0123abc"])
def test_an_id_without_a_commit_is_refused_before_a_download(source: str) -> None:
    for load in (transformers_model.load_transformer, starting_model.load_encoder):
        with pytest.raises(ConfigError, match=r"Write owner/name@COMMIT"):
            load(source)


def test_the_commit_is_the_one_requested(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def fetch(place: str, **options: Any) -> None:
        asked.append((place, options["revision"]))
        raise OSError("out of reach")

    monkeypatch.setattr(AutoConfig, "from_pretrained", fetch)
    with pytest.raises(DependencyError, match="out of reach"):
        transformers_model.load_transformer(f"owner/name@{COMMIT}")
    assert asked == [("owner/name", COMMIT)]


def test_a_folder_needs_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "owner" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert not classifier.is_id("owner/name")
    assert classifier.is_id(f"owner/name@{COMMIT}")
    assert not classifier.is_id("/nowhere/at/all")


class Watched:
    """A classifier that notes each call, and waits in it for `go_on`."""

    def __init__(self) -> None:
        self.name, self.context = "watched", False
        self.labels: tuple[str, ...] = ("abuse",)
        self.calls: list[Sequence[str]] = []
        self.begun, self.go_on = Semaphore(0), Semaphore(0)

    def classify(self, texts: Sequence[str], languages: Sequence[str]) -> list[dict[str, float]]:
        assert len(languages) == len(texts)
        self.calls.append(texts)
        self.begun.release()
        assert self.go_on.acquire(timeout=10)
        return [{"abuse": float(len(text))} for text in texts]


def test_a_thread_that_has_stepped_back_reads_in_slices_and_others_go_first() -> None:
    watched = Watched()
    shared = SharedClassifier(watched)
    texts, waits = ["a" * SLICE, "b" * 3 * SLICE, "c", "d"], "live"
    with ThreadPoolExecutor(1, initializer=step_back) as back, ThreadPoolExecutor(1) as live:
        first = back.submit(shared.classify, texts, ["en"] * 4)
        watched.begun.acquire()
        second = live.submit(shared.classify, [waits] * 3, ["en"] * 3)
        while not shared._first:
            time.sleep(0.001)
        for _ in range(4):
            watched.go_on.release()
        assert [scores["abuse"] for scores in first.result(10)] == [SLICE, 3 * SLICE, 1, 1]
        assert len(second.result(10)) == 3
    assert watched.calls == [texts[:1], [waits] * 3, texts[1:2], texts[2:]]
