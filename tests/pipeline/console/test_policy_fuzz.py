"""Texts that try to harm the editor: bombs, deep nesting, odd bytes. Each goes through every step that takes a text."""

import json
import random

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.base.errors import ConfigError
from pipeline.console.policy import draft_trials
from pipeline.judge import rule_remarks
from pipeline.judge.labels import load_labels
from pipeline.judge.rule_texts import MAX_COMBINATIONS, POLICY, LexiconText, RuleTexts, compiled, read_texts
from pipeline.review.policies import drafts, versions
from pipeline.settings import ListenSettings
from tests.builders import NOON
from tests.pipeline.console.conftest import Console, Enter
from tests.pipeline.judge.fakes import WordClassifier

pytestmark = pytest.mark.full  # hundreds of drafts

LABELS = load_labels()
SHIPPED = read_texts("default", ("en", "zh"))
DRAFT = "/policies/drafts/1"

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
EVIL = {
    "a bomb of aliases": BOMB,
    "a bomb in a policy": BOMB + "name: mine\n",
    "an endless alias": "name: &a [*a]\n",
    "deep lists": "name: " + "[" * 5_000 + "]" * 5_000,
    "deep mappings": "".join("  " * depth + f"k{depth}:\n" for depth in range(200)),
    "a tag": "name: !!python/object/apply:os.system [id]\n",
    "a merge key": "base: &b {review: 0.5}\nevery:\n  <<: *b\nname: mine\n",
    "two documents": "name: a\n---\nname: b\n",
    "many room types": "name: mine\nevery: {review: 0.6}\nroom_types:\n"
    + "".join(f"  r{n}: {{every: {{languages: {{zh: {{review: 0.5}}}}}}}}\n" for n in range(MAX_COMBINATIONS)),
    "a null byte": "name: \x00",
    "control characters": "name: \x07\x1b[31m\x85\u2028",
    "a byte order mark": "\ufeffname: mine\nevery: {review: 0.6}\n",
    "numbers": "name: 1\nevery: {review: .nan, block: .inf}\ncooldown_seconds: 1e400\n",
    "a large number": "name: mine\nevery: {review: " + "9" * 5_000 + "}\n",
    "a date": "name: 2024-02-31\n",
    "a list": "- name\n",
    "a word": "mine",
    "nothing": "",
    "right to left": "name: \u202eenim\n",
    "markup": "name: <script>alert(1)</script>\n",
    "braces": "name: '{problem} {0} {key!r}'\nlabels: {'{review}': {}}\n",
    "a key twice": "name: a\nname: b\n",
    "keys that are no text": "1: 2\nnull: 3\n[a, b]: 4\n",
}


@pytest.fixture(autouse=True)
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draft_trials, "load_classifier", lambda _, threads: WordClassifier())


def begin(client: httpx.Client) -> None:
    assert client.post("/policies/drafts", data={"title": "Evil"}).status_code == 303


def seen(console: Console) -> str:
    with console.database.read() as connection:
        return drafts.find_draft(connection, 1).sha256


def attack(console: Console, lea: httpx.Client, ada: httpx.Client, file: str, text: str) -> None:
    fields = {"file": file, "text": text}
    for path in ("check", "try"):
        answer = lea.post(f"{DRAFT}/{path}", data=fields | {"sentence": "hello"})
        assert answer.status_code in {200, 422}, answer.text[:300]
        assert "<script>alert" not in answer.text
    saved = lea.post(DRAFT, data=fields | {"seen": seen(console), "title": "x"})
    assert saved.status_code in {204, 422}
    for view in (file, "diff"):
        page = lea.get(f"{DRAFT}?view={view}")
        assert page.status_code == 200
        assert "<script>alert" not in page.text
    with console.database.read() as connection:
        draft = drafts.find_draft(connection, 1)
    if draft.state == "edited":
        for path in ("backtest", "shadow", "ask"):
            assert lea.post(f"{DRAFT}/{path}").status_code in {409, 422}
        approval = {"seen": seen(console), "live": "0"}
        assert ada.post(f"{DRAFT}/approve", data=approval).status_code in {403, 409}
    with console.database.write() as connection:
        assert versions.newest_release(connection) is None, "nothing of it ever reached a judge"
        drafts.save(connection, 1, SHIPPED, "Evil", draft.sha256, "checked", "lea", NOON)


def test_no_text_harms_the_console(console: Console, enter: Enter) -> None:
    lea, ada = enter("lea"), enter("ada")
    begin(lea)
    for name, text in EVIL.items():
        for file in (POLICY, "en"):
            try:
                attack(console, lea, ada, file, text)
            except AssertionError as error:
                raise AssertionError(f"{name} in {file}: {error}") from error


def mutated(text: str, seed: int) -> str:
    """Return the text with a few random cuts, repetitions and foreign pieces."""
    chance = random.Random(seed)  # noqa: S311 - for tests
    pieces = [
        "&a ",
        "*a",
        "!!x ",
        "[",
        "}",
        ": ",
        "\n  ",
        "'",
        '"',
        "\x00",
        "\ud800",
        "策",
        "|",
        ">",
        "<<: ",
        "- ",
        "\t",
    ]
    for _ in range(chance.randint(1, 8)):
        at, length = chance.randrange(len(text) + 1), chance.choice([0, 1, 5, 60])
        text = text[:at] + chance.choice(pieces) * chance.choice([1, 1, 3]) + text[at + length :]
    return text


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(st.integers(0, 2**32), st.sampled_from([POLICY, "en", "zh"]))
def test_a_damaged_text_gives_remarks_or_rules(seed: int, file: str) -> None:
    """Only texts without an error are compiled, and the other way round."""
    damaged = {each.name: each.text for each in SHIPPED.lexicons} | {POLICY: SHIPPED.policy}
    damaged[file] = mutated(damaged[file], seed)
    texts = RuleTexts(damaged[POLICY], tuple(LexiconText(name, damaged[name]) for name in ("en", "zh")))
    found = rule_remarks.remarks(texts, LABELS, ListenSettings())
    json.dumps([remark.filled for remark in found])
    try:
        compiled(texts, LABELS, "1")
    except ConfigError:
        assert any(remark.level == "error" for remark in found)
    else:
        assert not any(remark.level == "error" for remark in found)
