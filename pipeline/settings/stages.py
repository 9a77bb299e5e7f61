"""Settings of the stages' batches."""

from pydantic import Field, PositiveInt

from pipeline.contract.topology import STAGES
from pipeline.settings.section import Section, section_of


class Batching(Section):
    """The batches in which a stage takes messages."""

    batch: PositiveInt = Field(description="maximum messages in one batch")
    wait_seconds: float = Field(
        ge=0, le=5, description="seconds that a batch waits for more messages after its first message"
    )


Stages = section_of(
    "Stages",
    {stage.name: (Batching, Batching(batch=stage.batch, wait_seconds=stage.wait_seconds)) for stage in STAGES},
)
