"""One moderator holds one case, also when several ask for it at once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from pipeline.base.errors import CaseError, Involved, Stale, Taken
from pipeline.review.accounts import wellness
from pipeline.review.cases import case_queue, deciding, leases
from pipeline.review.cases.case_values import Choice
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore
from tests.builders import NOON, flag

MODERATORS = ("ana", "ben", "lea", "ada")


def stored(database: Database, count: int) -> list[str]:
    flags = [flag(str(n), n * 10, n * 10 + 5) for n in range(count)]
    return [outcome.case for outcome in SqlReviewStore(database).add(flags, NOON)]


def claim(database: Database, case: str, account: str, at: float = NOON) -> leases.Lease:
    with database.write() as connection:
        return leases.claim(connection, case, account, at)


def test_the_second_moderator_learns_who_holds_the_case(database: Database) -> None:
    [case] = stored(database, 1)
    claim(database, case, "ana")
    with pytest.raises(Taken, match="ana holds case"):
        claim(database, case, "ben", NOON + 299)
    assert claim(database, case, "ben", NOON + 300).account == "ben"


def test_an_expired_lease_holds_until_another_moderator_takes_the_case(database: Database) -> None:
    [case] = stored(database, 1)
    lease = claim(database, case, "ana")
    with database.write() as connection:
        assert leases.renew(connection, lease.id, "ana", NOON + 290).expires_at == NOON + 590
        assert leases.renew(connection, lease.id, "ana", NOON + 1_000).expires_at == NOON + 1_300
        with pytest.raises(Stale):
            leases.renew(connection, lease.id, "ben", NOON + 1_000)
    claim(database, case, "ben", NOON + 2_000)
    with database.write() as connection, pytest.raises(Stale):
        leases.renew(connection, lease.id, "ana", NOON + 2_001)


def test_taking_another_case_releases_the_first(database: Database) -> None:
    first, second = stored(database, 2)
    claim(database, first, "ana")
    claim(database, second, "ana", NOON + 1)
    assert claim(database, first, "ben", NOON + 2).account == "ben"
    with database.read() as connection:
        assert leases.holders(connection, NOON + 3) == {first: "ben", second: "ana"}


def test_a_decided_case_has_no_lease_and_cannot_be_taken(database: Database) -> None:
    [case] = stored(database, 1)
    claim(database, case, "ana")
    with database.write() as connection:
        deciding.decide(connection, case, "ana", Choice(verdict="dismiss"), NOON)
        assert leases.lease_of(connection, case) is None
        with pytest.raises(CaseError, match="already decided"):
            leases.claim(connection, case, "ben", NOON)


def test_the_lease_of_a_merged_case_ends(database: Database) -> None:
    first, second = stored(database, 2)
    lease = claim(database, second, "ana")
    SqlReviewStore(database).add([flag("between", 4, 11)], NOON)
    with database.write() as connection, pytest.raises(Stale):
        leases.check_lease(connection, lease.id, "ana")
    assert claim(database, first, "ben").account == "ben"


def test_one_of_several_concurrent_claims_gets_the_case(database: Database) -> None:
    for case in stored(database, 8):
        barrier = Barrier(len(MODERATORS))

        def reach(account: str, case: str = case, barrier: Barrier = barrier) -> str | None:
            barrier.wait()
            try:
                return claim(database, case, account).account
            except Taken:
                return None

        with ThreadPoolExecutor(len(MODERATORS)) as pool:
            winners = [winner for winner in pool.map(reach, MODERATORS) if winner]
        with database.read() as connection:
            assert winners == [leases.holders(connection, NOON)[case]]


def test_concurrent_moderators_get_different_next_cases(database: Database) -> None:
    cases = stored(database, 24)
    taken: Counter[str] = Counter()

    def work(account: str) -> list[str]:
        mine: list[str] = []
        while True:
            with database.write() as connection:
                case = case_queue.next_free(connection, account, NOON)
                if case is None:
                    return mine
                try:
                    leases.claim(connection, case, account, NOON)
                except CaseError:  # another moderator was faster
                    continue
                deciding.decide(connection, case, account, Choice(verdict="dismiss"), NOON)
                mine.append(case)

    with ThreadPoolExecutor(len(MODERATORS)) as pool:
        for mine in pool.map(work, MODERATORS):
            taken.update(mine)
    assert taken == Counter(cases)


def test_a_lease_ends_at_its_longest_time_however_often_it_is_renewed(database: Database) -> None:
    [case] = stored(database, 1)
    lease = claim(database, case, "ana")
    with database.write() as connection:
        assert leases.renew(connection, lease.id, "ana", NOON + 250, 300, 500).expires_at == NOON + 500
        assert leases.renew(connection, lease.id, "ana", NOON + 499, 300, 500).expires_at == NOON + 500
        with pytest.raises(Stale, match="for 30 minutes, the longest time"):
            leases.renew(connection, lease.id, "ana", NOON + 1_800)
    assert claim(database, case, "ben", NOON + 500).account == "ben"


def test_a_break_does_not_count_towards_the_longest_time(database: Database) -> None:
    [case] = stored(database, 1)
    lease = claim(database, case, "ana")
    with database.write() as connection:
        wellness.start_break(connection, "ana", NOON + 100)
        wellness.end_break(connection, "ana", NOON + 1_100)
        assert leases.renew(connection, lease.id, "ana", NOON + 1_200, 300, 500).expires_at == NOON + 1_500


def test_a_party_cannot_take_the_case(database: Database) -> None:
    [made] = SqlReviewStore(database).add([flag("a", 0, 5, speaker="ben")], NOON)
    with pytest.raises(Involved):
        claim(database, made.case, "ben")
