"""Read hand-written YAML safely: tags and repeated keys are refused, and size, depth and aliases are limited."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from pipeline.base.errors import ConfigError

MAX_BYTES = 16 * 2**20  # maximum size of a file, enough for a lexicon of half a million terms
# Maximum number of values in a file. An alias counts as all values that it stands for.
MAX_NODES = 1_000_000
MAX_DEPTH = 50  # maximum nesting depth of lists and mappings


class YamlError(ConfigError):
    """A mistake in a YAML text. `line` counts from 1; None: unknown. `code` names the kind of mistake."""

    def __init__(self, what: str, remedy: str, code: str, line: int | None = None, **values: object) -> None:
        super().__init__(what, remedy)
        self.code, self.line, self.values = code, line, values


LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: Path, remedy: str = "Check the path.") -> Any:
    """The content of the file; None if the file is empty. Raises ConfigError.

    `remedy` is the advice in the error for a file that cannot be opened.
    """
    return parse_yaml(_read(path, remedy), str(path))


def read_text(path: Path) -> str:
    """The text of the file as it is. Raises ConfigError."""
    try:
        return _read(path, "Check the path.").decode("utf-8-sig")  # some editors begin a file with a byte order mark
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text", "Save it as UTF-8 text.") from error


def _read(path: Path, remedy: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)  # one byte more shows that a file is too large
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", remedy) from error


def parse_yaml(data: str | bytes, name: str, most: int = MAX_NODES) -> Any:
    """The content of one YAML document with at most `most` values.

    Raises YamlError. Its message has `name`, for example the path of the file, and the line of the mistake.
    """
    if len(data) > MAX_BYTES:
        raise YamlError(f"{name} is larger than {MAX_BYTES // 2**20} MiB", "Split it.", "size")
    try:
        # Twice, because `load` has no limits: a few lines of aliases could fill the memory.
        checker = _Checker(name, most)
        for event in yaml.parse(data, Loader=LOADER):
            checker.see(event)
        return yaml.load(data, Loader=LOADER)  # noqa: S506 - LOADER is a safe loader, in C if available
    except yaml.MarkedYAMLError as error:
        raise YamlError(
            f"{_at(name, error.problem_mark)} is not YAML: {error.problem}",
            "Correct it there.",
            "syntax",
            _line(error.problem_mark),
            problem=error.problem,
        ) from error
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise YamlError(f"{name} is not YAML: {reason}", "Save it as UTF-8 text.", "encoding") from error
    except ValueError as error:  # such as the date 2024-02-31
        raise YamlError(f"{name} has a value that YAML cannot read: {error}", "Put it in quotes.", "value") from error


@dataclass(slots=True)
class _Extent:
    """Size of an anchored value, or of an open list or mapping, with its aliases expanded."""

    nodes: int = 1
    height: int = 1
    anchor: str | None = None
    keys: set[str] | None = None
    """The keys of a mapping so far. None for a list."""
    at_key: bool = True

    def add(self, other: "_Extent") -> None:
        self.nodes += other.nodes
        self.height = max(self.height, other.height + 1)


@dataclass(slots=True)
class _Checker:
    """Checks the parser's events before any object is built from the file."""

    name: str
    most: int = MAX_NODES
    open: list[_Extent] = field(default_factory=list)
    anchors: dict[str, _Extent] = field(default_factory=dict)

    def see(self, event: Any) -> None:
        if getattr(event, "tag", None) not in {None, "!"}:
            remedy = "Leave the tag out; put the value in quotes if it is text."
            self._refuse(event, f"has the tag {event.tag}", remedy, "tag")
        match event:
            case yaml.AliasEvent():
                self._close(event, self._anchored(event))
            case yaml.ScalarEvent():
                self._check_key(event)
                self._close(event, _Extent(anchor=event.anchor))
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                keys: set[str] | None = set() if isinstance(event, yaml.MappingStartEvent) else None
                self.open.append(_Extent(anchor=event.anchor, keys=keys))
                self._limit(event, _Extent(0, 0))  # now: a file that is too deep is not read to its end
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self._close(event, self.open.pop())

    def _close(self, event: Any, part: _Extent) -> None:
        """Add the value that has just ended to the list or mapping around it."""
        self._limit(event, part)
        if part.anchor:
            self.anchors[part.anchor] = part
        if self.open:
            self.open[-1].add(part)
            self.open[-1].at_key = not self.open[-1].at_key

    def _limit(self, event: Any, part: _Extent) -> None:
        if len(self.open) + part.height > MAX_DEPTH:
            self._refuse(event, f"is nested more than {MAX_DEPTH} deep", "Make it flatter.", "depth", most=MAX_DEPTH)
        if sum(extent.nodes for extent in self.open) + part.nodes > self.most:
            what = f"stands for more than {self.most:,} values"
            self._refuse(event, what, "Shorten it, or use fewer aliases.", "values", most=self.most)

    def _anchored(self, event: Any) -> _Extent:
        found = self.anchors.get(event.anchor)
        if found is None:
            what = f"uses *{event.anchor} before &{event.anchor} has ended"
            self._refuse(event, what, "Write the value out.", "alias")
        return _Extent(found.nodes, found.height)

    def _check_key(self, event: Any) -> None:
        mapping = self.open[-1] if self.open else None
        if mapping is None or mapping.keys is None or not mapping.at_key:
            return
        if event.value in mapping.keys:
            self._refuse(event, f"gives the key {event.value} twice", "Keep one of the two.", "twice", key=event.value)
        mapping.keys.add(event.value)

    def _refuse(self, event: Any, what: str, remedy: str, code: str, **values: object) -> NoReturn:
        mark = event.start_mark
        raise YamlError(f"{_at(self.name, mark)} {what}", remedy, code, _line(mark), **values)


def _at(name: str, mark: Any) -> str:
    return f"{name}, line {_line(mark)}," if mark else name


def _line(mark: Any) -> int | None:
    return mark.line + 1 if mark else None
