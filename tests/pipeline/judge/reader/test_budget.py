"""The budget of the second reader, with a clock of its own."""

from pipeline.judge.reader.budget import Budget, Spent
from pipeline.settings import ReaderSettings


class Timer:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 5_000.0

    def __call__(self) -> float:
        return self.now


def take(budget: Budget, room: str, speaker: str) -> Spent | None:
    if not (spent := budget.spent(room, speaker)):
        budget.add(room, speaker)
    return spent


def limits(**changes: float) -> ReaderSettings:
    return ReaderSettings.model_validate({"per_minute": 10, "per_day": 25} | changes)


def test_a_minute_and_a_day_have_their_limits() -> None:
    timer = Timer()
    budget = Budget(limits(), timer)
    seen = []
    for minute in range(4):
        seen.append([take(budget, f"room-{minute}-{n}", "ann") for n in range(12)])
        timer.now += 60
    assert [found.count(None) for found in seen] == [10, 10, 5, 0]
    assert [set(found) for found in seen] == [{None, "minute"}, {None, "minute"}, {None, "day"}, {"day"}]
    timer.now += 86_400 - 240 - 1
    assert take(budget, "room", "ann") == "day"
    timer.now += 1
    assert take(budget, "room", "ann") is None


def test_one_room_and_one_speaker_cannot_spend_all() -> None:
    budget = Budget(limits(per_minute=20, per_day=100), Timer())
    assert [take(budget, "loud", "ann") for _ in range(3)] == [None, None, "speaker"]
    assert [take(budget, "loud", f"ben-{n}") for n in range(4)] == [None, None, None, "room"]
    assert [take(budget, "calm", f"cat-{n}") for n in range(5)] == [None] * 5
    assert [take(budget, f"room-{n}", "dan") for n in range(11)] == [None] * 10 + ["minute"]


def test_the_share_of_a_day_holds_across_minutes() -> None:
    timer = Timer()
    budget = Budget(limits(per_minute=40, per_day=40), timer)
    found = []
    for n in range(30):
        found.append(take(budget, "loud", f"ann-{n}"))
        timer.now += 60
    assert found == [None] * 10 + ["room"] * 20


def test_a_small_share_still_is_one_request() -> None:
    budget = Budget(limits(per_minute=3), Timer())
    assert [take(budget, "room", "ann") for _ in range(2)] == [None, "room"]


def test_what_is_refused_costs_nothing() -> None:
    budget = Budget(limits(per_minute=4), Timer())
    assert take(budget, "loud", "ann") is None
    assert [take(budget, "loud", "ann") for _ in range(50)] == ["room"] * 50
    assert [take(budget, f"room-{n}", "ann") for n in range(3)] == [None] * 3
