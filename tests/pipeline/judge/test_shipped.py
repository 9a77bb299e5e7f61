"""The judge as shipped: model, lexicons and policy together."""

import pytest

from pipeline.base.metrics import Metrics
from pipeline.judge.judge_stage import Judge, build
from pipeline.judge.text_transcripts import Text, judge_texts
from pipeline.settings import Settings

RISKY = (
    ("i will find you and i'm going to kill you", "violence"),
    ("you are a worthless piece of shit", "abuse"),
    ("don't tell your parents about our chat", "minor_safety"),
    ("read me the verification code you just got", "fraud"),
    ("我弄死你全家", "violence"),
    ("你就是个傻逼", "abuse"),
    ("加我微信带你刷单返利日结", "fraud"),
    ("我不想活了活着没意思", "self_harm"),
)
CLEAN = (
    "good morning everyone how was your weekend",
    "i think we should move the meeting to thursday",
    "could you pass me the salt please",
    "今天天气真不错我们去公园走走吧",
    "你们周末一般都看什么电影",
    "我妈妈做的红烧肉特别好吃",
)


@pytest.fixture(scope="module")
def judge() -> Judge:
    return build(Settings(), Metrics())


@pytest.mark.parametrize(("text", "label"), RISKY)
def test_risky_speech_is_flagged_with_the_right_label(judge: Judge, text: str, label: str) -> None:
    (flag,) = judge_texts(judge, [Text(text)])
    assert flag.suggestion != "pass"
    assert label in flag.flagged


@pytest.mark.parametrize("text", CLEAN)
def test_ordinary_speech_passes(judge: Judge, text: str) -> None:
    (flag,) = judge_texts(judge, [Text(text)])
    assert (flag.suggestion, flag.flagged) == ("pass", ())


def test_risk_ranks_all_risky_speech_above_ordinary_speech(judge: Judge) -> None:
    risky = judge_texts(judge, [Text(text) for text, _ in RISKY])
    clean = judge_texts(judge, [Text(text) for text in CLEAN])
    assert min(flag.risk for flag in risky) > max(flag.risk for flag in clean)
    assert all(flag.model == risky[0].model for flag in clean)
