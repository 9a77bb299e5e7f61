"""Pieces that sound alike learn together, and the saved model has a plain embedding."""

import torch

from training.classifier.homophones import HomophoneEmbedding

PIECES = ["<pad>", "▁hello", "是", "▁事", "四", "杀", "事是"]
HELLO, IS, THING, FOUR, KILL, TWICE = range(1, len(PIECES))


def moved(piece: int) -> set[int]:
    """The pieces whose embedding changes when the shared vectors of `piece` change."""
    embedding = HomophoneEmbedding(torch.randn(len(PIECES), 8), PIECES, padding_idx=0)
    every = torch.arange(len(PIECES))
    before = embedding(every).detach()
    embedding(torch.tensor([[piece]])).sum().backward()
    assert embedding.sounds.grad is not None
    with torch.no_grad():
        embedding.sounds.sub_(embedding.sounds.grad)
    return {*(embedding(every) - before).abs().sum(-1).nonzero().flatten().tolist()}


def test_homophones_and_similar_sounds_learn_together() -> None:
    assert moved(IS) == {IS, THING, FOUR, TWICE}


def test_a_piece_without_a_syllable_learns_alone() -> None:
    assert moved(HELLO) == set()
    assert moved(KILL) == {KILL}


def test_a_syllable_has_a_vector_for_each_position() -> None:
    embedding = HomophoneEmbedding(torch.zeros(len(PIECES), 8), PIECES, padding_idx=0)
    torch.nn.init.normal_(embedding.sounds)
    once, twice = embedding(torch.tensor([THING, TWICE]))
    assert not torch.allclose(twice, 2 * once)


def test_the_shared_part_starts_at_zero() -> None:
    rows = torch.randn(len(PIECES), 8)
    assert torch.equal(HomophoneEmbedding(rows.clone(), PIECES, padding_idx=0)(torch.arange(len(PIECES))), rows)


def test_the_sum_is_saved_as_a_plain_embedding() -> None:
    embedding = HomophoneEmbedding(torch.randn(len(PIECES), 8), PIECES, padding_idx=0)
    torch.nn.init.normal_(embedding.sounds)
    plain = torch.nn.Embedding(len(PIECES), 8)
    plain.load_state_dict(embedding.state_dict())
    assert torch.equal(plain.weight, embedding(torch.arange(len(PIECES))))
