"""A policy with its lexicons as texts, as people edit and publish them, and what the judge makes of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import msgspec
from msgspec import Struct

from pipeline.base import yaml_reading
from pipeline.base.user_files import UserFileError, validated
from pipeline.base.yaml_reading import YamlError
from pipeline.judge import lexicon, moderation_policy
from pipeline.judge.labels import Labels
from pipeline.judge.lexicon import Lexicon
from pipeline.judge.matcher import Matcher
from pipeline.judge.moderation_policy import Policy, PolicyResolver

POLICY = "policy"
"""What errors call the policy's text. A lexicon's text has the name of the lexicon."""

NAME = re.compile(r"[\w-]{1,40}")
"""The form of a lexicon's name. An export makes it the name of a file."""
OTHER_CHARACTERS = re.compile(r"[^\w-]")

MAX_BYTES = 256 * 1024
"""Maximum size of all texts together, as UTF-8. So a release fits into a record of Kafka's default size."""
MAX_VALUES = 50_000
"""Maximum number of values in one text."""
MAX_LEXICONS = 50
MAX_COMBINATIONS = 1_000
"""Maximum number of room types times languages. The check looks at each pair."""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """What decides about a text beside the classifier: the policy, and the terms of its lexicons."""

    policy: PolicyResolver
    matcher: Matcher


class LexiconText(Struct, frozen=True):
    """One lexicon: its name, for example a language code, and its YAML text."""

    name: str
    text: str


class RuleTexts(Struct, frozen=True):
    """The YAML texts of a policy and its lexicons."""

    policy: str
    lexicons: tuple[LexiconText, ...] = ()

    @property
    def sha256(self) -> str:
        """SHA-256 of all texts, in hexadecimal digits."""
        return sha256(msgspec.json.encode(self)).hexdigest()

    @property
    def bytes(self) -> int:
        """Size of all texts as UTF-8."""
        texts = [self.policy, *(each.name + each.text for each in self.lexicons)]
        return sum(len(text.encode(errors="replace")) for text in texts)  # `parsed` reports half a surrogate pair


def read_texts(policy_name: str, lexicons: Sequence[str]) -> RuleTexts:
    """Read the files of the settings `judge.policy` and `judge.lexicons`, as they are. Raises ConfigError."""
    names: dict[str, str] = {}
    for given in lexicons:
        name = OTHER_CHARACTERS.sub("-", lexicon.language_of_lexicon(given))[:32]
        # Two files may have the same name in different folders.
        names[f"{name}-{len(names)}" if name in {*names, POLICY} else name] = given
    return RuleTexts(
        yaml_reading.read_text(moderation_policy.policy_path(policy_name)),
        tuple(LexiconText(name, yaml_reading.read_text(lexicon.lexicon_path(given))) for name, given in names.items()),
    )


def compiled(texts: RuleTexts, labels: Labels, mark: str) -> RuleSet:
    """Check and compile the texts. `mark` becomes the part of the policy's version after the `@`.

    Raises ConfigError for the first mistake.
    """
    check_size(texts)  # before they are parsed
    lexicons = [lexicon_of(each, labels) for each in texts.lexicons]
    return RuleSet(policy_of(texts.policy, labels, lexicons, mark), lexicon.compile_terms(lexicons))


def check_size(texts: RuleTexts) -> None:
    """Raise UserFileError if the texts are too large, or if the name of a lexicon is wrong."""
    names = [POLICY]
    for name in (each.name for each in texts.lexicons):
        if name in names or not NAME.fullmatch(name):
            raise UserFileError(f"{name!r} is no new name for a lexicon", "Choose another.", "lexicon_name", name=name)
        names.append(name)
    if texts.bytes > MAX_BYTES:
        most = MAX_BYTES // 1024
        raise UserFileError(
            f"Policy and lexicons have {texts.bytes:,} bytes; the most is {most} KiB",
            "Keep long lexicons as files.",
            "too_large",
            most=most,
        )
    if len(texts.lexicons) > MAX_LEXICONS:
        raise UserFileError(
            f"There are more than {MAX_LEXICONS} lexicons", "Join some.", "too_many_lexicons", most=MAX_LEXICONS
        )


def policy_of(text: str, labels: Labels, lexicons: Sequence[Lexicon] = (), mark: str = "") -> PolicyResolver:
    """Read and check the text of a policy. Raises ConfigError."""
    return check_policy(validated(parsed(text, POLICY), Policy, POLICY), labels, lexicons, mark)


def check_policy(read: Policy, labels: Labels, lexicons: Sequence[Lexicon] = (), mark: str = "") -> PolicyResolver:
    """Check a policy that came as a text. Raises UserFileError."""
    if moderation_policy.combinations(read) > MAX_COMBINATIONS:
        raise UserFileError(
            f"{POLICY}: more than {MAX_COMBINATIONS:,} pairs of a room type and a language",
            "Remove room types or languages.",
            "too_many_rules",
            ("room_types",),
            most=MAX_COMBINATIONS,
        )
    return moderation_policy.checked_policy(read, POLICY, labels, lexicons, mark)


def lexicon_of(given: LexiconText, labels: Labels) -> Lexicon:
    """Read and check the text of a lexicon. Raises ConfigError."""
    return lexicon.checked_lexicon(validated(parsed(given.text, given.name), Lexicon, given.name), given.name, labels)


def parsed(text: str, name: str) -> object:
    """Return the content of a YAML text. Raises YamlError."""
    try:
        return yaml_reading.parse_yaml(text, name, MAX_VALUES)
    except UnicodeEncodeError as error:  # half of a surrogate pair
        raise YamlError(f"{name} is not valid Unicode", "Delete the wrong character.", "encoding") from error
