"""A `RecentDict` keeps the keys that were set last."""

from pipeline.base.recent_dict import RecentDict


def test_the_key_that_was_set_longest_ago_is_forgotten() -> None:
    recent = RecentDict[str, int](2)
    recent["a"], recent["b"] = 1, 2
    recent["a"] = 3
    recent["c"] = 4
    assert dict(recent) == {"a": 3, "c": 4}


def test_a_default_counts_as_set() -> None:
    recent = RecentDict[str, int](1)
    assert [recent.setdefault("a", 1), recent.setdefault("b", 2), recent.setdefault("b", 3)] == [1, 2, 2]
    assert list(recent) == ["b"]
