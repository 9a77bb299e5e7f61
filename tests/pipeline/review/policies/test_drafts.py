"""A draft goes from its first edit to the live version, and never past a second person."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from pipeline.base.errors import CaseError, Involved, Missing, Stale, VoxwardenError
from pipeline.judge.labels import load_labels
from pipeline.review import audit_log
from pipeline.review.database import Database
from pipeline.review.policies import drafts, versions
from pipeline.review.policies.drafts import Draft
from pipeline.review.policies.versions import PublishedPolicy
from tests.builders import NOON
from tests.pipeline.review.policies.texts import pass_backtest, texts

LABELS = load_labels()


def begun(database: Database, term: str = "purple banana", actor: str = "lea") -> Draft:
    with database.write() as connection:
        return drafts.begin_draft(connection, texts(term), "A term", "checked", actor, NOON)


def asked(database: Database, term: str = "purple banana") -> Draft:
    draft = begun(database, term)
    pass_backtest(database, draft.number, NOON)
    with database.write() as connection:
        return drafts.ask(connection, draft.number, "lea", NOON + 1)


def approved(database: Database, term: str, actor: str = "ada") -> PublishedPolicy:
    draft = asked(database, term)
    with database.write() as connection:
        live = versions.live_version(connection)
        number = live.number if live else 0
        return drafts.approve(connection, draft.number, draft.sha256, number, LABELS, actor, NOON + 2)


def lines(database: Database) -> list[tuple[str, str, str]]:
    with database.read() as connection:
        assert audit_log.verify_chain(connection).broken is None
        found = [(line.actor, line.action, line.subject) for line in audit_log.all_lines(connection)]
    return [line for line in found if line[1].startswith("policy.")]


def test_a_draft_becomes_the_live_version_by_a_second_person(database: Database) -> None:
    made = approved(database, "purple banana")
    assert (made.number, made.version, made.authors, made.approver) == (1, "mine@1", ("lea",), "ada")
    with database.read() as connection:
        assert versions.live_version(connection) == made
        release = versions.newest_release(connection)
        assert release is not None
        assert release.live is not None
        assert (release.edition, release.live.mark, release.live.texts) == (1, "1", texts())
        assert drafts.opened(connection) == []
        assert drafts.find_draft(connection, 1).version == 1
    assert lines(database) == [
        ("lea", "policy.draft", "1"),
        ("lea", "policy.ask", "1"),
        ("ada", "policy.publish", "1"),
    ]


@pytest.mark.parametrize("actor", ["lea", "ben"])
def test_nobody_who_edited_a_draft_approves_it(database: Database, actor: str) -> None:
    """Also not if sixty people have edited it since."""
    edited = begun(database)
    with database.write() as connection:
        for number, editor in enumerate(("ben", *(f"editor {n}" for n in range(60)))):
            words = texts(f"green banana {number}")
            edited = drafts.save(connection, 1, words, "A term", edited.sha256, "checked", editor, NOON)
    pass_backtest(database, 1, NOON)
    with database.write() as connection:
        drafts.ask(connection, 1, "lea", NOON)
    with pytest.raises(Involved, match="You have edited this draft"), database.write() as connection:
        drafts.approve(connection, 1, edited.sha256, 0, LABELS, actor, NOON)
    with database.read() as connection:
        assert versions.live_version(connection) is None


def test_an_edit_withdraws_the_request_and_the_backtest(database: Database) -> None:
    draft = asked(database)
    with database.write() as connection:
        edited = drafts.save(connection, 1, texts("green banana"), "A term", draft.sha256, "checked", "lea", NOON + 2)
    assert (edited.state, edited.asked_by) == ("checked", None)
    with pytest.raises(CaseError, match="Nobody has asked"), database.write() as connection:
        drafts.approve(connection, 1, edited.sha256, 0, LABELS, "ada", NOON)
    with pytest.raises(CaseError, match="not backtested"), database.write() as connection:
        drafts.ask(connection, 1, "lea", NOON)


def test_an_approval_holds_only_for_what_the_page_showed(database: Database) -> None:
    first, second = asked(database), asked(database, "green banana")
    with pytest.raises(Stale), database.write() as connection:
        drafts.approve(connection, 1, "0" * 64, 0, LABELS, "ada", NOON)
    with database.write() as connection:
        drafts.approve(connection, 2, second.sha256, 0, LABELS, "ada", NOON)
    with pytest.raises(Stale), database.write() as connection:
        drafts.approve(connection, 1, first.sha256, 0, LABELS, "ada", NOON)
    with pytest.raises(CaseError, match="not backtested"), database.write() as connection:
        drafts.approve(connection, 1, first.sha256, 1, LABELS, "ada", NOON)


def test_two_people_do_not_overwrite_each_other(database: Database) -> None:
    draft = begun(database)
    with database.write() as connection:
        drafts.save(connection, 1, texts("green banana"), "A term", draft.sha256, "checked", "ben", NOON)
    with pytest.raises(Stale, match="ben has changed this draft"), database.write() as connection:
        drafts.save(connection, 1, texts("red banana"), "A term", draft.sha256, "checked", "lea", NOON)


def test_texts_with_mistakes_are_kept_and_cannot_be_asked_for(database: Database) -> None:
    draft, broken = begun(database), texts(policy="name: [x")
    with database.write() as connection:
        wrong = drafts.save(connection, 1, broken, "A term", draft.sha256, drafts.state_of(broken, LABELS), "lea", NOON)
    assert wrong.state == "edited"
    pass_backtest(database, 1, NOON)
    with pytest.raises(CaseError, match="not backtested"), database.write() as connection:
        drafts.ask(connection, 1, "lea", NOON)


def test_a_request_goes_back_and_a_draft_is_dropped(database: Database) -> None:
    asked(database)
    with database.write() as connection:
        assert drafts.send_back(connection, 1, "ada", NOON, "too broad").state == "backtested"
        drafts.drop(connection, 1, "lea", NOON)
    with pytest.raises(CaseError, match="Draft 1 is dropped"), database.write() as connection:
        drafts.ask(connection, 1, "lea", NOON)
    with pytest.raises(Missing), database.read() as connection:
        drafts.find_draft(connection, 2)
    assert [line[1] for line in lines(database)][-2:] == ["policy.back", "policy.drop"]


def test_the_number_of_open_drafts_is_limited(database: Database) -> None:
    for _ in range(drafts.MAX_OPEN):
        begun(database)
    with pytest.raises(CaseError, match="open drafts already"):
        begun(database)


def at_once(work: Callable[[str], object], *people: str) -> list[object]:
    """Let each person do the work at the same moment. Return what each got: a result or an error."""
    gate = Barrier(len(people))

    def run(person: str) -> object:
        gate.wait()
        try:
            return work(person)
        except VoxwardenError as error:
            return error

    with ThreadPoolExecutor(len(people)) as pool:
        return list(pool.map(run, people))


def test_a_draft_that_two_people_approve_at_once_is_published_once(database: Database) -> None:
    draft = asked(database)

    def approve(person: str) -> object:
        with database.write() as connection:
            return drafts.approve(connection, 1, draft.sha256, 0, LABELS, person, NOON + 2)

    found = at_once(approve, "ada", "mia", "ben")
    assert sum(isinstance(each, PublishedPolicy) for each in found) == 1
    assert sum(isinstance(each, CaseError) for each in found) == 2
    with database.read() as connection:
        assert [each.number for each in versions.list_versions(connection)] == [1]


def test_of_two_edits_at_once_one_is_kept_and_the_other_is_told(database: Database) -> None:
    draft = begun(database)

    def edit(person: str) -> object:
        with database.write() as connection:
            these = texts(f"banana of {person}")
            return drafts.save(connection, 1, these, "A term", draft.sha256, "checked", person, NOON)

    found = at_once(edit, "lea", "ben")
    assert sorted(type(each).__name__ for each in found) == ["Draft", "Stale"]
    assert len({begun(database).number for _ in range(3)}) == 3
    made = at_once(lambda person: begun(database, actor=person), "lea", "ben", "ada")
    assert len({each.number for each in made if isinstance(each, Draft)}) == 3
