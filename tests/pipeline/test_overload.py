import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.messages import Utterance
from pipeline.overload import Valve, lot
from pipeline.settings import Overload, RoomShare, load

KINDS = ("game", "default", "kids")
SETTINGS = Overload(
    start_seconds=10,
    full_seconds=40,
    recover_seconds=20,
    room_types=(RoomShare(name="game", share=0), RoomShare(name="other", share=0.2), RoomShare(name="kids", share=0.5)),
)
WAITS = st.floats(0, 1_000)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def valve(overload: Overload = SETTINGS) -> tuple[Valve, Clock]:
    clock = Clock()
    return Valve(overload, clock), clock


def at(waited: float) -> Valve:
    made, _ = valve()
    made.observe(waited)
    return made


def utterance(number: int, room_type: str) -> Utterance:
    return Utterance(room="r", speaker="s", room_type=room_type, start=0.0, end=1.0, id=f"id-{number}")


@pytest.mark.parametrize(
    ("waited", "game", "other", "kids"),
    [(0, 1, 1, 1), (10, 1, 1, 1), (15, 0.5, 1, 1), (20, 0, 1, 1), (25, 0, 0.6, 1), (30, 0, 0.2, 1), (40, 0, 0.2, 0.5)],
)
def test_room_types_are_thinned_out_one_after_the_other(waited: float, game: float, other: float, kids: float) -> None:
    made = at(waited)
    assert made.share("game") == pytest.approx(game)
    assert made.share("unheard-of") == made.share("other") == pytest.approx(other)
    assert made.share("kids") == pytest.approx(kids)


def test_a_room_type_that_is_not_named_is_never_skipped_without_other() -> None:
    made, _ = valve(SETTINGS.model_copy(update={"room_types": (RoomShare(name="game", share=0.1),)}))
    made.observe(1_000)
    assert made.share("game") == pytest.approx(0.1)
    assert made.share("kids") == 1
    assert made.kind("kids") == "other"


def test_switched_off_it_hears_everything() -> None:
    made, _ = valve(SETTINGS.model_copy(update={"enabled": False}))
    made.observe(1_000)
    assert all(made.hears(utterance(n, "game")) for n in range(100))


def test_pressure_rises_at_once_and_falls_slowly() -> None:
    made, clock = valve()
    made.observe(40)
    assert made.pressure == 1
    for now, pressure in ((5, 0.75), (10, 0.5), (19, 0.05), (20, 0), (30, 0)):
        clock.now = now
        made.observe(0)
        assert made.pressure == pytest.approx(pressure)
    made.observe(25)
    assert made.pressure == pytest.approx(0.5)


def test_the_shares_are_kept() -> None:
    made = at(25)
    heard = sum(made.hears(utterance(number, "party")) for number in range(5_000))
    assert heard / 5_000 == pytest.approx(0.6, abs=0.03)


@given(WAITS, WAITS, st.text(), st.sampled_from(KINDS))
def test_what_is_heard_under_a_pressure_is_heard_under_any_that_is_lower(
    one: float, other: float, id_: str, kind: str
) -> None:
    said = Utterance(room="r", speaker="s", room_type=kind, start=0.0, end=1.0, id=id_)
    hard, soft = at(max(one, other)), at(min(one, other))
    assert soft.hears(said) or not hard.hears(said)
    assert at(one).hears(said) == at(one).hears(said), "a redelivery is decided as the first time"


@given(st.lists(st.tuples(st.floats(0, 100), WAITS), max_size=30))
def test_pressure_and_shares_stay_within_their_bounds(steps: list[tuple[float, float]]) -> None:
    made, clock = valve()
    for seconds, waited in steps:
        before = made.pressure
        clock.now += seconds
        made.observe(waited)
        assert 0 <= made.pressure <= 1
        assert made.pressure >= before - seconds / 20 - 1e-9, "no faster down than it may"
        for kind, least in (("game", 0.0), ("other", 0.2), ("kids", 0.5)):
            assert least - 1e-9 <= made.share(kind) <= 1


@given(st.text())
def test_a_lot_is_the_same_for_the_same_id(id_: str) -> None:
    assert 0 <= lot(id_) < 1
    assert lot(id_) == lot(id_)


@pytest.mark.parametrize(
    ("overload", "message"),
    [
        ({"start_seconds": 60, "full_seconds": 60}, "full_seconds must be more"),
        ({"room_types": [{"name": "game"}, {"name": "game"}]}, "stands twice"),
        ({"room_types": [{"name": "game", "share": 2}]}, "overload.room_types.0.share"),
    ],
)
def test_settings_that_make_no_sense_are_refused(overload: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load({"overload": overload})
