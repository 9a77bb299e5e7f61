"""Sign-in: who comes in, who has to wait, and what the audit log says about it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pyotp
import pytest
from sqlalchemy import select

from pipeline.base.errors import AccountError, TooManyTries
from pipeline.review import audit_log
from pipeline.review.accounts import accounts, login_limits, passwords, sign_in
from pipeline.review.accounts.login_limits import ALLOWED
from pipeline.review.accounts.sign_in import (
    IDLE_SESSION_SECONDS,
    LONGEST_SESSION_SECONDS,
    LoginSession,
    PasswordChecker,
    Visitor,
)
from pipeline.review.database import Database
from pipeline.review.tables.core import SESSIONS
from tests.builders import NOON
from tests.pipeline.review.hashers import Held
from tests.pipeline.review.overlaps import overlap
from tests.pipeline.review.people import PASSWORD

pytestmark = pytest.mark.usefixtures("cheap_hashes")

WRONG = "wrong wrong wrong"


class Entrance:
    """A door, its clock, and an account zoe with a password."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = NOON
        self.door = PasswordChecker(database, lambda: self.now)
        with database.write() as connection:
            accounts.add_account(
                connection, "zoe", "moderator", NOON, "test", password=passwords.hash_new_password(PASSWORD, "zoe")
            )

    def enter(
        self, password: str = PASSWORD, code: str = "", name: str = "zoe", address: str = "192.0.2.1", browser: str = ""
    ) -> bool:
        return self.door.sign_in(name, password, code, Visitor(address, browser)) is not None

    def ask_for_codes(self) -> str:
        """Let zoe need one-time codes, and return her secret."""
        secret = passwords.totp_secret()
        with self.database.write() as connection:
            accounts.change_account(connection, "zoe", NOON, "test", totp_secret=secret)
        return secret

    def browser(self) -> str:
        """The cookie of a browser in which zoe has signed in."""
        with self.database.write() as connection:
            return login_limits.remember_browser(connection, "", "zoe", self.now)

    def wait(self, **how: str) -> int:
        """Seconds that a try has to wait; 0 if it is checked."""
        try:
            self.enter(WRONG, **how)
        except TooManyTries as error:
            return error.seconds
        return 0

    def log(self) -> list[tuple[str, str, str]]:
        with self.database.read() as connection:
            return [(line.actor, line.action, line.subject) for line in audit_log.all_lines(connection, after=6)]


@pytest.fixture
def entrance(database: Database) -> Entrance:
    return Entrance(database)


def test_only_the_right_password_signs_in(entrance: Entrance) -> None:
    assert entrance.enter()
    assert not entrance.enter(PASSWORD.capitalize())
    assert not entrance.enter("", name="ana"), "an account without a password cannot sign in here"
    assert entrance.log() == [
        ("zoe", "login", "zoe"),
        ("stranger", "login.refused", "zoe"),
        ("stranger", "login.refused", "ana"),
    ]


def test_the_log_never_has_a_name_without_an_account(entrance: Entrance) -> None:
    for name in ("hunter2 hunter2", "hunter2 hunter2", "another"):
        assert not entrance.enter(name=name)
    subjects = [subject for _, _, subject in entrance.log()]
    assert subjects[0] == subjects[1] != subjects[2], "tries of one name can be told from those of another"
    assert "hunter2" not in str(entrance.log())
    entrance.door = PasswordChecker(entrance.database, lambda: entrance.now)
    assert not entrance.enter(name="another")
    assert entrance.log()[-1][2] != subjects[2], "the key is new after a restart"


def test_a_disabled_account_cannot_sign_in(entrance: Entrance) -> None:
    with entrance.database.write() as connection:
        token = sign_in.begin_session(connection, "zoe", NOON)
        accounts.change_account(connection, "zoe", NOON, "test", disabled=True)
        assert sign_in.find_session(connection, token, NOON) is None
    assert not entrance.enter()


def test_a_one_time_code_is_required_and_works_once(entrance: Entrance) -> None:
    secret = entrance.ask_for_codes()
    code = pyotp.TOTP(secret).at(int(NOON))
    assert not entrance.enter()
    assert not entrance.enter(code="000000" if code != "000000" else "111111")
    assert not entrance.enter(code="１２３４５６")
    assert entrance.enter(code=code)
    assert not entrance.enter(code=code)
    entrance.now += 30
    assert entrance.enter(code=pyotp.TOTP(secret).at(int(NOON) + 30))


def test_a_one_time_code_works_once_for_two_sign_ins_at_the_same_moment(postgres_url: str) -> None:
    entered: list[bool] = []
    with closing(Database(postgres_url)) as database:
        entrance = Entrance(database)
        code = pyotp.TOTP(entrance.ask_for_codes()).at(int(NOON))

        def enter(_: Database) -> None:
            entered.append(entrance.enter(code=code))

        overlap(database, enter, enter, 1)
    assert sorted(entered) == [False, True]


def test_wrong_tries_of_an_address_have_a_limit_and_right_ones_have_none(entrance: Entrance) -> None:
    for _ in range(2 * ALLOWED["address"].burst):
        assert entrance.enter()
    for number in range(ALLOWED["address"].burst):
        assert entrance.wait(name=f"nobody {number}") == 0
    with pytest.raises(TooManyTries):
        entrance.enter()
    assert entrance.enter(address="192.0.2.2")
    entrance.now += ALLOWED["address"].seconds
    assert entrance.enter()


@pytest.mark.parametrize("name", ["zoe", "a name without an account"])
def test_tries_of_a_name_from_many_addresses_have_a_limit(entrance: Entrance, name: str) -> None:
    waits = [entrance.wait(name=name, address=f"192.0.2.{n}") for n in range(ALLOWED["name"].burst + 1)]
    assert waits == [0] * ALLOWED["name"].burst + [ALLOWED["name"].seconds]


def test_guesses_of_others_never_lock_out_a_known_browser(entrance: Entrance) -> None:
    browser = entrance.browser()
    for n in range(10 * ALLOWED["name"].burst):
        entrance.wait(address=f"192.0.2.{n % 8}")
    assert entrance.wait() > 0
    assert entrance.enter(browser=browser)


def test_a_known_browser_has_a_limit_of_its_own_and_only_for_its_account(entrance: Entrance) -> None:
    browser = entrance.browser()
    waits = [entrance.wait(browser=browser) for _ in range(ALLOWED["device"].burst + 1)]
    assert waits == [0] * ALLOWED["device"].burst + [ALLOWED["device"].seconds]
    assert entrance.enter()
    for _ in range(ALLOWED["address"].burst):
        assert entrance.wait(name="ana", browser=browser) == 0
    assert entrance.wait(name="ana", browser=browser) > 0


def test_a_wrong_password_at_a_confirmation_is_limited_and_logged(entrance: Entrance) -> None:
    entrance.door.confirm("zoe", PASSWORD, "totp")
    for _ in range(ALLOWED["account"].burst):
        with pytest.raises(AccountError, match="is wrong"):
            entrance.door.confirm("zoe", WRONG, "password")
    with pytest.raises(TooManyTries):
        entrance.door.confirm("zoe", PASSWORD, "password")
    assert entrance.log() == [("zoe", "password.refused", "zoe")] * ALLOWED["account"].burst
    assert entrance.enter()


def test_a_flood_cannot_fill_the_audit_log(entrance: Entrance) -> None:
    most = ALLOWED["line"].burst
    for n in range(most // ALLOWED["address"].burst + 2):
        for _ in range(ALLOWED["address"].burst):
            assert entrance.wait(name=f"nobody {n}", address=f"2001:db8:{n}::") == 0
    assert len(entrance.log()) == most


def test_sixty_strangers_cause_one_hash_at_a_time_and_few_wait(
    entrance: Entrance, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, held = entrance.browser(), Held(passwords._hasher)
    monkeypatch.setattr(passwords, "_hasher", held)
    refused = threading.Semaphore(0)

    def stranger(number: int) -> int:
        seconds = entrance.wait(name=f"nobody {number}", address=f"192.0.2.{number}")
        if seconds:
            refused.release()
        return seconds

    with ThreadPoolExecutor(61) as pool:
        flood = [pool.submit(stranger, number) for number in range(60)]
        for _ in range(51):
            refused.acquire()
        known = pool.submit(entrance.enter, browser=browser)
        for _ in range(2):  # the person with a known browser has a turn beside the flood
            held.begun.acquire()
        held.go.set()
        assert known.result()
        waits = [one.result() for one in flood]
    assert (waits.count(0), held.calls, held.most) == (9, 10, 2)
    assert all(entrance.wait(name=f"nobody {n}", address=f"192.0.2.{n}") == 0 for n in range(60))


def begin(database: Database, at: float = NOON, name: str = "ana") -> str:
    with database.write() as connection:
        return sign_in.begin_session(connection, name, at)


def find(database: Database, token: str, at: float = NOON) -> LoginSession | None:
    with database.read() as connection:
        return sign_in.find_session(connection, token, at)


def found(database: Database, token: str, at: float = NOON) -> LoginSession:
    session = find(database, token, at)
    assert session is not None
    return session


def test_only_the_whole_token_finds_the_session(database: Database) -> None:
    token = begin(database)
    session = found(database, token)
    assert (session.account.name, session.account.role, session.seen_at) == ("ana", "moderator", NOON)
    # The id of the session is in the database, and it is not the token.
    for other in ("", token[:-1], token + "x", token.swapcase(), session.id, session.csrf, "%", "\x00"):
        assert find(database, other) is None


def test_the_database_does_not_contain_the_token(database: Database) -> None:
    token = begin(database)
    with database.read() as connection:
        [row] = connection.execute(select(SESSIONS)).all()
    assert token not in map(str, row)


def test_every_session_has_its_own_secrets(database: Database) -> None:
    tokens = [begin(database) for _ in range(3)]
    kept = [found(database, token) for token in tokens]
    assert len({*tokens, *(one.csrf for one in kept), *(one.id for one in kept)}) == 9


def test_an_idle_session_ends_unless_it_is_used(database: Database) -> None:
    token = begin(database)
    session = found(database, token, NOON + IDLE_SESSION_SECONDS)
    assert find(database, token, NOON + IDLE_SESSION_SECONDS + 1) is None
    with database.write() as connection:
        sign_in.touch_session(connection, session, NOON + IDLE_SESSION_SECONDS)
    assert find(database, token, NOON + 2 * IDLE_SESSION_SECONDS) is not None
    assert find(database, token, NOON + 2 * IDLE_SESSION_SECONDS + 1) is None


def test_a_session_in_use_ends_after_a_shift(database: Database) -> None:
    token = begin(database)
    with database.write() as connection:
        sign_in.touch_session(connection, found(database, token), NOON + LONGEST_SESSION_SECONDS - 1)
    assert find(database, token, NOON + LONGEST_SESSION_SECONDS) is not None
    assert find(database, token, NOON + LONGEST_SESSION_SECONDS + 1) is None


def test_a_sign_out_ends_one_session_only(database: Database) -> None:
    first, second, bens = begin(database), begin(database), begin(database, name="ben")
    with database.write() as connection:
        sign_in.end_session(connection, found(database, first))
    assert [find(database, token) is not None for token in (first, second, bens)] == [False, True, True]


@pytest.mark.parametrize("changes", [{"role": "lead"}, {"totp_secret": "A" * 32}, {"disabled": True}])
def test_a_change_of_the_account_ends_all_its_sessions(database: Database, changes: dict[str, object]) -> None:
    anas, bens = [begin(database), begin(database)], begin(database, name="ben")
    with database.write() as connection:
        accounts.change_account(connection, "ana", NOON, "ada", **changes)
    assert [find(database, token) for token in anas] == [None, None]
    assert find(database, bens) is not None


def test_a_disabled_account_has_no_session_even_if_its_row_is_left(database: Database) -> None:
    with database.write() as connection:
        accounts.change_account(connection, "ana", NOON, "ada", disabled=True)
    assert find(database, begin(database)) is None


def test_a_new_session_deletes_only_expired_ones(database: Database) -> None:
    idle, used = begin(database), begin(database, name="ben")
    with database.write() as connection:
        sign_in.touch_session(connection, found(database, used), NOON + IDLE_SESSION_SECONDS)
    newest = begin(database, NOON + IDLE_SESSION_SECONDS + 1, "lea")
    with database.read() as connection:
        kept = set(connection.scalars(select(SESSIONS.c.account)))
    assert kept == {"ben", "lea"}
    assert find(database, idle) is None
    assert found(database, newest, NOON + IDLE_SESSION_SECONDS + 1).account.name == "lea"
