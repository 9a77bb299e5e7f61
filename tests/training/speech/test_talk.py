"""The model of talk is counted from lines that the classifier may train on."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.learning.training_rows import part_of
from pipeline.speech.asr.language_model import TalkModel, clauses
from tests.training.classifier import tiny
from training.classifier.sets import authored
from training.speech import talk


def test_only_lines_of_the_training_side_are_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(talk, "SETS", ("authored",))
    monkeypatch.setattr(authored, "EXAMPLES", tiny.examples(tmp_path / "few"))
    rows = [row for row in authored.spoken(tmp_path) if row.language == "zh"]
    counted = {*talk.lines(tmp_path)}
    taught = {clause for row in rows if part_of(row) == "train" for clause in clauses(row.text)}
    assert 0 < len(counted) <= len(taught)
    assert counted <= taught


def test_rare_pairs_are_left_out(tmp_path: Path) -> None:
    made = talk.tables(*talk.count(iter(["你好", "你好", "再见"])))
    assert len(made["pairs"]) == len({"^你", "你好", "好$"})
    np.savez(tmp_path / "talk.npz", allow_pickle=False, **made)
    model = TalkModel(tmp_path / "talk.npz")
    assert model.fluency("你好") > model.fluency("再见")
