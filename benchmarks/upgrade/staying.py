"""Work in a store that another process upgrades meanwhile. `python -m benchmarks.upgrade` runs it with 0.1.0's code.

It opens the store, says "open", waits for a line, and then stores a flag, decides its case and undoes the decision.
"""

import sys
from pathlib import Path

from writing import NOON, flag  # type: ignore[import-not-found]

from pipeline.review.cases import deciding
from pipeline.review.cases.values import Choice, Filters
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore


def main(file: Path) -> None:
    """Run the steps."""
    database = Database(f"sqlite:///{file}")
    print("open", flush=True)
    sys.stdin.readline()
    store = SqlReviewStore(database)
    [made] = store.add([flag("late", 800.0)], NOON + 900)
    decision = store.decide(made.case, "ana", Choice(verdict="uphold", action="mute"), NOON + 910)
    with database.write() as connection:
        deciding.undo(connection, decision.id, "ana", NOON + 911)
    print(made.result, [case.status for case in store.cases(Filters(speaker="late"))], flush=True)
    database.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
