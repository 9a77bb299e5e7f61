"""Settings of the anchors of the audit log."""

from pathlib import Path

from pydantic import Field, PositiveFloat

from pipeline.settings.section import Section


class AuditSettings(Section):
    """Anchors of the audit log: its signed head, written where the owner of the database cannot change it."""

    anchor_file: Path | None = Field(
        None, description="file to which the console adds anchors; best on another machine"
    )
    anchor_url: str | None = Field(
        None, pattern=r"^https?://", description="URL to which the console sends each anchor as JSON"
    )
    anchor_log: bool = Field(False, description="write each anchor to the console's log")
    anchor_seconds: PositiveFloat = Field(3_600.0, description="seconds between two anchors")
    key: Path | None = Field(None, description="the key that signs anchors; unset: audit.key in data_dir")

    @property
    def places(self) -> bool:
        """Whether anchors are written anywhere."""
        return bool(self.anchor_file or self.anchor_url or self.anchor_log)
