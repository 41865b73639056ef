"""Which messages are read, and which are understood and not wanted; importable without the
mapping.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from connectors.sdk.config import ConnectorConfig

EVENTS = frozenset(
    {
        *(f"ADT^A{number:02}" for number in (*range(1, 9), 11, 12, 13, 21, 22, 52, 53)),
        *(f"ADT^A{number}" for number in (28, 31, 34, 37, 40)),
        *(f"SIU^{event}" for event in ("S12", "S13", "S14", "S15", "S16", "S17", "S26")),
        "ORM^O01",
        "OML^O21",
        "OMG^O19",
        *(f"MDM^T{number:02}" for number in range(1, 12)),
        "VXU^V04",
        "MFN^M02",
        "ORU^R01",
        "DFT^P03",
    }
)
"""Mapped to records by `parse`."""

IGNORED = frozenset(
    {
        *(f"ADT^{event}" for event in ("A09", "A10", "A20", "A32", "A33")),
        *(f"SIU^{event}" for event in ("S23", "S24")),
    }
)
"""Accepted and kept, never read: tracking moves, beds, blocked slots."""

TYPES = frozenset(event.split("^")[0] for event in EVENTS | IGNORED)


def _read(alias: dict[str, str]) -> dict[str, str]:
    for sent, event in alias.items():
        if event not in EVENTS | IGNORED:
            raise ValueError(f"reads {sent} as {event}, which is no event that is read")
    return alias


class EventRules(ConnectorConfig):
    """Events treated otherwise than usual, written as ``ADT^A60``."""

    ignore: tuple[str, ...] = Field(default=(), description="Accepted and kept, never read")
    alias: Annotated[dict[str, str], AfterValidator(_read)] = Field(
        default={}, description="Read as another event"
    )

    def resolve(self, message_type: str) -> str:
        """The event a message is read as, after the dialect's aliases."""
        return self.alias.get(message_type, message_type)

    def ignores(self, message_type: str) -> bool:
        """Whether a message is accepted and kept without being read."""
        return message_type in self.ignore or self.resolve(message_type) in IGNORED
