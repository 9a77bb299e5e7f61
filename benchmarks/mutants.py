"""Change single expressions of central modules, and count the changes (mutants) that the tests of the module notice.

    python -m benchmarks.mutants [--only policy ledger] [--most 40] [--to after.json] [--before before.json]

Cosmic Ray makes the mutants. A mutant's name is its operator, its function and a number, so it does not change when a
module moves. `--before` repeats the mutants of an earlier run, if their functions still exist. The command fails if
fewer of them are killed.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from functools import partial
from hashlib import sha256
from importlib import import_module
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any
from unittest.mock import patch

import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

MODULES: dict[str, tuple[str, ...]] = {
    "policy": ("pipeline/judge/moderation_policy.py",),
    "matcher": ("pipeline/judge/matcher.py",),
    "order": ("pipeline/speech/audio/chunk_order.py",),
    "overload": ("pipeline/speech/load_shedding.py",),
    "deciding": ("pipeline/review/cases/deciding.py",),
    "login_limits": ("pipeline/review/accounts/login_limits.py",),
    "retention": ("pipeline/review/privacy/retention_job.py",),
    "harm": ("pipeline/assessment/indicators/harm.py",),
    "loading": ("pipeline/settings/loading.py",),
    "ledger": ("agents/loop/holding_work.py",),
}
"""The file of each module, and its tests if they are not in the file that mirrors it."""
LIBRARIES = ("alembic", "hypothesis", "pydantic_settings", "sqlalchemy.dialects.sqlite", "torch", "transformers")
"""Libraries that load slowly. They are imported once, for all mutants."""
PYTEST = ("-x", "-q", "--assert=plain", "-p", "no:cacheprovider", "--timeout=120", "-k", "not postgres")
UNUSABLE = 99
"""The exit status if a mutant cannot be imported. It says nothing about the tests, so another one is drawn."""


def mutants(source: str) -> Iterator[tuple[str, tuple[int, int], Callable[[], str]]]:
    """Every mutant of a module: its name, its line and column, and a function that returns its code."""
    nodes, seen = list(ast_nodes(get_ast(source))), Counter[str]()
    for kind in filter(lambda each: not each.arguments(), map(get_operator, operator_names())):
        found = [(node, place) for node in nodes for place, _ in kind().mutation_positions(node)]
        for number, (node, place) in enumerate(found):
            about = f"{kind.__name__} {definition(node)}"
            seen[about] += 1
            yield f"{about} {seen[about]}", place, partial(mutate_code, source, kind(), number)


def definition(node: Any) -> str:
    """What holds an expression: a function or class, also for its decorators, or a variable of a module or class."""
    names: list[str] = []
    while node:
        held = node.children[-1] if node.type == "decorated" else node
        if held.type in {"classdef", "funcdef"}:
            names[:0] = [held.name.value] if names[:1] != [held.name.value] else []
        elif node.type == "expr_stmt" and not names:
            names.insert(0, node.children[0].get_code(include_prefix=False))
        node = node.parent
    return ".".join(names)


def measure(path: Path, tests: Collection[str], most: int, before: Collection[str]) -> dict[str, bool]:
    """Whether each mutant was killed: those in `before`, or else a sample of up to `most`, one for each place."""
    source, killed, places = path.read_text("utf-8"), dict[str, bool](), set[tuple[int, int]]()
    status, seconds = tested(path, source, tests, 600)
    if status:
        sys.exit(f"{path}: its tests fail without a mutant. Run: pytest -x {' '.join(tests)}")
    for name, place, code in sorted(mutants(source), key=lambda each: sha256(each[0].encode()).digest()):
        if name in before if before else len(killed) < most and place not in places:
            status, _ = tested(path, code(), tests, round(3 * seconds) + 5)
            if status != UNUSABLE:
                killed[name] = bool(status)
                places.add(place)
    return killed


def tested(path: Path, code: str, tests: Collection[str], limit: int) -> tuple[int, float]:
    """Run the tests with other code for a module, in a process of its own, for up to `limit` CPU seconds.

    Returns pytest's exit status, or UNUSABLE, or a negative number for a signal; and the CPU seconds.
    """
    with tempfile.TemporaryDirectory() as folder:
        child = os.fork()
        if not child:
            try:
                os._exit(_status(path, code, [*PYTEST, f"--basetemp={folder}/t", *tests], limit))
            finally:
                os._exit(UNUSABLE)
        _, status, used = os.wait4(child, 0)
    return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime


def _status(path: Path, code: str, arguments: list[str], limit: int) -> int:
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))  # ends endless loops, also on a busy machine
    resource.setrlimit(resource.RLIMIT_DATA, (6 << 30, 6 << 30))
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    usual = SourceFileLoader.get_code

    def get_code(loader: SourceFileLoader, name: str) -> CodeType | None:
        return compile(code, path, "exec") if Path(loader.path) == path.absolute() else usual(loader, name)

    with patch.object(SourceFileLoader, "get_code", get_code):
        import_module(".".join(path.with_suffix("").parts))
        return pytest.main(arguments)


def main() -> int:
    wanted = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    wanted.add_argument("--only", nargs="+", default=MODULES, choices=MODULES, metavar="MODULE")
    wanted.add_argument("--most", type=int, default=40, help="mutants of a module")
    wanted.add_argument("--to", type=Path, help="JSON file for the results: for each mutant, whether it was killed")
    wanted.add_argument("--before", type=Path, help="JSON file of an earlier run")
    chosen = wanted.parse_args()
    os.environ["CI"] = "1"  # Hypothesis draws the same examples for each mutant
    for library in LIBRARIES:
        import_module(library)
    earlier: dict[str, dict[str, bool]] = json.loads(chosen.before.read_text("utf-8")) if chosen.before else {}
    results: dict[str, dict[str, bool]] = {}
    print(f"{'module':12}{'mutants':>8}{'killed':>8}{'share':>8}", flush=True)
    for name in chosen.only:
        path, *tests = MODULES[name]
        tests = tests or [str(Path("tests", path).with_name(f"test_{Path(path).name}"))]
        results[name] = killed = measure(Path(path), tests, chosen.most, earlier.get(name, {}))
        print(row(name, list(killed.values())), flush=True)
        if chosen.to:
            chosen.to.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    print(row("all", [dead for killed in results.values() for dead in killed.values()]))
    return compared(earlier, results) if earlier else 0


def row(name: str, killed: list[bool]) -> str:
    return f"{name:12}{len(killed):8}{sum(killed):8}{sum(killed) / max(len(killed), 1):8.0%}"


def compared(earlier: dict[str, dict[str, bool]], results: dict[str, dict[str, bool]]) -> int:
    """Print what changed for the mutants of both runs. Returns 1 if fewer are killed."""
    same = [(name, one) for name, killed in results.items() for one in killed if one in earlier.get(name, {})]
    then, now = (sum(each[name][one] for name, one in same) for each in (earlier, results))
    for name, one in same:
        if earlier[name][one] and not results[name][one]:
            print(f"no longer killed: {name}: {one}")
    print(f"{len(same)} mutants of both runs: {then} were killed before, and {now} now")
    return 1 if now < then else 0


if __name__ == "__main__":
    sys.exit(main())
