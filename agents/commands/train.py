"""`voxwarden train`: train the classifier further on a team's decisions."""

import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from agents.commands.app import app, settings_of
from agents.commands.cases import moment
from agents.commands.store import actor, database_of
from agents.commands.terminal import progress_bar, stderr, stdout
from pipeline.base.errors import ConfigError, InputError
from pipeline.base.libraries import install_extra
from pipeline.base.stopping import like_ctrl_c, whole

if TYPE_CHECKING:
    from pipeline.judge.model_outputs import Calibrated
    from pipeline.learning.case_split import CaseSplit
    from pipeline.learning.model_comparison import ComparedFigure

NEEDED = ("torch", "transformers", "onnx", "onnxscript")  # the packages of a training
TAUGHT = 200  # the fewest decided cases to learn from
EACH = 40  # the fewest upheld and the fewest dismissed ones of them


@app.command()
@like_ctrl_c()
def train(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option(help="A new folder: onnx/ is for judge.model.", show_default=False)],
    decisions: Annotated[bool, typer.Option("--decisions", help="Learn from the decided cases of the store.")] = False,
    since: Annotated[
        str | None,
        typer.Option(help="Only decisions since: an age such as 90d, or a UTC time such as 2026-01-31T08:00."),
    ] = None,
    seed: Annotated[int, typer.Option(help="It decides which cases are held out, and the order of the others.")] = 1,
) -> None:
    """Train the classifier further on your team's decisions, and compare it with the present one.

    Use it when the classifier misses what your moderators uphold, or flags what they dismiss. It continues from
    judge.model, or from the shipped model. It needs the extra `train` (docs/install.md) and 250 decided cases: a fifth
    and the golden cases are only a test. The new folder has a card with all figures. The model carries traces of the
    cases, so protect it like the store. Ctrl-C or SIGTERM ends the training, and leaves no folder.

    Examples:
      voxwarden train --decisions --out model
      voxwarden train --decisions --out model --since 90d
    """
    if not decisions:
        raise ConfigError("There is nothing to learn from", "Add --decisions. docs/learning.md trains on other sets.")
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise ConfigError(f"Training needs {' and '.join(missing)}", f"Install it: {install_extra('train')}")
    if out.exists():
        raise ConfigError(f"--out: {out} exists", "Name a new folder.")
    try:
        with whole(out) as folder:
            _train(ctx, folder, since, seed)
    except KeyboardInterrupt:
        stderr.print(f"stopped; {escape(str(out))} was not made", highlight=False, soft_wrap=True)
        raise
    stderr.print(f"[green]ok[/]: {escape(str(out))}. Let it judge as a shadow before you use it:", highlight=False)
    stderr.print(f"  judge: {{shadow_model: {escape(str(out / 'onnx'))}}}", highlight=False)


def _train(ctx: typer.Context, out: Path, since: str | None, seed: int) -> None:
    from pipeline.judge.classifier import SHIPPED

    base = Path(settings_of(ctx).judge.model or SHIPPED)
    present = _present(base)
    split = _read(ctx, since, seed, present.context)
    stderr.print("loading PyTorch", style="dim")
    _continue(base, present, split, out, seed)


def _present(base: Path) -> "Calibrated":
    """Return the model in this folder. Raises ConfigError if a training cannot continue from it."""
    from pipeline.judge.classifier import load_model
    from pipeline.judge.onnx_classifier import MODEL
    from pipeline.learning.training_rows import OUTPUTS

    if not (base / MODEL).is_file():
        raise ConfigError(f"There is no {MODEL} in {base}", "Set judge.model to a folder onnx/ that a training wrote.")
    model = load_model(str(base))
    if model.labels != OUTPUTS:
        raise ConfigError(
            f"{base} has other labels than configs/labels.yaml", "Continue from a model that Voxwarden trained."
        )
    return model


def _continue(base: Path, present: "Calibrated", split: "CaseSplit", out: Path, seed: int) -> None:
    """Train, compare and show. It imports PyTorch, which takes seconds."""
    from transformers.utils import logging

    from pipeline.judge import classifier
    from pipeline.learning import case_split, decision_training, model_card, model_comparison

    logging.disable_progress_bar()  # it would write into ours
    taught, held, golden = case_split.teaching(split), case_split.rows_of(split.held), case_split.rows_of(split.golden)
    recipe = decision_training.Continued(seed=seed, samples=decision_training.PASSES * len(taught))
    with progress_bar() as bar:
        task = bar.add_task("training", total=recipe.steps)
        decision_training.train_on_decisions(
            base,
            taught,
            held,
            recipe,
            out / "onnx",
            lambda line: bar.console.print(line, highlight=False),
            lambda steps: bar.update(task, completed=steps),
        )
        bar.update(task, description="comparing both models", total=None)
        new = classifier.load_model(str(out / "onnx"))
        figures = [model_comparison.compare(present, new, side, seed) for side in (held, golden)]
    day = time.strftime("%Y-%m-%d", time.gmtime())
    model_card.write_card(model_card.ModelCard(present.name, new.name, day, seed, split, *figures), base, out)
    for title, found in zip(("Held-out cases", "Golden cases"), figures, strict=True):
        stdout.print(_table(title, found) if found else f"{title}: too few for figures.")


def _read(ctx: typer.Context, since: str | None, seed: int, context: bool) -> "CaseSplit":
    """Read and split the cases of the store, with `context` also the speech before them."""
    from pipeline.learning import case_split, decided_cases
    from pipeline.review import audit_log
    from pipeline.review.privacy import retention_job

    now = time.time()
    begin = 0.0 if since is None else moment(since, now)
    with database_of(ctx) as database:
        with database.read() as connection:
            # Cases whose time is over do not count, even if the retention job has not deleted them yet.
            over = retention_job.due(connection, settings_of(ctx).retention, now)
            decided = decided_cases.decided_since(connection, begin)
            cases = [each for each in decided if each.example.group not in over]
            heard = decided_cases.read_speech_before(connection, cases, over) if context else {}
        split = case_split.split_cases(cases, seed, heard)
        _check(split, len(decided) - len(cases))
        with database.write() as connection:  # the model carries traces of the cases
            audit_log.append(connection, now, actor(), "train.decisions", "", {"since": begin, "cases": len(cases)})
    also = f", {len(split.heard)} of them also in context" if context else ""
    stderr.print(
        f"{len(split.taught)} cases teach{also}, {len(split.held)} are held out, {len(split.golden)} are golden",
        highlight=False,
    )
    return split


def _check(split: "CaseSplit", over: int) -> None:
    """Raise InputError if there are too few cases to learn from. `over` cases are left out, as their time is over."""
    upheld = sum(each.labels.get("risk") == 1 for each in split.taught)
    counts = {"decided": (len(split.taught), TAUGHT), "upheld": (upheld, EACH)}
    counts["dismissed"] = len(split.taught) - upheld, EACH
    short = [f"{least - count} {name}" for name, (count, least) in counts.items() if count < least]
    if short:
        tests = len(split.held) + len(split.golden)
        raise InputError(
            f"There are too few cases to learn from: {', '.join(short)} are missing. "
            f"{tests} others are only a test, and the time of {over} is over (retention)",
            "Decide more first.",
        )


def _table(title: str, figures: "list[ComparedFigure]") -> Table:
    from pipeline.learning.model_card import shown_figure

    table = Table("Figure", "Risky/clean", "Present → new", "Change", title=title, title_justify="left")
    for each in figures:
        present, new, change = shown_figure(each)
        name = f"{each.what}: {each.label} ({each.language})"
        table.add_row(escape(name), f"{each.risky}/{each.clean}", f"{present} → {new.split()[0]}", change)
    return table
