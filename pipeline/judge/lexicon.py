"""Lexicons: terms that moderator leads write in YAML, each with a label and a level."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from pipeline.base.errors import ConfigError
from pipeline.base.user_files import StrictModel, UserFileError, is_path, read_user_file
from pipeline.contract.messages import UNSUPPORTED
from pipeline.judge.classifier import SHIPPED, languages_of
from pipeline.judge.labels import Labels, Severity
from pipeline.judge.matcher import Matcher, Term
from pipeline.judge.normalise import normalise
from pipeline.settings import JudgeSettings
from pipeline.settings.speech import CODES
from pipeline.speech import languages

Phrase = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]

FILE = "lexicon.yaml"

MIN_SYLLABLES = 3
"""Shorter terms are not matched by sound, because too many other words sound like two syllables."""


class Group(StrictModel):
    """Terms that share a label, a level and conditions."""

    label: str
    level: Severity
    terms: tuple[Phrase, ...] = Field(min_length=1)
    """A Latin term matches whole words. With `*` at its end it also matches longer words."""
    pinyin: bool = False
    """Also match by sound."""
    near: tuple[Phrase, ...] = ()
    """Match only if one of these phrases is near, before or after."""
    unless: tuple[Phrase, ...] = ()
    """Do not match if one of these phrases is near."""


class Lexicon(StrictModel):
    """The file `lexicon.yaml` of a language, or a user's own file."""

    about: str = ""
    overruled_below: float = Field(0.0, ge=0, le=1)
    """A term does not count if the classifier's `risk` of the words around it is lower. 0: all terms count."""
    groups: tuple[Group, ...] = ()
    allow: tuple[Phrase, ...] = ()
    """Harmless phrases. A match inside one of them does not count."""


def load_lexicons(names: Sequence[str], labels: Labels) -> list[Lexicon]:
    """Read and check lexicons, given by language code or path; raises ConfigError."""
    return [_load_lexicon(name, labels) for name in names]


def compile_terms(lexicons: Iterable[Lexicon]) -> Matcher:
    """One matcher for all lexicons, since speakers mix languages."""
    lexicons = list(lexicons)  # it is read twice
    terms = (term for lexicon in lexicons for term in _terms(lexicon))
    return Matcher(terms, (phrase for lexicon in lexicons for phrase in lexicon.allow))


def lexicon_path(name: str) -> Path:
    """The file for `name`: a path, or the code of a language with a lexicon; raises ConfigError."""
    path = Path(name) if is_path(name) else languages.file(name, FILE)
    if path is None:
        codes = ", ".join(code for code in languages.known() if languages.file(code, FILE))
        own = f", or write {languages.own_folder() / name / FILE}" if name in CODES else ""
        raise ConfigError(f"judge.lexicons: there is no lexicon {name}", f"Use {codes} or a path{own}.")
    return path


def judged_languages(judge: JudgeSettings) -> frozenset[str]:
    """The languages of the classifier and of the lexicons: all, if nothing says which the classifier knows."""
    taught = languages_of(Path(judge.model or SHIPPED)) or CODES
    return taught.union(map(language_of_lexicon, judge.lexicons))


def language_to_judge(text: str, stated: str | None, known: Collection[str]) -> str | None:
    """Return the language in which a text is judged: `unsupported` if it is none of the `known` ones.

    None: nobody has `stated` one, so the script of the text decides.
    """
    if stated is not None:
        return stated if stated in known else UNSUPPORTED
    readable = {languages.FALLBACK, *(script.language for script in languages.scripts())}
    return UNSUPPORTED if readable.issuperset(known) and languages.is_in_other_script(text) else None


def language_of_lexicon(name: str) -> str:
    """The language of a lexicon: `es` for the name `es` and for the paths `es.yaml` and `es/lexicon.yaml`."""
    path = Path(name)
    return path.parent.name if path.name == FILE else path.stem


def checked_lexicon(lexicon: Lexicon, name: str, labels: Labels) -> Lexicon:
    """Check a lexicon against the labels. Raises UserFileError, which has the `name` of its file."""
    if not lexicon.groups and not lexicon.allow:
        raise UserFileError(f"{name} has no terms", "Add groups, or remove it from judge.lexicons.", "no_terms")
    for number, group in enumerate(lexicon.groups):
        where = f"{name}: groups.{number}"
        labels.check([group.label], f"{where}.label", ("groups", number, "label"))
        for place, term in enumerate(group.terms):
            _check_term(term, group, f"{where}.terms", ("groups", number, "terms", place))
    return lexicon


def _load_lexicon(name: str, labels: Labels) -> Lexicon:
    path = lexicon_path(name)
    return checked_lexicon(read_user_file(path, Lexicon), str(path), labels)


def _check_term(term: str, group: Group, where: str, key: tuple[str | int, ...]) -> None:
    plain = normalise(term.removesuffix("*")).text
    if not any(character.isalnum() for character in plain):
        raise UserFileError(f"{where}: {term!r} has no letters", "Remove it.", "no_letters", key, term=term)
    if group.pinyin and max(script.syllables(plain) for script in languages.scripts()) < MIN_SYLLABLES:
        raise UserFileError(
            f"{where}: {term} is too short to be matched by sound",
            f"Use {MIN_SYLLABLES} Chinese characters or more, or a group without pinyin.",
            "too_short_for_sound",
            key,
            term=term,
            least=MIN_SYLLABLES,
        )


def _terms(lexicon: Lexicon) -> Iterator[Term]:
    for group in lexicon.groups:
        # They are searched in normalised text. `Matcher` normalises the term itself.
        near, unless = (tuple(normalise(phrase).text for phrase in phrases) for phrases in (group.near, group.unless))
        for term in group.terms:
            yield Term(term, group.label, group.level, group.pinyin, near, unless, lexicon.overruled_below)
