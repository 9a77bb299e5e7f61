"""Texts of small policies for tests."""

from sqlalchemy import insert

from pipeline.judge.rule_texts import LexiconText, RuleTexts
from pipeline.review.database import Database
from pipeline.review.policies import drafts, versions
from pipeline.review.tables.policy_tables import POLICY_BACKTESTS

POLICY = "name: mine\nevery: {review: 0.6, block: 0.9, levels: {high: review}}\n"


def texts(term: str = "purple banana", policy: str = POLICY) -> RuleTexts:
    """A policy, and a lexicon with one term that leads to a review."""
    return RuleTexts(policy, (LexiconText("en", f"groups:\n  - {{label: abuse, level: high, terms: [{term}]}}\n"),))


def pass_backtest(database: Database, number: int, at: float) -> None:
    """Store a finished backtest of a draft against the live version."""
    with database.write() as connection:
        draft, live = drafts.find_draft(connection, number), versions.live_version(connection)
        connection.execute(
            insert(POLICY_BACKTESTS).values(
                draft=number,
                sha256=draft.sha256,
                against=live.number if live else 0,
                hours=0,
                state="done",
                asked_by="test",
                asked_at=at,
                beat_at=at,
                done=0,
                total=0,
                result=None,
            )
        )
        drafts.backtested(connection, number, draft.sha256)
