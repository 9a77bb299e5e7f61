"""Checks texts while a person edits them: every mistake with its line, and terms and limits that are too broad.

`code` names the kind of a remark, and `values` go into its sentence. The console has a sentence for each code.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Literal

import yaml
from msgspec import Struct
from msgspec.structs import replace
from pydantic import ValidationError

from pipeline.base import yaml_reading
from pipeline.base.errors import ConfigError
from pipeline.base.user_files import StrictModel, UserFileError
from pipeline.base.yaml_reading import YamlError
from pipeline.judge import lexicon, rule_texts
from pipeline.judge.labels import Labels, Severity
from pipeline.judge.lexicon import Group, Lexicon
from pipeline.judge.moderation_policy import (
    AudioClassifierRule,
    LabelRule,
    Policy,
    PolicyLayer,
    PolicyResolver,
    RiskRule,
    SoundRule,
)
from pipeline.judge.normalise import normalise
from pipeline.judge.rule_texts import POLICY, LexiconText, RuleTexts
from pipeline.judge.rule_warnings import UnheardLabel, labels_without_effect, unheard_labels
from pipeline.settings import ListenSettings

Key = tuple[str | int, ...]

MOST = 50
"""Maximum number of remarks about one text."""
LOW_LIMIT = 0.15
"""A review limit below this is called low: all shipped limits are higher."""
SHORT_STEM = 4
"""A Latin term with `*` and fewer characters before it matches many words."""
SHORT_WORD = 3
"""A Latin term with fewer characters is part of many spellings."""

GROUPS = re.compile(r"groups:\s*(\[\s*\]\s*)?(#.*)?$")
"""The line of a lexicon after which its groups begin."""

MODELS = (Policy, PolicyLayer, LabelRule, SoundRule, AudioClassifierRule, Lexicon, Group)
KEYS = frozenset(key for model in MODELS for key in model.model_fields)
"""All keys of policies and lexicons."""

REASONS: Mapping[str, str] = {
    "extra_forbidden": "unknown_key",
    "missing": "missing_key",
    "literal_error": "one_of",
    "greater_than": "out_of_range",
    "greater_than_equal": "out_of_range",
    "less_than": "out_of_range",
    "less_than_equal": "out_of_range",
    "finite_number": "out_of_range",
    "string_pattern_mismatch": "wrong_form",
    "string_too_long": "too_long",
    "string_too_short": "empty",
    "too_short": "empty",
}
"""Our code for a kind of error of pydantic; any other one is `wrong_type`."""


VALUES: tuple[str, ...] = ("problem", "most", "key", "label", "known", "wanted", "term", "least", "limit")
VALUES += ("review", "block", "language", "name")

QUOTED = re.compile(r"'([^']*)'")
"""A word that may stand at a place, as pydantic lists it."""
NUMBER_PART, NEVER_PART = "constrained-float", ("literal['never']",)
"""What pydantic appends to the place of a limit, once for each of the two forms that it may have."""


class RuleRemark(Struct, frozen=True):
    """A mistake, or a warning, at a line of a text."""

    file: str
    """`policy`, or the name of a lexicon."""
    line: int
    """It counts from 1; 0: the whole text."""
    level: Literal["error", "warning"]
    code: str
    key: str = ""
    """The path of the key, for example `labels.abuse.review`."""
    values: dict[str, str] = {}
    wrong: str = ""
    """What is to be replaced at the line; empty if that is not known."""
    instead: str = ""
    """A likely replacement."""

    @property
    def filled(self) -> dict[str, str]:
        """All values that a sentence may have; empty if this remark does not have them."""
        return dict.fromkeys(VALUES, "") | self.values


def remarks(texts: RuleTexts, labels: Labels, listen: ListenSettings) -> list[RuleRemark]:
    """Return all remarks, by text and line. `listen` tells what the second ear knows."""
    try:
        rule_texts.check_size(texts)
    except UserFileError as error:
        return [_of_error(POLICY, error, {})]
    found = list(_policy(texts.policy, labels, listen))[:MOST]
    for each in texts.lexicons:
        found += list(_lexicon(each, labels))[:MOST]
    return sorted(found, key=lambda remark: (remark.file != POLICY, remark.file, remark.line))


def with_terms(text: str, label: str, level: Severity, terms: Sequence[str]) -> str:
    """Return the text of a lexicon with a new group at its beginning. Comments and the other groups stay."""
    kept = [term.strip() for term in terms if term.strip()]
    if not kept:
        return text
    group = [f"  - label: {label}", f"    level: {level}", "    terms:"]
    # A string in JSON is a string in YAML, too, with all special characters escaped.
    group += [f"      - {json.dumps(term, ensure_ascii=False)}" for term in kept]
    # Edited as text: a YAML writer would lose the comments.
    lines = text.splitlines()
    start = next((number for number, line in enumerate(lines) if GROUPS.match(line)), None)
    if start is None:
        return "\n".join([*lines, "groups:", *group, ""])
    return "\n".join([*lines[:start], "groups:", *group, *lines[start + 1 :], ""])


def _policy(text: str, labels: Labels, listen: ListenSettings) -> Iterator[RuleRemark]:
    lines: dict[Key, int] = {}
    try:
        read = _read(text, POLICY, Policy, lines)
        if isinstance(read, list):
            yield from read
            return
        # Warnings come first, because the check ends at its first mistake.
        yield from _low_limits(read, lines)
        for key in labels_without_effect(read):
            yield RuleRemark(POLICY, _line(key, lines), "warning", "sound_label", _dotted(key))
        yield from _unheard(rule_texts.check_policy(read, labels), listen, lines)
    except YamlError as error:
        yield _of_yaml(POLICY, error)
    except UserFileError as error:
        yield _of_error(POLICY, error, lines)


def _lexicon(given: LexiconText, labels: Labels) -> Iterator[RuleRemark]:
    lines: dict[Key, int] = {}
    try:
        read = _read(given.text, given.name, Lexicon, lines)
        if isinstance(read, list):
            yield from read
            return
        yield from _broad_terms(given.name, read, lines)
        lexicon.checked_lexicon(read, given.name, labels)
    except YamlError as error:
        yield _of_yaml(given.name, error)
    except UserFileError as error:
        yield _of_error(given.name, error, lines)


def _read(text: str, name: str, kind: type[Any], lines: dict[Key, int]) -> Any:
    """Return the rules in the text, or the remarks about its mistakes. Fills `lines`. Raises YamlError."""
    content = rule_texts.parsed(text, name)
    lines |= lines_of(text)
    try:
        rules: StrictModel = kind.model_validate({} if content is None else content)
    except ValidationError as error:
        errors = error.errors(include_input=False, include_url=False)
        # A wrong limit gives two errors: it is no number, and it is not `never`. One remark is enough.
        return [_of_field(name, each, lines) for each in errors if each["loc"][-1:] != NEVER_PART][:MOST]
    return rules


def lines_of(text: str) -> dict[Key, int]:
    """Return the line of each key and item of a YAML text that was checked before."""
    found: dict[Key, int] = {}
    waiting: list[tuple[Key, Any]] = [((), yaml.compose(text, Loader=yaml_reading.LOADER))]
    while waiting:
        key, node = waiting.pop()
        if isinstance(node, yaml.MappingNode):
            parts = [(each.value, each, value) for each, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            parts = [(number, value, value) for number, value in enumerate(node.value)]
        else:
            continue
        for name, at, value in parts:
            found[(*key, name)] = at.start_mark.line + 1
            waiting.append(((*key, name), value))
    return found


def _line(key: Sequence[str | int], lines: Mapping[Key, int]) -> int:
    """Return the line of a key, or of the nearest key around it."""
    whole = tuple(key)
    around = [whole[:n] for n in range(len(whole), 0, -1)]
    around += [(*whole[:-2], "every")] if whole[-2:-1] == ("labels",) else []  # a label without rules of its own
    return next((lines[each] for each in around if each in lines), 0)


def _of_yaml(file: str, error: YamlError) -> RuleRemark:
    return RuleRemark(file, error.line or 0, "error", f"yaml_{error.code}", values=_texts(error.values))


def _of_error(file: str, error: UserFileError, lines: Mapping[Key, int]) -> RuleRemark:
    made = RuleRemark(file, _line(error.key, lines), "error", error.code, _dotted(error.key), _texts(error.values))
    if error.code != "unknown_label":
        return made
    return _replaceable(made, made.values["label"], made.values["known"].split(", "))


def _of_field(file: str, error: Any, lines: Mapping[Key, int]) -> RuleRemark:
    kind, context = error["type"], error.get("ctx", {})
    code = REASONS.get(kind, "wrong_type")
    limits = {"gt": "> {}", "ge": "≥ {}", "lt": "< {}", "le": "≤ {}"}
    wanted = next((form.format(context[name]) for name, form in limits.items() if name in context), "")
    wanted = wanted or str(context.get("expected", context.get("max_length", "")))
    # pydantic marks the place of a wrong key, for example a language, with `[key]`.
    key = [part for part in error["loc"] if part not in {"[key]", NUMBER_PART}]
    if NUMBER_PART in error["loc"]:
        code = "limit_form"
    elif "[key]" in error["loc"] and code != "one_of":
        code = "language_code"
    made = RuleRemark(file, _line(key, lines), "error", code, _dotted(key), {"wanted": wanted})
    if code == "unknown_key":
        return _replaceable(made, str(key[-1]), KEYS)
    if "[key]" in error["loc"] and code == "one_of":
        return _replaceable(made, str(key[-1]), QUOTED.findall(wanted))
    return made


def _replaceable(made: RuleRemark, wrong: str, known: Iterable[str]) -> RuleRemark:
    """Return the remark with the known word that is most like the wrong one."""
    return replace(made, wrong=wrong, instead=next(iter(get_close_matches(wrong, list(known), 1)), ""))


def _low_limits(policy: Policy, lines: Mapping[Key, int]) -> Iterator[RuleRemark]:
    layers: list[tuple[Key, Any]] = [((), policy)]
    layers += [(("room_types", name), layer) for name, layer in policy.room_types.items()]
    for top, layer in layers:
        named: list[tuple[Key, LabelRule | RiskRule]] = [((*top, "every"), layer.every), ((*top, "risk"), layer.risk)]
        named += [((*top, "labels", label), rule) for label, rule in layer.labels.items()]
        for key, rule in named:
            limits = [(key, rule), *(((*key, "languages", code), each) for code, each in rule.languages.items())]
            for place, limit in limits:
                if isinstance(limit.review, float | int) and limit.review < LOW_LIMIT:
                    at = (*place, "review")
                    values = {"limit": f"{limit.review:g}"}
                    yield RuleRemark(POLICY, _line(at, lines), "warning", "low_limit", _dotted(at), values)


def _unheard(policy: PolicyResolver, listen: ListenSettings, lines: Mapping[Key, int]) -> Iterator[RuleRemark]:
    """Yield one warning for all labels of one rule."""
    try:
        found = unheard_labels(policy, listen)
    except ConfigError:
        yield RuleRemark(POLICY, 0, "warning", "ear_unread", values={"label": ", ".join(policy.need_both())})
        return
    places: dict[tuple[str, Key], list[str]] = {}
    for each in found:
        places.setdefault((each.cause, _audio_classifier_rule(each, lines)), []).append(each.label)
    for (code, key), names in places.items():
        yield RuleRemark(POLICY, _line(key, lines), "warning", code, _dotted(key), {"label": ", ".join(names)})


def _audio_classifier_rule(found: UnheardLabel, lines: Mapping[Key, int]) -> Key:
    """Return the key that makes a label need the second ear, or that makes the second ear deaf to it."""
    inside, last = (("ear",), "review") if found.cause == "ear_never" else ((), "sources")
    tops: list[Key] = [*([("room_types", found.room_type)] if found.room_type else []), ()]
    # The narrowest rule wins, so it comes first.
    keys: list[Key] = [(*top, *inside, *rule, last) for top in tops for rule in (("labels", found.label), ("every",))]
    return next((key for key in keys if key in lines), keys[0])


def _broad_terms(file: str, read: Lexicon, lines: Mapping[Key, int]) -> Iterator[RuleRemark]:
    for number, group in enumerate(read.groups):
        if group.near:  # it already limits where the terms match
            continue
        for place, term in enumerate(group.terms):
            key = ("groups", number, "terms", place)
            if code := _broad(term):
                yield RuleRemark(file, _line(key, lines), "warning", code, _dotted(key), {"term": term}, term)


def _broad(term: str) -> str:
    """Return why a term without `near` matches too much; empty if it does not seem so."""
    plain = "".join(normalise(term.removesuffix("*")).text.split())
    if not plain.isascii():
        return "broad_character" if len(plain) == 1 else ""
    if term.endswith("*"):
        return "broad_stem" if len(plain) < SHORT_STEM else ""
    return "broad_word" if len(plain) < SHORT_WORD else ""


def _dotted(key: Sequence[str | int]) -> str:
    return ".".join(map(str, key))


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}
