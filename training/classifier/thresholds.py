"""The command that fits the thresholds of a policy to a model: `python -m training.classifier.thresholds --help`."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.commands.policy_fit import ALARMS, RECALL, goals_of, table
from agents.commands.terminal import progress_bar, stdout
from pipeline.base.errors import ConfigError, InputError
from training.commands import errors_in_a_line, notes

if TYPE_CHECKING:
    from pipeline.judge.moderation_policy import PolicyResolver
    from pipeline.judge.rule_texts import RuleSet
    from pipeline.learning.policy_fitting import FittedLanguage, ReadCase
    from pipeline.settings import JudgeSettings
    from training.classifier.policy_text import NewLimit

QUIETER = 0.5
"""A room type with review thresholds of its own gets those of this share of the false alarms."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def thresholds(
    data: Annotated[Path, typer.Option(help="Folder with one folder for each set.", show_default=False)],
    alarms: ALARMS,
    model: Annotated[str | None, typer.Option(help="Folder onnx/ of the model. Default: the shipped one.")] = None,
    policy: Annotated[str, typer.Option(help="A policy by name or path.")] = "default",
    at_most: Annotated[
        str | None, typer.Option(help="No threshold is above that of this policy, so that it flags no less.")
    ] = None,
    recall: RECALL = None,
    write: Annotated[bool, typer.Option("--write", help="Change the file of the policy. Comments stay.")] = False,
    seed: Annotated[int, typer.Option(help="It decides how the speech is misheard.")] = 1,
) -> None:
    """Fit the review thresholds of a policy to a model, for a number of false alarms that you state.

    Use it after a training. The speech is our own lines and ordinary talk of the
    validation side, as a recogniser would hear it (docs/learning.md). All labels
    of a language are fitted together, so that they catch most with this number of
    false alarms. Without --write, the table is only shown.

    Examples:
      python -m training.classifier.thresholds --data sets --alarms-per-1000 10 --write
      python -m training.classifier.thresholds --data sets --alarms-per-1000 40 --policy strict --at-most default
    """
    try:
        from pipeline.judge import labels, moderation_policy, rule_texts
        from pipeline.learning import policy_fitting
        from pipeline.settings import JudgeSettings
        from training.classifier.policy_text import with_limits, with_origin
    except ModuleNotFoundError as error:
        raise ConfigError(f"Fitting needs the package {error.name}", "pip install -e '.[train]'") from error
    chosen = JudgeSettings(model=model, policy=policy)
    known = labels.load_labels(chosen.labels)
    texts = rule_texts.read_texts(policy, chosen.lexicons)
    present = rule_texts.compiled(texts, known, "now")
    goals = goals_of(recall or (), known)
    name, cases = _read(data, chosen, present, seed)
    found, quieter = (
        policy_fitting.fit(cases, present.policy, known, part * alarms / 1000, goals) for part in (1.0, QUIETER)
    )
    for each in found:
        stdout.print(table(each, f"{each.language}: {each.upheld[0]} risky lines, {each.dismissed[0]} harmless ones"))
    stdout.print("Caught: share of the risky lines. False alarms: per 1,000 utterances. Brackets: 95 % interval.")
    for each in (*found, *quieter):
        if each.excess is not None:
            raise InputError(
                f"{each.language}: terms alone give {1000 * each.excess:.1f} false alarms per 1,000",
                f"Accept {1 / QUIETER:g} times as many or more, or correct the terms.",
            )
    limits = [*_general(found), *_special(quieter, present.policy)]
    if at_most:
        other = moderation_policy.load_policy(at_most, known)
        limits = [replace(each, review=min(each.review, _review(other, each))) for each in limits]
    changed = with_limits(texts.policy, present.policy, limits)
    rule_texts.policy_of(changed, known)
    if write:
        path = moderation_policy.policy_path(policy)
        path.write_text(with_origin(changed, _origin(policy, alarms, goals, at_most, name)), "utf-8")
        notes.print(f"[green]ok[/]: {path}", highlight=False)


def _read(data: Path, chosen: "JudgeSettings", present: "RuleSet", seed: int) -> "tuple[str, list[ReadCase]]":
    """The name of the model, and the speech with its scores."""
    from pipeline.judge import classifier
    from pipeline.learning import policy_fitting
    from training.classifier import validation

    rows = validation.rows(data)
    judge = classifier.load_classifier(chosen)
    with progress_bar() as bar:
        task = bar.add_task("reading the speech", total=len(rows))
        examples, weights = validation.examples(rows, seed), validation.weights(rows)
        cases = policy_fitting.read_cases(
            examples, weights, judge, present, lambda done, _: bar.update(task, completed=done)
        )
    return judge.name, cases


def _general(found: "Iterable[FittedLanguage]") -> "Iterator[NewLimit]":
    from training.classifier.policy_text import NewLimit

    for each in found:
        for rule in each.rules:
            if rule.after is not None:
                yield NewLimit("", each.language, rule.rule, rule.after)


def _special(quieter: "Iterable[FittedLanguage]", policy: "PolicyResolver") -> "Iterator[NewLimit]":
    """The thresholds that room types state for themselves."""
    for limit in _general(quieter):
        for kind, layer in policy.policy.room_types.items():
            rule = layer.risk if limit.rule == "risk" else layer.labels.get(limit.rule)
            if rule and rule.review is not None:
                yield replace(limit, room_type=kind)


def _review(policy: "PolicyResolver", limit: "NewLimit") -> float:
    resolved = policy.resolved(limit.room_type, limit.language)
    return (resolved.risk if limit.rule == "risk" else resolved.labels[limit.rule]).review


def _origin(policy: str, alarms: float, goals: Mapping[str, float], at_most: str | None, model: str) -> str:
    options = f" --policy {policy}" if policy != "default" else ""
    options += f" --at-most {at_most}" if at_most else ""
    options += "".join(f" --recall {label}={share:g}" for label, share in goals.items())
    day = time.strftime("%Y-%m-%d", time.gmtime())
    return f"`python -m training.classifier.thresholds --alarms-per-1000 {alarms:g}{options}` for {model}, {day}."


if __name__ == "__main__":
    with errors_in_a_line():
        app(prog_name="python -m training.classifier.thresholds")
