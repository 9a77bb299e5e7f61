"""Settings of voice activity detection and of the cutting of speech into utterances."""

from pydantic import Field, model_validator

from pipeline.settings.section import Section


class Audio(Section):
    """Voice activity detection, and the segmentation of speech into utterances."""

    vad_threshold: float = Field(
        0.5, gt=0, le=0.9, description="lowest speech probability at which a frame counts as speech"
    )
    min_seconds: float = Field(0.3, gt=0, le=1, description="minimum seconds of speech; shorter speech is dropped")
    max_seconds: float = Field(
        15.0, ge=3, le=30, description="maximum seconds of an utterance; Whisper takes at most 30"
    )
    soft_seconds: float = Field(
        8.0, ge=2, le=30, description="seconds after which an utterance is cut at its next quiet moment"
    )
    hangover_seconds: float = Field(0.6, gt=0, le=5, description="seconds of silence that end an utterance")
    pad_seconds: float = Field(0.2, ge=0, le=1, description="seconds of audio kept before and after the speech")
    overlap_seconds: float = Field(
        0.5, ge=0, le=1.5, description="seconds that the next utterance repeats after a cut without a pause"
    )
    idle_seconds: float = Field(
        3.0, gt=0, le=60, description="seconds without a chunk after which unfinished speech is sent on"
    )
    max_gap_seconds: float = Field(
        2.0, gt=0, le=60, description="longest gap in a stream, in seconds; a longer gap ends the utterance"
    )
    reorder_chunks: int = Field(
        8, ge=0, le=500, description="chunks held while an earlier chunk is missing; then it counts as lost"
    )
    max_speakers: int = Field(
        10_000, ge=100, description="open speakers per partition; above it, the speaker who is idle longest is closed"
    )

    @model_validator(mode="after")
    def _check(self) -> "Audio":
        if self.soft_seconds > self.max_seconds:
            raise ValueError(
                f"soft_seconds ({self.soft_seconds:g}) must not be more than max_seconds ({self.max_seconds:g})"
            )
        return self
