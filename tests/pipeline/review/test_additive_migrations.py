"""Within a minor version, migrations only add to the store: old and new processes use it side by side."""

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory

from pipeline.base.errors import ConfigError
from pipeline.review import database
from pipeline.review.cases.case_values import Choice, Filters
from pipeline.review.database import MIGRATIONS, Database, only_added_to
from pipeline.review.review_store import SqlReviewStore
from tests.builders import NOON, flag

SCRIPTS = list(ScriptDirectory(str(MIGRATIONS)).walk_revisions())[::-1]
LATER = """
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "0006_9999", "{newest}", None, None
def upgrade():
    op.create_table("later", sa.Column("id", sa.String(), primary_key=True))
    op.add_column("cases", sa.Column("later", sa.String(), nullable=True))
    op.add_column("flags", sa.Column("later", sa.String(), nullable=False, server_default="none"))
"""
"""A migration of a later version with our minor version."""


def losses(before: sa.MetaData, after: sa.MetaData) -> list[str]:
    """What code that knows only `before` cannot do in a store that looks like `after`."""
    found = [f"{name} is gone" for name in before.tables if name not in after.tables]
    for name, old in before.tables.items():
        if name not in after.tables:
            continue
        new = after.tables[name]
        found += [f"{name}.{column.name} is gone" for column in old.columns if column.name not in new.columns]
        for column in new.columns:
            if column.name not in old.columns:
                if not column.nullable and column.server_default is None:
                    found.append(f"{name}.{column.name} is new, and an old INSERT gives it no value")
            elif str(column.type) != str(old.columns[column.name].type):
                found.append(f"{name}.{column.name} has another type")
            elif old.columns[column.name].nullable and not column.nullable:
                found.append(f"{name}.{column.name} takes no NULL any more")
        found += [f"{name} has a new rule: {rule}" for rule in _rules(new) - _rules(old)]
    return found


def _rules(table: sa.Table) -> set[str]:
    """What the table refuses: keys, links, checks and unique indexes."""
    kinds = (sa.UniqueConstraint, sa.PrimaryKeyConstraint, sa.ForeignKeyConstraint, sa.CheckConstraint)
    rules = {str(each.name or type(each).__name__) for each in table.constraints if isinstance(each, kinds)}
    return rules | {str(each.name) for each in table.indexes if each.unique}


def at(revision: str, folder: Path) -> sa.MetaData:
    """The tables of a new store after this migration."""
    engine, found, config = sa.create_engine(f"sqlite:///{folder / revision}.db"), sa.MetaData(), Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        found.reflect(connection)
    engine.dispose()
    return found


def minor_of(revision: str) -> str:
    return revision.partition("_")[0]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.revision)
def test_a_migration_within_a_minor_version_only_adds(script: Script, tmp_path: Path) -> None:
    first = next(each for each in SCRIPTS if minor_of(each.revision) == minor_of(script.revision))
    assert first.revision == minor_of(script.revision), "the first one of a minor version has a plain number"
    assert losses(at(first.revision, tmp_path), at(script.revision, tmp_path)) == []


@pytest.mark.parametrize(
    ("change", "loss"),
    [
        (lambda op: op.drop_table("old"), "old is gone"),
        (lambda op: op.drop_column("old", "text"), "old.text is gone"),
        (lambda op: op.add_column("old", sa.Column("n", sa.Integer, nullable=False)), "old.n is new"),
        (lambda op: op.create_index("one", "old", ["text"], unique=True), "old has a new rule: one"),
        (lambda op: op.create_table("new", sa.Column("id", sa.Integer, primary_key=True)), ""),
        (lambda op: op.add_column("old", sa.Column("n", sa.Integer, nullable=False, server_default="0")), ""),
    ],
    ids=["drop table", "drop column", "column without default", "unique", "new table", "column with default"],
)
def test_a_loss_is_found(change: Callable[[Operations], object], loss: str) -> None:
    engine, before, after = sa.create_engine("sqlite://"), sa.MetaData(), sa.MetaData()
    sa.Table("old", before, sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.Text))
    with engine.begin() as connection:
        before.create_all(connection)
        change(Operations(MigrationContext.configure(connection)))
        after.reflect(connection)
    engine.dispose()
    found = losses(before, after)
    assert len(found) == bool(loss)
    assert not loss or found[0].startswith(loss)


@pytest.mark.dialect
def test_the_code_of_now_works_in_a_store_of_the_next_patch(
    empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, later)
    (later / "versions" / "later.py").write_text(LATER.format(newest=SCRIPTS[-1].revision), "utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(database, "MIGRATIONS", later)
        patch.setattr(database, "_newest", lambda: "0006_9999")
        Database(empty_url).close()
    assert only_added_to("0006_9999")
    with closing(Database(empty_url)) as opened:
        store = SqlReviewStore(opened)
        store.add([flag()], NOON)
        [case] = store.cases(Filters())
        store.decide(case.id, "ana", Choice(verdict="uphold", action="warn"), NOON + 1)
        assert store.case(case.id).case.status == "decided"
        with opened.write() as connection:
            connection.execute(sa.text("UPDATE alembic_version SET version_num = '0028'"))
    with pytest.raises(ConfigError, match="newer Voxwarden"):
        Database(empty_url)
