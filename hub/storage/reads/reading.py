"""What a request read of sensitive classes, for the audit trail, and what must never be read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hub.errors import HubError


class OutOfScope(HubError):
    """A statement returned a row outside the scope: a fault of the hub; nothing is released."""


class PolicyChanged(HubError):
    """Rights changed since they were looked up; nothing is released, and the request starts
    again."""


@dataclass(slots=True)
class Reading:
    """What a request read of sensitive classes: rows per type, those of them with a sensitivity
    label, practices, patients (practice, id)."""

    entities: Counter[str] = field(default_factory=Counter)
    labelled: Counter[str] = field(default_factory=Counter)
    practice_ids: set[str] = field(default_factory=set)
    subjects: set[tuple[str, str]] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.entities)

    def add(self, other: Reading) -> None:
        self.entities.update(other.entities)
        self.labelled.update(other.labelled)
        self.practice_ids |= other.practice_ids
        self.subjects |= other.subjects

    def audited(self) -> dict[str, int]:
        """Rows per type as the audit trail has them, those with a label once more by themselves."""
        labelled = {f"{name}.sensitive": count for name, count in self.labelled.items() if count}
        return {**self.entities, **labelled}
