"""Settings of the drills of a security assessment."""

from pydantic import Field, PositiveFloat

from pipeline.settings.section import Section


class Drills(Section):
    """How often drills are due. No law states these numbers."""

    detection_days: PositiveFloat = Field(90.0, description="days after which the next detection drill is due")
    stop_days: PositiveFloat = Field(180.0, description="days after which the next stop drill is due")
