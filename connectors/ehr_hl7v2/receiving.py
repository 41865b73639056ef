"""How the listener treats one sending system: limits, acknowledgements and repetitions, as data."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from connectors.sdk.config import ConnectorConfig
from connectors.sdk.hl7v2.caps import Caps
from connectors.sdk.hl7v2.paths import parse_path

LARGEST_FRAME = 16 * 1024 * 1024


FACILITY = ("MSH-4.1",)
"""Where the standard has the code of the practice: the sending facility."""


def _paths(value: tuple[str, ...]) -> tuple[str, ...]:
    for path in value:
        if not parse_path(path).segment:
            raise ValueError("must be paths with a segment, such as PV1-3.4")
    return value


class Limits(ConnectorConfig):
    """What one sender may ask of the listener. Senders above `messages_per_second` are read more
    slowly, never dropped; the rest refuses the message (AR 207)."""

    connections: int = Field(default=64, ge=1, le=512, description="Connections served at once")
    messages_per_second: float | None = Field(
        default=None,
        gt=0,
        description="Steady rate of one sender; none means as fast as it is stored",
    )
    burst: int = Field(
        default=100, ge=1, description="Messages above the steady rate before it holds"
    )
    frame_bytes: int = Field(
        default=1024 * 1024, ge=1024, le=LARGEST_FRAME, description="Largest message in bytes"
    )
    segments: int = Field(default=2000, ge=1, description="Segments of a message")
    fields: int = Field(default=1000, ge=1, description="Fields of a segment")
    repetitions: int = Field(default=500, ge=1, description="Repetitions of a field")
    components: int = Field(default=200, ge=1, description="Components of a field")
    subcomponents: int = Field(default=200, ge=1, description="Subcomponents of a field")

    @cached_property
    def caps(self) -> Caps:
        """The limits on structure, as the lexer's module takes them."""
        return Caps(
            self.frame_bytes,
            self.segments,
            self.fields,
            self.repetitions,
            self.components,
            self.subcomponents,
        )


class Receiving(ConnectorConfig):
    """What the sender and the hub agreed on about transport and acknowledgement."""

    limits: Limits = Limits()
    facility: Annotated[tuple[str, ...], AfterValidator(_paths)] = Field(
        default=FACILITY,
        min_length=1,
        description="Where the code of the practice stands (MSH-6.1, PV1-3.4, PID-3.4.1); the first"
        " that is a code of this connection counts",
    )
    ack_after: Literal["stored", "applied"] = Field(
        default="stored",
        description="When a message that asks for one answer gets it: stored, or processed too",
    )
    applied_seconds: float = Field(
        default=20.0, gt=0, le=300, description="How long to wait for processing; then AE 207"
    )
    acknowledge_acks: bool = Field(
        default=False, description="Application acknowledgements ask for an answer (MSH-15 AL)"
    )
    return_connection: str = Field(
        default="",
        description="Connection of hl7v2_destination that takes application acknowledgements; empty"
        " means the sender's own connection",
    )
    batch_answer: Literal["batch", "each"] = Field(
        default="batch",
        description="A batch (FHS, BHS) is answered by a batch, or by a frame for each message",
    )
    reused_control_id: Literal["refuse", "accept"] = Field(
        default="refuse",
        description="A control id that comes with another body within seven days: AE 205 and kept,"
        " or accepted and marked",
    )
    ignore_message_time: bool = Field(
        default=False,
        description="Messages that differ in MSH-7 only are the same, for senders that restamp",
    )
    continuation_seconds: float = Field(
        default=60.0,
        ge=0,
        le=3600,
        description="How long a message continued by DSC waits for its rest; 0 refuses them",
    )
    order: Literal["patient", "connection"] = Field(
        default="patient",
        description="Messages are processed in their order for each patient, or all of them one"
        " after another",
    )
    failing: Literal["park", "hold"] = Field(
        default="park",
        description="A message that cannot be read is parked and what follows it goes on, or holds"
        " what follows it in its order until it is replayed or skipped",
    )
    sequence_numbers: bool = Field(
        default=False,
        description="MSH-13 must count up by one; MSA-4 says which number is expected next",
    )
    mllp_release_2: bool = Field(
        default=False,
        description="Answer each frame by 06 after the commit or 15 where it failed (MLLP 2)",
    )

    folder: str = Field(
        default="",
        pattern=r"^([A-Za-z0-9_-][A-Za-z0-9._-]*)?$",
        description="Folder under HUB_FILES_DIR whose files are taken in each minute; empty: none",
    )

    @model_validator(mode="after")
    def _numbers_are_answered_at_once(self) -> Receiving:
        if self.sequence_numbers and self.ack_after == "applied":
            raise ValueError("sequence_numbers needs ack_after to be stored")
        return self
