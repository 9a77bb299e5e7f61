"""A trimmed vocabulary reads its texts as before, with the same embeddings."""

import pytest
import torch

from pipeline.learning.starting_model import Encoder
from tests.training.classifier import tiny
from training.classifier.vocabulary import needed, trim

TEXTS = ["good morning everyone", "早上好", "доброе утро", "buy 2 now!"]
KEPT = ["good morning", "早上"]


@pytest.fixture
def whole() -> Encoder:
    return tiny.encoder(TEXTS)


def embedded(encoder: Encoder, text: str) -> torch.Tensor:
    ids = torch.tensor([encoder.tokenizer.encode(text).ids])
    with torch.inference_mode():
        found: torch.Tensor = encoder.model(ids).logits
    return found


def test_texts_have_the_same_pieces_and_scores_after_trimming(whole: Encoder) -> None:
    before = [(whole.tokenizer.encode(text).tokens, embedded(whole, text)) for text in KEPT]
    size = whole.tokenizer.get_vocab_size()
    trimmed = trim(whole, KEPT, size=0)
    assert trimmed.tokenizer.get_vocab_size() == trimmed.model.config.vocab_size < size
    for text, (tokens, scores) in zip(KEPT, before, strict=True):
        assert trimmed.tokenizer.encode(text).tokens == tokens
        torch.testing.assert_close(embedded(trimmed, text), scores)


def test_special_pieces_keep_their_ids_and_other_scripts_go(whole: Encoder) -> None:
    trimmed = trim(whole, KEPT, size=0)
    assert [trimmed.tokenizer.token_to_id(piece) for piece in tiny.SPECIAL] == [0, 1, 2, 3]
    assert trimmed.tokenizer.token_to_id("д") is None
    assert trimmed.tokenizer.token_to_id("好") is not None, "single characters of ours always stay"
    assert trimmed.tokenizer.token_to_id("▁everyone") is None


def test_room_that_is_left_goes_to_pieces_of_our_scripts(whole: Encoder) -> None:
    trimmed = trim(whole, KEPT, size=10_000)
    assert trimmed.tokenizer.token_to_id("▁everyone") is not None
    assert trimmed.tokenizer.token_to_id("▁доброе") is None


def test_a_text_of_another_script_keeps_its_pieces(whole: Encoder) -> None:
    trimmed = trim(whole, ["доброе"], size=0)
    assert trimmed.tokenizer.token_to_id("▁доброе") is not None


def test_pieces_are_needed_for_each_form(whole: Encoder) -> None:
    ids = [set(whole.tokenizer.encode(text).ids) for text in ("now!", "now")]
    assert ids[0] != ids[1]
    assert needed(whole.tokenizer, ["now!"]) == ids[0] | ids[1]
