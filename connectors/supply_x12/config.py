"""Settings of one connection to Stonebridge."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from connectors.sdk.config import BaseUrl, ConnectorConfig, Secret, TimeZone

Qualifier = Annotated[str, Field(pattern=r"^[0-9A-Z]{2}$")]
Identifier = Annotated[str, Field(pattern=r"^[0-9A-Za-z]{2,15}$")]


class Config(ConnectorConfig):
    """One trading partner agreement; the ids stand in ISA05 to ISA08."""

    base_url: BaseUrl = Field(
        "https://edi.stonebridge.example",
        title="Address",
        description="The vendor's EDI gateway, without a path.",
    )
    api_key: Secret = Field(
        title="API key",
        description="A reference to the gateway key, never the key itself.",
        examples=["secret://conn/stonebridge/api_key"],
    )
    webhook_secrets: tuple[Secret, ...] = Field(
        (),
        title="Webhook secrets",
        description="References to the secrets pushed documents are signed with; two while one "
        "replaces the other. Without any, no document is accepted.",
        examples=[["secret://conn/stonebridge/webhook"]],
        max_length=2,
    )
    our_qualifier: Qualifier = Field(
        "ZZ", title="Our qualifier", description="ISA05 of our documents."
    )
    our_id: Identifier = Field("MSOHUB", title="Our id", description="ISA06 of our documents.")
    vendor_qualifier: Qualifier = Field(
        "ZZ", title="Vendor's qualifier", description="ISA05 of the vendor's documents."
    )
    vendor_id: Identifier = Field(
        "STONEBRIDGE", title="Vendor's id", description="ISA06 of the vendor's documents."
    )
    usage: Literal["P", "T"] = Field("P", title="Usage", description="ISA15: P production, T test.")
    time_zone: TimeZone = Field(
        "UTC",
        title="Time zone",
        description="The zone of the vendor's X12 dates and times, which state none.",
        examples=["America/Chicago"],
    )
