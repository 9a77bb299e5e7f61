"""Confusions are counted only where spoken and heard syllables correspond one to one."""

from training.classifier.confusions import confusions


def test_confusions_are_counted_in_stretches_of_equal_length() -> None:
    found = confusions([(["ta", "shi", "shui"], ["ta", "shi", "hao"]), (["shui"], ["hao"]), (["shui"], ["ren"])])
    assert {said: dict(heard) for said, heard in found.items()} == {"shui": {"hao": 2, "ren": 1}}


def test_lost_and_added_syllables_are_no_confusions() -> None:
    assert not confusions([(["wo", "shi", "ta"], ["wo", "ta"]), (["wo", "ta"], ["wo", "ni", "hao"]), ([], ["wo"])])
