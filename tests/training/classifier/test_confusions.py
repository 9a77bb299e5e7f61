"""What was taken for what is counted where said and heard stand side by side, and nowhere else."""

from training.classifier.confusions import confusions


def test_other_syllables_are_counted_where_as_many_were_heard() -> None:
    found = confusions([(["ta", "shi", "shui"], ["ta", "shi", "hao"]), (["shui"], ["hao"]), (["shui"], ["ren"])])
    assert {said: dict(heard) for said, heard in found.items()} == {"shui": {"hao": 2, "ren": 1}}


def test_what_was_lost_or_added_is_nobodys_other_sound() -> None:
    assert not confusions([(["wo", "shi", "ta"], ["wo", "ta"]), (["wo", "ta"], ["wo", "ni", "hao"]), ([], ["wo"])])
