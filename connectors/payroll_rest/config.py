"""Settings of one connection to Wagewright."""

from __future__ import annotations

from pydantic import Field

from connectors.sdk.config import BaseUrl, ConnectorConfig, Secret


class Config(ConnectorConfig):
    """One set of credentials sees one or more companies; a company is one practice's payroll."""

    base_url: BaseUrl = Field(
        "https://api.wagewright.example",
        title="Address",
        description="The vendor's API, without a path.",
    )
    client_id: str = Field(
        title="Client id",
        description="From the vendor's console, under Integrations.",
        examples=["mso-hub-production"],
        min_length=1,
    )
    client_secret: Secret = Field(
        title="Client secret",
        description="A reference to the secret of that client, never the secret itself.",
        examples=["secret://conn/payroll/client_secret"],
    )
    page_size: int = Field(
        100, title="Page size", description="Rows per request; the vendor allows 200.", ge=1, le=200
    )
    entities: tuple[str, ...] | None = Field(
        None,
        title="Companies",
        description="Company ids to read; empty reads every company the credentials see.",
        examples=[["cmp_harbor"]],
    )
