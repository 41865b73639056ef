"""Patients as canonical records (HL7 v2.5.1 chapter 3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from hub.domain.times import TimePrecision

Sex = Literal["female", "male", "other", "unknown"]


@dataclass(frozen=True, slots=True)
class Identifier:
    """One repetition of PID-3: value verbatim (leading zeros kept), its assigning authority and
    type.

    `authority` is CX-4 (universal id before namespace) or the connection's default; `type` is HL7
    table 0203 (MR, PI, SS …). A social security number never identifies a patient in a match.
    `effective_on` and `expires_on` (CX-7, CX-8) say when it holds; they do not tell identifiers
    apart.
    """

    authority: str
    type: str
    value: str
    effective_on: date | None = field(default=None, compare=False)
    expires_on: date | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class PersonName:
    family: str
    given: str = ""
    middle: str = ""
    suffix: str = ""
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Practitioner:
    """A person who provides care; `npi` is the ten-digit National Provider Identifier or empty."""

    external_id: str
    name: PersonName | None = None
    npi: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    line1: str = ""
    line2: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """A person as one practice's system knows them.

    None means the message did not say (no change), or cleared what the record names in `cleared`;
    an empty string means it was cleared (`""` in HL7). `birth_date_stated` is the year or month of
    birth where no day is known (``1950-07``). `deceased` may be known without a time; `protected`
    asks for care with whom the record is shown to (PD1-12).
    """

    identifiers: tuple[Identifier, ...]
    name: PersonName | None = None
    birth_date: date | None = None
    sex: Sex | None = None
    address: Address | None = None
    phone: str | None = None
    email: str | None = None
    language: str | None = None
    deceased_at: datetime | None = None
    deceased: bool | None = None
    race: str | None = None
    ethnicity: str | None = None
    marital_status: str | None = None
    publicity_code: str | None = None
    protected: bool | None = None
    primary_provider: Practitioner | None = None
    birth_date_stated: str | None = None
    deceased_at_precision: TimePrecision | None = None


@dataclass(frozen=True, slots=True)
class PatientMerge:
    """A40/A34: everything under `prior` belongs to `survivor` from now on, within one practice."""

    survivor: Patient
    prior: tuple[Identifier, ...]


@dataclass(frozen=True, slots=True)
class PatientUnmerge:
    """A37: a merge of these two, whichever survived, is undone."""

    first: tuple[Identifier, ...]
    second: tuple[Identifier, ...]


@dataclass(frozen=True, slots=True)
class PatientReference:
    """How a message names a patient it does not describe in full; created if unknown."""

    identifiers: tuple[Identifier, ...]
    name: PersonName | None = None
    birth_date: date | None = None
    sex: Sex | None = None
