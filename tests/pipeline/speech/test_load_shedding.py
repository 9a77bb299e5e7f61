import math
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import ConfigError
from pipeline.contract.stage import Backlog
from pipeline.settings import Overload, RoomShare, load
from pipeline.speech import load_shedding
from pipeline.speech.load_shedding import Arrivals, DecodingSpeed, Valve, catch_up_seconds, lot
from tests.builders import utterance

KINDS = ("game", "default", "kids")
SETTINGS = Overload(
    start_seconds=10,
    catch_up_seconds=100,
    room_types=(RoomShare(name="game", share=0), RoomShare(name="other", share=0.2), RoomShare(name="kids", share=0.5)),
)
WAITS = st.floats(0, 1_000)


@pytest.fixture(autouse=True, scope="module")
def _round_numbers() -> Iterator[None]:
    """Speech is as late as can be after 40 s, and the pressure falls within 20 s."""
    with patch.multiple(load_shedding, FULL_TIMES=4.0, RECOVER_SECONDS=20.0):
        yield


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def valve(settings: Overload = SETTINGS) -> tuple[Valve, Clock]:
    """The backlog of a worker that transcribes two utterances per second."""
    clock = Clock()
    made = Valve(settings, clock)
    made.speed.add(64, 32.0)
    return made, clock


def too_much(waited: float) -> Backlog:
    """A backlog that grows: more utterances arrive than the worker transcribes."""
    return Backlog(waited, messages=10, arrivals=3.0)


def at(waited: float) -> Valve:
    made, _ = valve()
    made.observe(too_much(waited))
    return made


@pytest.mark.parametrize(
    ("waited", "game", "other", "kids"),
    [(0, 1, 1, 1), (10, 1, 1, 1), (15, 0.5, 1, 1), (20, 0, 1, 1), (25, 0, 0.6, 1), (30, 0, 0.2, 1), (40, 0, 0.2, 0.5)],
)
def test_room_types_are_reduced_one_after_the_other(waited: float, game: float, other: float, kids: float) -> None:
    made = at(waited)
    assert made.share("game") == pytest.approx(game)
    assert made.share("unheard-of") == made.share("other") == pytest.approx(other)
    assert made.share("kids") == pytest.approx(kids)


def test_an_unlisted_room_type_is_never_skipped_without_other() -> None:
    made, _ = valve(SETTINGS.model_copy(update={"room_types": (RoomShare(name="game", share=0.1),)}))
    made.observe(too_much(1_000))
    assert made.share("game") == pytest.approx(0.1)
    assert made.share("kids") == 1
    assert made.kind("kids") == "other"


def test_everything_is_heard_if_overload_is_disabled() -> None:
    made, _ = valve(SETTINGS.model_copy(update={"enabled": False}))
    made.observe(too_much(1_000))
    assert all(made.hears(utterance(f"id-{n}", room_type="game")) for n in range(100))


def test_pressure_rises_at_once_and_falls_slowly() -> None:
    made, clock = valve()
    made.observe(too_much(40))
    assert made.pressure == 1
    for now, pressure in ((5, 0.75), (10, 0.5), (19, 0.05), (20, 0), (30, 0)):
        clock.now = now
        made.observe(too_much(0))
        assert made.pressure == pytest.approx(pressure)
    made.observe(too_much(25))
    assert made.pressure == pytest.approx(0.5)


def test_the_heard_utterances_match_the_shares() -> None:
    made = at(25)
    heard = sum(made.hears(utterance(f"id-{number}", room_type="party")) for number in range(5_000))
    assert heard / 5_000 == pytest.approx(0.6, abs=0.03)


@given(WAITS, WAITS, st.text(), st.sampled_from(KINDS))
def test_an_utterance_heard_under_a_pressure_is_heard_under_a_lower_one(
    one: float, other: float, id_: str, kind: str
) -> None:
    said = utterance(id_, room_type=kind)
    hard, soft = at(max(one, other)), at(min(one, other))
    assert soft.hears(said) or not hard.hears(said)
    assert at(one).hears(said) == at(one).hears(said), "a redelivery gets the same decision"


@given(st.lists(st.tuples(st.floats(0, 100), WAITS), max_size=30))
def test_pressure_and_shares_stay_within_their_bounds(steps: list[tuple[float, float]]) -> None:
    made, clock = valve()
    for seconds, waited in steps:
        before = made.pressure
        clock.now += seconds
        made.observe(too_much(waited))
        assert 0 <= made.pressure <= 1
        assert made.pressure >= before - seconds / 20 - 1e-9, "the pressure falls no faster than allowed"
        for kind, least in (("game", 0.0), ("other", 0.2), ("kids", 0.5)):
            assert least - 1e-9 <= made.share(kind) <= 1


def pressure(settings: Overload = SETTINGS, **backlog: float) -> float:
    made, _ = valve(settings)
    made.observe(Backlog(**backlog))
    return made.pressure


def test_all_late_speech_is_heard_if_the_worker_can_catch_up() -> None:
    assert pressure(waited=600, messages=60, arrivals=0.1) == 0
    assert pressure(waited=600, messages=100, arrivals=1.0) == 0, "within catch_up_seconds"
    assert pressure(waited=600, messages=150, arrivals=1.0) == pytest.approx(0.5)
    assert pressure(waited=600, messages=200, arrivals=1.0) == 1
    assert pressure(waited=600, messages=200, arrivals=2.0) == 1, "the worker never catches up"
    assert pressure(waited=10, messages=200, arrivals=2.0) == 0, "speech is not late yet"


def test_unknown_values_cause_no_skipping() -> None:
    assert pressure(waited=600) == 0
    assert pressure(waited=600, messages=500) == 0


def test_a_new_worker_skips_nothing_until_its_speed_is_known() -> None:
    made = Valve(SETTINGS, Clock())
    made.observe(too_much(600))
    assert made.pressure == 0
    made.speed.add(31, 31.0)
    made.observe(too_much(600))
    assert made.pressure == 0
    made.speed.add(1, 1.0)
    made.observe(too_much(600))
    assert made.pressure == 1


def test_a_backlog_is_shed_before_it_would_expire() -> None:
    patient = SETTINGS.model_copy(update={"catch_up_seconds": 1e6})
    half_way = {"waited": 500.0, "messages": 250.0, "arrivals": 1.0}  # cleared in 250 s
    assert pressure(patient, **half_way, retention=1_000) == 0
    assert pressure(patient, **half_way, retention=500 + 400) == pytest.approx(0.25)
    assert pressure(patient, **half_way, retention=500 + 250) == 1
    assert pressure(patient, waited=500, messages=5, arrivals=1.0, retention=400) == 0, (
        "the limit is at least start_seconds"
    )


def test_pressure_ends_as_soon_as_the_worker_can_catch_up() -> None:
    made, _ = valve()
    made.observe(too_much(40))
    assert made.pressure == 1
    made.observe(Backlog(waited=40, messages=10, arrivals=0.5))
    assert made.pressure == 0


@pytest.mark.parametrize(
    ("messages", "arrivals", "speed", "seconds"),
    [
        (60, 0, 5, 12),
        (60, 2, 5, 20),
        (0, 9, 5, 0),
        (1, 5, 5, math.inf),
        (1, 6, 5, math.inf),
        (1, math.inf, 5, math.inf),
    ],
)
def test_the_catch_up_time_is_backlog_over_spare_speed(
    messages: float, arrivals: float, speed: float, seconds: float
) -> None:
    assert catch_up_seconds(Backlog(0, messages, arrivals), speed) == seconds


def test_one_batch_that_hangs_does_not_change_the_speed() -> None:
    speed = DecodingSpeed()
    for _ in range(9):
        speed.add(16, 4.0)
    speed.add(16, 900.0)
    assert speed.per_second == 4


def test_a_changed_speed_is_known_soon() -> None:
    speed = DecodingSpeed()
    for _ in range(100):
        speed.add(1, 0.5)
    for _ in range(9):
        speed.add(16, 1.6)
    assert speed.per_second == pytest.approx(10)


def test_the_arrival_rate_covers_the_last_minute() -> None:
    arrivals = Arrivals()
    assert math.isnan(arrivals.rate)
    for second in range(0, 300, 5):
        arrivals.see(1_000 + 2 * second, second)
        assert arrivals.rate == 2 if second >= 10 else math.isnan(arrivals.rate)
    for second in range(300, 360, 5):
        arrivals.see(1_000 + 2 * 300 + 4 * (second - 300), second)
    assert 3.5 < arrivals.rate <= 4
    arrivals.forget()
    assert math.isnan(arrivals.rate)


@given(st.text())
def test_the_same_id_gives_the_same_lot(id_: str) -> None:
    assert 0 <= lot(id_) < 1
    assert lot(id_) == lot(id_)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"room_types": [{"name": "game"}, {"name": "game"}]}, "lists a room type twice"),
        ({"room_types": [{"name": "game", "share": 2}]}, "overload.room_types.0.share"),
    ],
)
def test_contradictory_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load({"overload": settings})
