"""Settings of one connection to Brightwell."""

from __future__ import annotations

from pydantic import Field

from connectors.sdk.config import BaseUrl, ConnectorConfig, Secret


class Config(ConnectorConfig):
    """One API key orders for every ship-to account of the group."""

    base_url: BaseUrl = Field(
        "https://api.brightwell.example",
        title="Address",
        description="The vendor's API, without a path.",
    )
    api_key: Secret = Field(
        title="API key",
        description="A reference to the key from the vendor's console, never the key itself.",
        examples=["secret://conn/brightwell/api_key"],
    )
    webhook_secrets: tuple[Secret, ...] = Field(
        (),
        title="Webhook secrets",
        description="References to the secrets (whsec_…) events are signed with; two while one "
        "replaces the other. Without any, no event is accepted.",
        examples=[["secret://conn/brightwell/webhook"]],
        max_length=2,
    )
    page_size: int = Field(
        100,
        title="Page size",
        description="Offers per request; the vendor allows 200.",
        ge=1,
        le=200,
    )
