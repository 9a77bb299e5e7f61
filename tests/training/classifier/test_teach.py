"""A pupil's targets: a mix of annotation and teacher for annotated labels, the teacher alone for others."""

from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.judge.model_outputs import Calibrated, Calibration, Numbers
from pipeline.learning.training_rows import CLEAN, OUTPUTS, RISK, Row, positive
from training.classifier.teach import TESTED, clauses, taught


class Teacher(Calibrated):
    """Scores a text's first label high if the text is long. Its calibration must not reach the pupil."""

    def __init__(self, labels: Sequence[str] = OUTPUTS) -> None:
        super().__init__("teacher", labels, Calibration({OUTPUTS[0]: 100.0}))

    def logits(self, texts: Sequence[str]) -> Numbers:
        found = np.full((len(texts), len(self.labels)), -np.log(3))
        found[[len(text) > 3 for text in texts], 0] = np.log(3)
        return found


@pytest.mark.parametrize(("source", "known"), [("cold", 0.625), ("authored", 0.8125)])
def test_annotations_are_mixed_with_the_teacher_and_the_rest_is_the_teachers(source: str, known: float) -> None:
    row = Row("a scam", "en", positive("fraud"), source)
    (found,) = taught([row], Teacher())
    assert found.labels == pytest.approx(dict.fromkeys(OUTPUTS, 0.25) | {"sexual": 0.75, "fraud": known, "risk": known})
    assert (found.text, found.source, found.weight) == (row.text, row.source, row.weight)


def test_clean_talk_keeps_its_targets() -> None:
    talk, line = (Row("good morning", "en", CLEAN, source) for source in ("topical_chat", "authored"))
    kept, changed = taught([talk, line], Teacher())
    assert kept.labels is CLEAN
    assert changed.labels["sexual"] == pytest.approx(0.1875)


def test_each_row_gets_the_scores_of_its_own_text() -> None:
    rows = [Row(text, "en", {}, "cold") for text in ("long one", "no", "another", "ok", "the last")]
    found = [row.labels["sexual"] for row in taught(rows, Teacher())]
    assert found == pytest.approx([0.75, 0.25, 0.75, 0.25, 0.75])


def test_clauses_come_from_our_mandarin_lines_without_annotations() -> None:
    rows = [
        Row("我杀了那个首领，你快跟上来 别掉队", "zh", CLEAN, "authored", group="首领"),
        Row("没有标点的一句话", "zh", CLEAN, "authored"),
        Row("别人的话，不在其中吧", "zh", CLEAN, "cold"),
        Row("well done, all of you", "en", CLEAN, "authored"),
    ]
    found = clauses(rows, [Row("一句别的话", "zh", CLEAN, "cold")])
    assert [row.text for row in found] == ["我杀了那个首领", "你快跟上来"]
    assert {(row.labels.get(RISK), row.group) for row in found} == {(None, "首领")}
    (first, _) = taught(found, Teacher())
    assert first.labels == pytest.approx(dict.fromkeys(OUTPUTS, 0.25) | {"sexual": 0.75})


def test_no_clause_is_close_to_other_sides_or_tests() -> None:
    (tested, *_) = TESTED.read_text("utf-8").split()
    rows = [Row(f"我杀了那个首领，你快跟上来，{tested}", "zh", CLEAN, "authored")]
    held = [Row("你快跟上来！", "zh", CLEAN, "authored")]
    assert [row.text for row in clauses(rows, held)] == ["我杀了那个首领"]
