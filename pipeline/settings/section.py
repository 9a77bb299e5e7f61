"""The base class of all groups of settings."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, create_model


class Section(BaseModel):
    """A group of settings. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def section_of(name: str, fields: Mapping[str, Any]) -> type[Section]:
    """A section whose keys come from the topology."""
    return create_model(name, __base__=Section, **fields)
