"""The model of ordinary talk prefers usual wording."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.speech.asr.hypothesis import Hypothesis, best_first
from pipeline.speech.asr.language_model import TalkModel, clauses, fluency
from training.speech.talk import count, tables

SAID = ["他在家", "他在家", "她在学校", "她在学校", "我再说一次", "我再说一次", "我在家", "我在家"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TalkModel:
    path = tmp_path_factory.mktemp("talk") / "talk.npz"
    np.savez_compressed(path, allow_pickle=False, **tables(*count(iter(SAID))))
    return TalkModel(path)


def test_what_was_said_is_more_fluent_than_its_homophones(model: TalkModel) -> None:
    assert model.fluency("他在家") > model.fluency("她在家") > model.fluency("他再家")


@pytest.mark.parametrize("before", ["", "他", "他在", "我再", "说他"])
def test_the_probabilities_of_the_next_character_add_up_to_one(model: TalkModel, before: str) -> None:
    """The end of a clause counts as a character. `猫` is unknown."""
    known = sorted({*"".join(SAID), "$"})
    start = np.array([model._numbers[each] for each in f"^{before}"], np.uint32)
    total = sum(np.exp(model._logprobs(np.append(start, model._numbers[each]).astype(np.uint32))[-1]) for each in known)
    assert 0.9 < total <= 1.001


def test_punctuation_spelling_and_digits_do_not_matter(model: TalkModel) -> None:
    assert model.fluency("他在家，我再說1次。") == model.fluency("他在家 我再说一次")
    assert clauses("我在家, OK?") == ["我在家", "ok"]


@given(st.text(max_size=40))
def test_any_text_has_a_finite_score(text: str) -> None:
    assert np.isfinite(fluency(text, "zh"))


def test_a_language_without_a_model_prefers_nothing() -> None:
    assert fluency("he is at home", "en") == 0.0


def heard(text: str, logprob: float) -> Hypothesis:
    return Hypothesis("zh", (1,) * len(text), text, logprob, 0.1, seconds=4.0)


def test_between_nearly_equal_readings_the_usual_one_is_chosen_and_a_much_likelier_one_stays() -> None:
    usual, rare = "我们一起去吃饭吧", "我们一起去痴饭吧"
    assert best_first([heard(rare, -0.30), heard(usual, -0.35)])[0].text == usual
    assert best_first([heard(rare, -0.05), heard(usual, -2.0)])[0].text == rare
