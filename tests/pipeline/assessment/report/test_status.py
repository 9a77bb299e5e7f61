"""The status names what a report lacks."""

from pipeline.assessment.report import status
from tests.pipeline.assessment.report import samples


def test_a_draft_with_gaps() -> None:
    [first, *others] = samples.answers()
    found = list(status.lines(samples.report(answers=(samples.blank(first), *others)), "en"))
    assert found[0] == "Assessment 2026-1 (Draft): 语音房服务安全评估"
    assert "Answers: 10 of 11, 1 required ones are empty" in found
    assert "  empty: field_1 (1, Field of part 1)" in found
    assert any(line.startswith("  not measured: I-05 Detection delay (") for line in found)
    assert "  I-02.share: 0.9, limit 0.95" in found
    assert "  H-1 (fixed, to be checked): 谩骂与仇恨的漏放" in found


def test_a_final_report() -> None:
    assert next(status.lines(samples.final(), "en")).startswith("Assessment 2026-1 (Final)")


def test_triggers_that_wait_for_a_decision() -> None:
    assert "Triggers to decide: 0" in list(status.lines(samples.report(), "en"))


def test_the_lines_are_chinese_for_a_chinese_reader() -> None:
    found = list(status.lines(samples.report(), "zh"))
    assert found[0] == "评估 2026-1（草稿）：语音房服务安全评估"
    assert "未关闭隐患：1 / 1" in found
