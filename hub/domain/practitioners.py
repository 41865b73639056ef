"""Practitioners as a master file states them (HL7 v2.5.1 chapter 8, MFN M02)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from hub.domain.scheduling import Practitioner

ProviderStatus = Literal["active", "inactive", "deleted"]


@dataclass(frozen=True, slots=True)
class PractitionerEntry:
    """One MFE with its STF and PRA. None means the file did not say (no change)."""

    practitioner: Practitioner
    status: ProviderStatus | None = None
    role: str | None = None
    specialties: tuple[str, ...] | None = None
    phone: str | None = None
    email: str | None = None
    starts_on: date | None = None
    ends_on: date | None = None


@dataclass(frozen=True, slots=True)
class PractitionerList:
    """A file stated whole (MFI-3 REP): whoever the source listed before and not now is inactive.

    More than `most_deactivations` of them (None: 25 or a tenth of the list, whichever is more) wait
    for an operator.
    """

    members: tuple[Practitioner, ...]
    most_deactivations: int | None = None
