"""The errors that Voxwarden raises for a person to read. Each has one line: the problem and its remedy.

An error of a single module is in that module: OutputError, RefusalError, StreamError, BrokenStreamError, TooManyError
and HaltError.

VoxwardenError
├── ConfigError                 a setting, policy, lexicon or label file is wrong
├── InputError                  an input file, a stream or an argument is wrong
│   ├── ParameterError          a parameter of a request has a value that it cannot have
│   │   └── ReusedKey           the Idempotency-Key came before, with another request
│   ├── AudioError              the input cannot be decoded as audio
│   └── TextError               the input cannot be read as text
├── CaseError                   the action is not possible, for example because the case is already decided
│   ├── Missing                 no case, decision or appeal has this id
│   ├── Taken                   another moderator holds the case
│   ├── Involved                the moderator has a part in the case, so another person must decide it
│   └── Stale                   the case has changed since it was read, or the moderator no longer holds it
├── AccountError                the account does not exist, or a sign-in or a change of an account is refused
│   └── TooManyTries            too many passwords were tried, so the next try must wait
├── BadMessage                  the message cannot be decoded, encoded or handled; it becomes a dead letter
├── WeightsMissing              the weights of the model, or the package that contains them, were not found
├── WeightsCorrupt              the weights cannot be read, are incomplete, or have an unexpected SHA-256
└── DependencyError             a broker, database, model, disk or port cannot be used; a retry may help
"""

import math


class VoxwardenError(Exception):
    """`what` states the problem and names the file, key or topic. `remedy` says how to solve it.

    A page of the console, and `voxwarden assess` in Chinese, show a text of a catalogue instead: the text
    `error.<text>` with `values` for its placeholders.
    """

    text = "other"

    def __init__(self, what: str, remedy: str = "", *, text: str = "", **values: object) -> None:
        super().__init__(f"{what}. {remedy}" if remedy else what)
        self.what = what
        self.remedy = remedy
        self.text = text or self.text
        self.values = values


class ConfigError(VoxwardenError):
    text = "invalid"


class InputError(VoxwardenError):
    pass


class ParameterError(InputError):
    """The parameter `name` of a request has a value that it cannot have."""

    def __init__(self, name: str, what: str, remedy: str) -> None:
        super().__init__(f"{name}: {what}", remedy)
        self.name = name


class ReusedKey(ParameterError):  # noqa: N818
    pass


class AudioError(InputError):
    pass


class TextError(InputError):
    pass


class CaseError(VoxwardenError):
    pass


class Missing(CaseError):  # noqa: N818
    text = "missing"


class Taken(CaseError):  # noqa: N818
    pass


class Involved(CaseError):  # noqa: N818
    text = "involved"


class Stale(CaseError):  # noqa: N818
    text = "changed"


class AccountError(VoxwardenError):
    pass


class TooManyTries(AccountError):  # noqa: N818
    """`seconds`: how long the next try must wait."""

    def __init__(self, seconds: float) -> None:
        self.seconds = max(1, math.ceil(seconds))
        super().__init__(
            "Too many passwords were tried", f"Try again in {self.seconds} s.", text="wait", n=self.seconds
        )


class BadMessage(VoxwardenError):  # noqa: N818 - the field's term
    pass


class WeightsMissing(VoxwardenError):  # noqa: N818
    pass


class WeightsCorrupt(VoxwardenError):  # noqa: N818
    pass


class DependencyError(VoxwardenError):
    text = "not_ready"
