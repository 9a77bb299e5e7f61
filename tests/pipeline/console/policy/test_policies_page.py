"""The policy studio over HTTP: a draft from its first edit to the live version, and back."""

import re

import httpx
import pytest
from sqlalchemy import select

from pipeline.console.policy import draft_trials
from pipeline.judge.labels import load_labels
from pipeline.judge.rule_texts import POLICY, read_texts
from pipeline.review import audit_log
from pipeline.review.policies import backtests, drafts, versions
from pipeline.review.tables.core import CASES, FLAGS
from tests.builders import NOON, flag
from tests.pipeline.console.conftest import Console, Enter
from tests.pipeline.judge.fakes import WordClassifier
from tests.pipeline.review.policies.texts import pass_backtest

LABELS = load_labels()
DRAFT = "/policies/drafts/1"
TERM = "\n  - {label: abuse, level: high, terms: [purple banana]}"


@pytest.fixture(autouse=True)
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge with a classifier that knows one word. Loading the shipped one takes longer than all these tests."""
    monkeypatch.setattr(draft_trials, "load_classifier", lambda _, threads: WordClassifier({"rude": {"abuse": 0.97}}))


def seen(console: Console, number: int = 1) -> str:
    with console.database.read() as connection:
        return drafts.find_draft(connection, number).sha256


def begin(client: httpx.Client, title: str = "A new term") -> None:
    answer = client.post("/policies/drafts", data={"title": title})
    assert (answer.status_code, answer.headers["location"]) == (303, DRAFT)


def save(client: httpx.Client, console: Console, file: str, text: str) -> httpx.Response:
    return client.post(DRAFT, data={"seen": seen(console), "file": file, "text": text, "title": "A new term"})


def english(console: Console) -> str:
    with console.database.read() as connection:
        return next(each.text for each in drafts.find_draft(connection, 1).texts.lexicons if each.name == "en")


def wait_for_backtest(client: httpx.Client) -> None:
    """Ask as the page does, until it is told to load the page again."""
    for _ in range(600):
        if client.get(f"{DRAFT}/backtest").headers.get("hx-refresh"):
            return
    raise AssertionError("the backtest did not end")


@pytest.fixture
def stored(console: Console) -> Console:
    """A console with an upheld case of the term, a dismissed one, and an upheld one of another word."""
    said = [("one purple banana", "uphold"), ("two purple banana", "dismiss"), ("rude words", "uphold")]
    for number, (text, verdict) in enumerate(said):
        one = flag(str(number), 100 * number, 100 * number + 5, text=text, speaker=f"speaker-{number}", language="en")
        [outcome] = console.store.add([one], NOON)
        with console.database.write() as connection:
            connection.execute(
                CASES.update().where(CASES.c.id == outcome.case).values(status="decided", verdict=verdict)
            )
    return console


def test_a_lead_edits_another_approves_and_a_roll_back_follows(stored: Console, enter: Enter) -> None:
    lea, ada = enter("lea"), enter("ada")
    assert "Nothing is published" in lea.get("/policies").text
    begin(lea)
    assert save(lea, stored, "en", english(stored).replace("groups:", f"groups:{TERM}", 1)).status_code == 204
    page = lea.get(f"{DRAFT}?view=diff").text
    assert "+1 −0" in page
    assert "purple banana" in page
    assert lea.post(f"{DRAFT}/ask").status_code == 409, "not backtested yet"
    assert lea.post(f"{DRAFT}/backtest", data={"hours": "0"}).status_code == 303
    wait_for_backtest(lea)
    page = lea.get(f"{DRAFT}?view=diff").text
    assert re.search(r"100\.0% <small>\+1", page), "both upheld cases are caught"
    assert "Changed verdicts: 2" in page
    assert lea.post(f"{DRAFT}/ask").status_code == 303
    asked = {"seen": seen(stored), "live": "0"}
    assert lea.post(f"{DRAFT}/approve", data=asked).status_code == 403, "never the author"
    assert ada.post(f"{DRAFT}/approve", data=asked | {"live": "7"}).status_code == 409
    assert ada.post(f"{DRAFT}/approve", data=asked).status_code == 303
    with stored.database.read() as connection:
        live = versions.live_version(connection)
        assert live is not None
        assert (live.version, live.authors, live.approver) == ("default@1", ("lea",), "ada")
    assert "No judge has reported" in ada.get("/policies").text

    assert "Roll back to the files now" in lea.get("/policies/versions/0").text
    assert lea.post("/policies/versions/0/rollback", data={"title": "All of it"}).status_code == 303
    assert lea.post("/policies/versions/9/rollback", data={"title": "Never"}).status_code == 404
    assert lea.post("/policies/versions/1/rollback", data={"title": "Too many"}).status_code == 303
    with stored.database.read() as connection:
        back = versions.live_version(connection)
        assert back is not None
        assert (back.number, back.back_to, back.sha256) == (3, 1, live.sha256)
        actions = [line.action for line in audit_log.all_lines(connection) if line.action.startswith("policy.")]
    assert actions == [
        f"policy.{what}" for what in ("draft", "edit", "backtest", "ask", "publish", "rollback", "rollback")
    ]


def test_mistakes_are_shown_at_their_line_in_the_reader_s_language(console: Console, enter: Enter) -> None:
    lea = enter("lea")
    begin(lea)
    text = "name: mine\nevery:\n  review: 0.6\n  block: 0.5\nlabels:\n  abus: {review: 2}\n"
    for language, found in (("en", "Line 6"), ("zh", "第 6 行")):
        lea.headers["accept-language"] = language
        answer = lea.post(f"{DRAFT}/check", data={"file": POLICY, "text": text})
        assert answer.status_code == 200
        assert found in answer.text
    assert "0 到 1" in answer.text
    with console.database.read() as connection:
        kept = drafts.find_draft(connection, 1)
    assert kept.texts == read_texts("default", ("en", "zh")), "a check saves nothing"


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "violence: words and second ear must agree, but no second ear is set (listen.ear)."),
        ("zh", "violence：要求语音文字与声音模型都判定，但未设置声音模型（listen.ear），所以永远不会被标记。"),
    ],
)
def test_a_label_that_can_never_be_flagged_is_named(enter: Enter, language: str, said: str) -> None:
    lea = enter("lea")
    begin(lea)
    lea.headers["accept-language"] = language
    text = "name: mine\nevery: {review: 0.6}\nlabels:\n  violence: {sources: both}\n"
    answer = lea.post(f"{DRAFT}/check", data={"file": POLICY, "text": text}).text
    assert said in answer
    assert 'data-line="4"' in answer
    assert 'class="msg bad"' not in answer, "it is a warning"


def test_a_sentence_is_explained_by_the_live_rules_and_by_the_draft(console: Console, enter: Enter) -> None:
    lea = enter("lea")
    begin(lea)
    text = english(console).replace("groups:", f"groups:{TERM}", 1)
    tried = lea.post(f"{DRAFT}/try", data={"sentence": "a purple banana", "file": "en", "text": text}).text
    assert "Term “purple banana” (High" in tried
    assert tried.count("No rule applies") == 1, "the live rules do not know the term"
    tried = lea.post(f"{DRAFT}/try", data={"sentence": "rude"}).text
    assert len(re.findall(r"score 0\.97 reaches the limit 0\.\d\d", tried)) == 2
    broken = lea.post(f"{DRAFT}/try", data={"sentence": "rude", "file": "en", "text": "groups: ["}).text
    assert "Correct the mistakes first" in broken
    assert "A sentence as somebody" in lea.post(f"{DRAFT}/try", data={"sentence": " "}).text


def test_terms_are_added_by_a_form_and_comments_stay(console: Console, enter: Enter) -> None:
    lea = enter("lea")
    begin(lea)
    before = english(console)
    fields = {"seen": seen(console), "file": "en", "label": "abuse", "level": "high", "terms": "red: fish\n\n#blue\n"}
    assert lea.post(f"{DRAFT}/terms", data=fields).status_code == 204
    assert set(before.splitlines()) <= set(english(console).splitlines())
    with console.database.read() as connection:
        assert drafts.find_draft(connection, 1).state == "checked"
    assert '- "red: fish"' in english(console)
    assert lea.post(f"{DRAFT}/terms", data=fields | {"label": "nonsense", "seen": seen(console)}).status_code == 422
    added = {"seen": seen(console), "name": "fr"}
    assert lea.post(f"{DRAFT}/lexicons", data=added).status_code == 303
    assert lea.post(f"{DRAFT}/lexicons", data=added | {"seen": seen(console)}).status_code == 422, "it exists"


def test_a_shadow_starts_and_ends_on_the_page(console: Console, enter: Enter) -> None:
    lea = enter("lea")
    begin(lea)
    assert lea.post(f"{DRAFT}/shadow").status_code == 303
    with console.database.read() as connection:
        [running] = versions.shadows(connection)
    assert running.mark in lea.get("/policies").text
    assert lea.post(f"/policies/shadows/{running.mark}/end").status_code == 303
    assert "No shadow policy runs" in lea.get("/policies").text


def test_an_auditor_reads_and_a_moderator_does_not(console: Console, enter: Enter) -> None:
    begin(enter("lea"))
    aud, ana = enter("aud"), enter("ana")
    page = aud.get(DRAFT)
    assert page.status_code == 200
    assert "/approve" not in page.text
    assert aud.post(DRAFT, data={"seen": seen(console), "text": "x"}).status_code == 403
    assert ana.get("/policies").status_code == 403
    assert console.database is not None


def test_a_backtest_stores_no_words_and_can_be_cancelled(stored: Console, enter: Enter) -> None:
    lea = enter("lea")
    begin(lea)
    lea.post(f"{DRAFT}/backtest", data={"hours": "24"})
    wait_for_backtest(lea)
    with stored.database.read() as connection:
        run = backtests.backtest_of(connection, 1)
        said = list(connection.scalars(select(FLAGS.c.text)))
    assert run is not None
    assert (run.state, run.hours) == ("done", 0), "this console hears no speech"
    assert not any(text in repr(run.result) for text in said)
    assert lea.post(f"{DRAFT}/backtest/cancel").status_code == 303, "nothing runs any more"


def test_a_large_text_is_refused_by_its_size_and_not_by_the_form(console: Console, enter: Enter) -> None:
    lea = enter("lea")
    begin(lea)
    comment = "# " + "策" * 80_000
    assert save(lea, console, POLICY, f"{comment}\nname: mine\nevery: {{review: 0.6}}\n").status_code == 204
    pass_backtest(console.database, 1, NOON)
    answer = lea.post(f"{DRAFT}/check", data={"file": POLICY, "text": "# " + "策" * 90_000})
    assert answer.status_code == 200
    assert "256 KiB" in answer.text
