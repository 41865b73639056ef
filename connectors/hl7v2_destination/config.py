"""Settings of one system that takes HL7 v2 messages from us."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from connectors.sdk.config import ADDRESS, ConnectorConfig, Secret


class Config(ConnectorConfig):
    """Where the receiver listens and how it is spoken to. Certificates and keys are PEM texts
    behind secret references."""

    host: Annotated[str, ADDRESS] = Field(
        title="Host",
        description="The receiver's name or address.",
        examples=["hl7.lab.example"],
        pattern=r"^[A-Za-z0-9.:_-]+$",
    )
    port: Annotated[int, ADDRESS] = Field(
        title="Port", description="The receiver's MLLP port.", ge=1, le=65535
    )
    answer_seconds: float = Field(
        30.0,
        title="Seconds for an answer",
        description="After them the outcome is unknown and the same bytes are sent again.",
        gt=0,
        le=55,
    )
    tls: bool = Field(True, title="TLS", description="Encrypt; false only inside a VPN or tunnel.")
    tls_authorities: Secret | None = Field(
        None,
        title="Authorities",
        description="Certificates the receiver's is checked against; empty: the system's own.",
        examples=["file:/etc/mso-hub/lab-ca.pem"],
    )
    tls_certificate: Secret | None = Field(
        None, title="Client certificate", description="Shown to the receiver, with its chain."
    )
    tls_key: Secret | None = Field(
        None, title="Client key", description="The key of the client certificate."
    )
    pause_when_refused: bool = Field(
        False,
        title="Pause when refused",
        description="Hold everything behind a message that was refused, until a person resumes; "
        "otherwise the next one goes out.",
    )

    most_waiting: int | None = Field(
        None,
        title="Most messages waiting",
        description="Above it the queue is full: forwarded messages are refused or parked. Unset: "
        "as many as there is room for.",
        ge=1,
    )
    when_full: Literal["refuse", "park"] = Field(
        "refuse",
        title="When full",
        description="refuse: whoever sends what would be forwarded is told to send it again later; "
        "park: it is taken, and its forwarding waits until a person sends it on.",
    )

    sending_application: str = Field(
        "MSOHUB", title="Our application", description="MSH-3 of messages the hub writes."
    )
    sending_facility: str = Field(
        "MSO", title="Our facility", description="MSH-4 of messages the hub writes."
    )
    receiving_application: str = Field("", title="Their application", description="MSH-5.")
    receiving_facility: str = Field("", title="Their facility", description="MSH-6.")
    order_message: Literal["OML^O21", "ORM^O01"] = Field(
        "OML^O21",
        title="Order message",
        description="How orders are written: as OML^O21, or as ORM^O01 for receivers that know no "
        "other.",
    )
    processing_id: Literal["P", "T", "D"] = Field(
        "P", title="Processing id", description="MSH-11: production, training or debugging."
    )

    @model_validator(mode="after")
    def _certificates_belong_together(self) -> Config:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key must be given together")
        if not self.tls and (self.tls_certificate or self.tls_authorities):
            raise ValueError("tls must be true where certificates are given")
        return self
