"""Recovery codes: ten, each for one account and one use."""

from pipeline.review.accounts import recovery
from pipeline.review.database import Database


def use(database: Database, code: str, name: str = "ana") -> bool:
    with database.write() as connection:
        return recovery.use(connection, name, code)


def renew(database: Database) -> list[str]:
    with database.write() as connection:
        return recovery.renew(connection, "ana")


def left(database: Database) -> int:
    with database.read() as connection:
        return recovery.left(connection, "ana")


def test_each_code_works_once_and_only_for_its_account(database: Database) -> None:
    codes = renew(database)
    assert (len(set(codes)), left(database)) == (10, 10)
    assert not use(database, codes[0], "ben")
    assert [use(database, codes[0]) for _ in range(2)] == [True, False]
    assert use(database, f" {codes[1].upper().replace('-', ' ')} ")
    for wrong in ("", "-", codes[2][:-1], codes[2] + "a"):
        assert not use(database, wrong)
    assert left(database) == 8


def test_new_codes_replace_the_old_ones(database: Database) -> None:
    old = renew(database)
    new = renew(database)
    assert not use(database, old[0])
    assert use(database, new[0])
    with database.write() as connection:
        recovery.forget(connection, "ana")
    assert left(database) == 0


def test_the_store_does_not_hold_the_codes(database: Database) -> None:
    codes = renew(database)
    with database.read() as connection:
        rows = str(connection.exec_driver_sql("SELECT * FROM recovery_codes").all())
    assert not any(code.replace("-", "") in rows for code in codes)
