"""Settings of the judge stage: classifier, lexicons, policies."""

from pathlib import Path

from pydantic import Field, PositiveInt

from pipeline.settings.section import Section


class JudgeSettings(Section):
    """Classification of transcripts, and the policies."""

    model: str | None = Field(
        None, description="classifier: a folder or a hub id (owner/name@commit); unset: the shipped one"
    )
    label_map: Path | None = Field(
        None, description="YAML file that maps the labels of `model` to the labels of Voxwarden"
    )
    threads: PositiveInt | None = Field(
        None, description="CPU threads of the shipped classifier; unset: one per CPU core"
    )
    policy: str = Field("default", description="name of a file in configs/policies, or a path")
    lexicons: tuple[str, ...] = Field(("en", "zh"), description="language codes, or paths of lexicons")
    labels: Path | None = Field(None, description="file of label definitions; unset: configs/labels.yaml")
    shadow_policies: tuple[str, ...] = Field(
        (), description="policies whose suggestions are counted in metrics but never delivered"
    )
    shadow_model: str | None = Field(
        None, description="another classifier, as in `model`; its suggestions are only counted in metrics"
    )
    shadow_model_policy: str | None = Field(
        None, description="policy for the scores of `shadow_model`, as in `policy`; unset: the active one"
    )
