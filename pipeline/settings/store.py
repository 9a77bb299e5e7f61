"""Settings of the review store and of the audio on one machine."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, PositiveFloat, SecretStr

from pipeline.settings.section import Section

STORE_URL = re.compile(r"(sqlite|postgres(ql)?(\+psycopg)?)://")


def _store_url(url: SecretStr) -> SecretStr:
    if not STORE_URL.match(url.get_secret_value()):
        raise ValueError("the URL must be sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME")
    return url


class Store(Section):
    """Cases and evidence."""

    url: Annotated[SecretStr, AfterValidator(_store_url)] | None = Field(
        None, description="URL of the database, postgresql:// or sqlite://; unset: SQLite in data_dir"
    )
    preroll_seconds: float = Field(
        5.0, ge=0, le=60, description="seconds of audio before the flagged utterance in the clip"
    )
    lookback_hours: float = Field(24.0, ge=0.25, description="hours that one machine keeps utterances on disk")
    lookback_bytes: int = Field(
        2_000_000_000, ge=10_000_000, description="maximum size of these utterances on disk, in bytes"
    )
    merge_gap_seconds: float = Field(
        0.0, ge=0, le=600, description="flags of one speaker that are at most this many seconds apart join one case"
    )
    report_seconds: PositiveFloat = Field(
        180.0, le=540, description="seconds of audio kept from before the moment that a user reports"
    )
    max_case_seconds: PositiveFloat = Field(
        120.0, description="maximum seconds from the start to the end of a case; more flags open another case"
    )
