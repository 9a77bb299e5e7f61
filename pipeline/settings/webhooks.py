"""Settings of the webhooks: where events go, and which flags make one."""

from typing import Literal

from pydantic import Field, SecretStr, model_validator

from pipeline.contract.messages import Action
from pipeline.settings.section import HttpUrl, Section


class FlagEvents(Section):
    """The flags that make an event `flag.raised`: they have one of the suggestions and one of the labels."""

    suggestions: tuple[Literal["review", "block", "act"], ...] = Field(
        (),
        description="suggestions of the flags that are sent as flag.raised, e.g. [block]; empty: none are sent; act: "
        "flags that the policy calls fit for an automatic action",
    )
    labels: tuple[str, ...] = Field((), description="only flags with one of these labels are sent; empty: all labels")


class VendorSettings(Section):
    """Your names and your key at the vendor whose shape `webhooks.format` names."""

    account: str = Field("", max_length=256, description="your id in the signature: Alibaba's UID, or Yidun's secretId")
    business: str = Field("", max_length=256, description="Yidun's businessId, or Tencent's BizType")
    secret: SecretStr | None = Field(
        None, description="key of the signature: the seed of Tencent or Alibaba, or Yidun's secretKey"
    )
    data_id: str = Field(
        "{room}/{speaker}", max_length=256, description="your id of a stream there; {room} and {speaker} are replaced"
    )


class CoopSettings(Section):
    """ROOST Coop, if `webhooks.format` is `coop`: its review console gets the flags, and sends actions back."""

    api_key: SecretStr | None = Field(None, description="API key of Coop; set it in the environment")
    item_type: str = Field("", max_length=256, description="id of Coop's item type for flagged speech")
    user_type: str = Field("", max_length=256, description="id of Coop's item type for users")
    policies: dict[str, str] = Field({}, description="id of Coop's policy by label; a label without one names none")
    actions: dict[str, Action] = Field({}, description="our action by the id of Coop's action, e.g. {abc123: mute}")
    public_key: str | None = Field(
        None, description="Coop's webhook signature verification key (PEM); unset: its actions are refused"
    )


class WebhookSettings(Section):
    """Events for the app, as Standard Webhooks or in the shape of a vendor."""

    url: HttpUrl | None = Field(None, description="URL that receives the events; unset: no webhooks")
    format: Literal["voxwarden", "tencent-ams", "alibaba", "yidun", "shumei", "coop"] = Field(
        "voxwarden", description="shape of flag.raised: our own, a vendor's callback, or a report for Coop"
    )
    decisions_url: HttpUrl | None = Field(
        None,
        description="URL that receives decisions, in our own shape; unset: url, and none with another format",
    )
    vendor: VendorSettings = VendorSettings()
    coop: CoopSettings = CoopSettings()
    secret: SecretStr | None = Field(
        None, description="secret that signs webhooks: whsec_ and 24 to 64 bytes in base64; set it in the environment"
    )
    flags: FlagEvents = FlagEvents()
    # At least two: half of them are for retries.
    parallel: int = Field(16, ge=2, le=256, description="maximum requests at once; one room has one request at a time")

    @model_validator(mode="after")
    def _check(self) -> "WebhookSettings":
        if self.flags.suggestions and self.url is None:
            raise ValueError("flags.suggestions needs the url that receives the events")
        if self.format != "voxwarden" and self.url is None:
            raise ValueError("format needs the url that receives the events")
        return self
