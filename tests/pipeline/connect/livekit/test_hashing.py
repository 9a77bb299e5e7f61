"""Each room has one owner, and few rooms move when a member comes or goes."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.connect.livekit.hashing import ranked

ROOMS = [f"room-{number}" for number in range(2_000)]


def owners(members: list[str]) -> dict[str, str]:
    return {room: ranked(members, room)[0] for room in ROOMS}


@given(st.sets(st.text(min_size=1), min_size=1, max_size=6), st.text())
def test_the_order_of_the_list_does_not_matter(members: set[str], room: str) -> None:
    assert ranked(sorted(members), room) == ranked(sorted(members, reverse=True), room)
    assert set(ranked(members, room)) == members


def test_only_the_rooms_of_a_lost_member_move() -> None:
    before, after = owners(["a", "b", "c", "d"]), owners(["a", "b", "c"])
    moved = {room for room in ROOMS if before[room] != after[room]}
    assert moved == {room for room in ROOMS if before[room] == "d"}
    assert {after[room] for room in moved} == {"a", "b", "c"}


def test_the_second_in_rank_takes_the_rooms_of_a_lost_owner() -> None:
    for room in ROOMS[:100]:
        owner, second = ranked(["a", "b", "c", "d"], room)[:2]
        assert ranked({"a", "b", "c", "d"} - {owner}, room)[0] == second


def test_members_have_about_as_many_rooms_each() -> None:
    shares = list(owners(["a", "b", "c", "d"]).values())
    assert all(400 < shares.count(member) < 600 for member in "abcd")
