"""Settings of a connection to a payer or clearinghouse."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from connectors.sdk.config import BaseUrl, ConnectorConfig, Secret


class Config(ConnectorConfig):
    """How to reach one payer route and under which identifiers (ISA, GS, TRN03)."""

    base_url: BaseUrl = Field(
        title="Address",
        description="The endpoint itself, path included.",
        examples=["https://edi.payer.example/core"],
    )
    transport: Literal["soap", "raw"] = Field(
        default="soap",
        title="Transport",
        description="soap: CAQH CORE 2.2.0 real time; raw: POST of application/edi-x12.",
    )
    sender_id: str = Field(
        min_length=1, max_length=15, title="Sender id", description="ISA06 and GS02."
    )
    sender_qualifier: str = Field(default="ZZ", min_length=2, max_length=2, title="ISA05")
    receiver_id: str = Field(
        min_length=1, max_length=15, title="Receiver id", description="ISA08 and GS03."
    )
    receiver_qualifier: str = Field(default="ZZ", min_length=2, max_length=2, title="ISA07")
    trace_company: str = Field(
        min_length=10,
        max_length=10,
        title="Trace company",
        description="TRN03 where a query brings none: 1 + EIN, 3 + DUNS or 9 + own number.",
        examples=["9MSOHUB001"],
    )
    provider_organization: str = Field(
        default="",
        max_length=60,
        title="Provider organization",
        description="Sent as the provider's name where a query has none (2100B NM1-03).",
    )
    username: str = Field(min_length=1, title="User name")
    password: Secret = Field(title="Password", description="A reference to the secret.")
    usage: Literal["P", "T"] = Field(
        default="P", title="Usage indicator", description="ISA15: P production, T test."
    )
    timeout_seconds: float = Field(
        default=60.0,
        gt=0,
        le=120,
        title="Longest wait",
        description="CAQH CORE asks a sender to wait 60 seconds for a real-time answer.",
    )
