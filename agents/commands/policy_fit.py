"""`voxwarden policy fit`: choose thresholds from a team's decisions."""

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from agents.commands.app import settings_of
from agents.commands.cases import moment
from agents.commands.policy import policy, write_new
from agents.commands.store import database_of
from agents.commands.terminal import progress_bar, stderr, stdout
from pipeline.base.errors import ConfigError, InputError
from pipeline.base.stopping import like_ctrl_c

if TYPE_CHECKING:
    from pipeline.judge.labels import Labels
    from pipeline.judge.rule_texts import RuleSet
    from pipeline.learning.policy_fitting import FittedLanguage, FittedRule, Flagging
    from pipeline.review.quality.statistics import Estimate
    from pipeline.settings import Settings

ALARMS = Annotated[
    float,
    typer.Option(
        "--alarms-per-1000",
        min=0.001,
        max=500,
        help="False alarms that you accept in 1,000 utterances of a language.",
        show_default=False,
    ),
]
RECALL = Annotated[
    list[str] | None,
    typer.Option(
        metavar="LABEL=SHARE",
        help="The least share of this label's speech to catch, as far as the false alarms allow it. Repeat it.",
    ),
]
ACTIONS = Annotated[
    float | None,
    typer.Option(
        "--act-per-1000",
        min=0.001,
        max=500,
        help="Also choose the thresholds `act`: wrong automatic actions that you accept in 1,000 utterances.",
    ),
]


@policy.command()
@like_ctrl_c()
def fit(
    ctx: typer.Context,
    alarms: ALARMS,
    recall: RECALL = None,
    actions: ACTIONS = None,
    out: Annotated[
        Path | None, typer.Option(help="A new file for the policy. Without it, the table is only shown.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Only decisions since: an age such as 30d, or a UTC time such as 2026-01-31T08:00."),
    ] = None,
) -> None:
    """Choose the review thresholds of the policy from your team's decisions.

    Use it when moderators see too many false alarms, or audits find too much missed speech. Each label and language
    gets the lowest threshold that keeps the number of false alarms that you state. It needs 100 decided audits of a
    language (`quality.audit_share`), and 20 upheld cases of a label. Other thresholds stay. It changes the published
    policy, or the policy of judge.policy if none is published, and writes the result as a new file.

    Examples:
      voxwarden policy fit --alarms-per-1000 5
      voxwarden policy fit --alarms-per-1000 5 --recall self_harm=0.6
      voxwarden policy fit --alarms-per-1000 5 --act-per-1000 0.5 --out fitted.yaml
      voxwarden policy fit --alarms-per-1000 5 --since 90d --out fitted.yaml
    """
    settings, now = settings_of(ctx), time.time()
    if out and out.exists():
        raise ConfigError(f"--out: {out} exists", "Name a new file.")
    begin = 0.0 if since is None else moment(since, now)
    rules, found = _fitted(ctx, settings, begin, now, alarms / 1000, recall or (), actions and actions / 1000)
    for each in found:
        counts = f"{each.upheld[0]} upheld, {each.dismissed[0]} dismissed, {each.audits} audits"
        stdout.print(table(each, f"{each.language}: {counts}"))
        for line in _kept(each):
            stdout.print(f"  {escape(line)}", highlight=False, soft_wrap=True)
    stdout.print("Caught: share of the upheld speech. False alarms: per 1,000 utterances. Brackets: 95 % interval.")
    if not any(rule.after is not None or rule.act is not None for each in found for rule in each.rules):
        raise InputError("No threshold changes", "Decide more cases and audits, or accept more false alarms.")
    if out:
        _write(out, rules, found, settings, alarms)


def _fitted(
    ctx: typer.Context,
    settings: "Settings",
    begin: float,
    now: float,
    rate: float,
    recall: Sequence[str],
    act_rate: float | None,
) -> "tuple[RuleSet, list[FittedLanguage]]":
    """Return the present rules, and the fitted thresholds."""
    from pipeline.judge import classifier, labels, rule_texts
    from pipeline.learning import decided_cases, policy_fitting
    from pipeline.review.policies import versions
    from pipeline.review.quality.figure import Window

    known = labels.load_labels(settings.judge.labels)
    goals = goals_of(recall, known)
    with database_of(ctx) as database, database.read() as connection:
        present = rule_texts.compiled(versions.texts_now(connection, settings), known, "now")
        special = present.policy.policy.room_types  # their thresholds are their own, and stay
        cases = [
            each for each in decided_cases.decided_since(connection, begin) if each.example.room_type not in special
        ]
        heard = decided_cases.read_speech_before(connection, cases)
        weights = decided_cases.weights_of(connection, cases, Window(begin, now), lambda kind: kind not in special)
    if not cases:
        raise InputError("The store has no decided cases", "Decide cases in the console first.")
    with progress_bar() as bar:
        task = bar.add_task("reading the decided cases", total=len(cases))
        read = policy_fitting.read_cases(
            cases,
            weights,
            classifier.load_classifier(settings.judge),
            present,
            lambda done, _: bar.update(task, completed=done),
            heard,
        )
        bar.update(task, description="choosing thresholds", total=None)
        return present, policy_fitting.fit(read, present.policy, known, rate, goals, act_rate)


def goals_of(given: Iterable[str], known: "Labels") -> dict[str, float]:
    """The share to catch of each label in `given`, as LABEL=SHARE. Raises ConfigError."""
    goals: dict[str, float] = {}
    for each in given:
        label, _, share = each.partition("=")
        known.check([label], "--recall")
        if not re.fullmatch(r"0?\.\d+|1", share):
            raise ConfigError(f"--recall {each}: there is no share from 0 to 1", "Write for example self_harm=0.6.")
        goals[label] = float(share)
    return goals


def table(found: "FittedLanguage", title: str) -> Table:
    """The new thresholds of a language, with the figures before and after."""
    rows = Table("Rule", "Upheld", "Threshold", "Caught", "False alarms", title=escape(title), title_justify="left")
    for rule in found.rules:
        if rule.after is not None:
            rows.add_row(escape(rule.rule), str(rule.upheld), _thresholds(rule), *_figures(rule.flagged))
    rows.add_section()
    rows.add_row("[bold]all rules[/]", str(found.upheld[0]), "", *_figures(found.flagged))
    return rows


def _kept(found: "FittedLanguage") -> Iterator[str]:
    """What stays, and how many decisions are missing."""
    from pipeline.learning.policy_fitting import AUDITS, UPHELD
    from pipeline.learning.threshold_choice import FOLDS

    for name, (whole, before, after) in (("upheld", found.upheld), ("dismissed", found.dismissed)):
        yield f"Of {whole} {name} cases, {before} are flagged now, and {after} with the new thresholds."
    if found.acted and found.acted.recall and found.acted.false:
        limits = ", ".join(f"{rule.rule} {rule.act:g}" for rule in found.rules if rule.act is not None)
        low, high = found.acted.false.interval
        wrong = f"{found.acted.false.value * 1000:.1f} ({low * 1000:.1f}–{high * 1000:.1f})"
        yield f"Fit for automatic actions (act): {limits}. It reaches {found.acted.recall.value:.0%} of the upheld "
        yield f"speech, with {wrong} wrong actions per 1,000 utterances."
    stays = f"Nothing changes for {found.language}:"
    if found.audits < AUDITS:
        yield f"{stays} {AUDITS - found.audits} decided audits are missing."
    elif found.speakers < FOLDS:
        yield f"{stays} {FOLDS - found.speakers} speakers are missing."
    elif found.excess is not None:
        yield f"{stays} terms and other thresholds alone give {found.excess * 1000:.1f} false alarms per 1,000."
    missing = [f"{rule.rule} {UPHELD - rule.upheld}" for rule in found.rules if rule.upheld < UPHELD]
    if missing:
        yield f"Upheld cases are missing, so these thresholds stay: {', '.join(missing)}."


def _thresholds(rule: "FittedRule") -> str:
    before = f"{rule.before:g}" if rule.before <= 1 else "never"  # no score reaches a threshold above 1
    return f"{before} → {rule.after:g}"


def _figures(flagged: "tuple[Flagging, Flagging]") -> tuple[str, str]:
    before, after = flagged
    return _change(before.recall, after.recall, 100, "%"), _change(before.false, after.false, 1000)


def _change(before: "Estimate | None", after: "Estimate | None", factor: float, unit: str = "") -> str:
    """Both shares, and the interval of the second one."""
    if before is None or after is None:
        return "–"
    was, now, low, high = (
        f"{share * factor:.{0 if unit else 1}f}" for share in (before.value, after.value, *after.interval)
    )
    return f"{was} → {now}{unit} ({low}–{high})"


def _write(out: Path, rules: "RuleSet", found: "list[FittedLanguage]", settings: "Settings", alarms: float) -> None:
    import yaml

    from pipeline.base.user_files import validated
    from pipeline.judge import labels, moderation_policy
    from pipeline.learning.policy_fitting import with_limits

    content = with_limits(rules.policy, out.stem, found)
    moderation_policy.checked_policy(
        validated(content, moderation_policy.Policy, str(out)), str(out), labels.load_labels(settings.judge.labels)
    )
    day = time.strftime("%Y-%m-%d", time.gmtime())
    about = f"# `voxwarden policy fit --alarms-per-1000 {alarms:g}` made it from {rules.policy.policy.name} on {day}.\n"
    write_new(out, about + yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    stderr.print(f"[green]ok[/]: {escape(str(out))}. Compare it before you use it:", highlight=False)
    stderr.print(f"  voxwarden backtest --policy {escape(str(out))} --from 12h", highlight=False, soft_wrap=True)
