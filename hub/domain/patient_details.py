"""What is known of a patient in lists: every name, address and number, contacts, guarantors and
allergies (HL7 v2.5.1 §3.4.2 PID, §3.4.5 NK1, §3.4.6 AL1, §6.5.5 GT1).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from hub.domain.care_roles import CareRole
from hub.domain.patients import Address, PatientReference, PersonName


@dataclass(frozen=True, slots=True)
class UsedName:
    """A name and what it is used for (table 0200: L legal, N nickname, M maiden …)."""

    name: PersonName
    use: str = ""


@dataclass(frozen=True, slots=True)
class UsedAddress:
    """An address and what it is used for (table 0190: H home, M mailing …)."""

    address: Address
    use: str = ""


@dataclass(frozen=True, slots=True)
class Telecom:
    """A phone number or email address and its use (table 0201: PRN home, WPN work …)."""

    kind: Literal["phone", "email"]
    value: str
    use: str = ""


@dataclass(frozen=True, slots=True)
class Contact:
    """One NK1. `role` is table 0131 (N next of kin, E employer, C emergency …)."""

    name: PersonName
    relationship: str = ""
    role: str = ""
    phone: str = ""
    email: str = ""
    address: Address | None = None
    starts_on: date | None = None
    ends_on: date | None = None


@dataclass(frozen=True, slots=True)
class Guarantor:
    """One GT1: who pays what insurance does not."""

    number: str
    name: PersonName | None = None
    address: Address | None = None
    phone: str = ""
    birth_date: date | None = None
    type: str = ""
    relationship: str = ""
    employer: str = ""


@dataclass(frozen=True, slots=True)
class Allergy:
    """One AL1. `severity` is table 0128, `reactions` as sent."""

    type: str
    code: str
    name: str = ""
    code_system: str = ""
    severity: str = ""
    reactions: tuple[str, ...] = ()
    identified_on: date | None = None


@dataclass(frozen=True, slots=True)
class PatientDetails:
    """Each list replaces the one there is; None means the message did not say (no change).
    `care_roles` change the ones there are, each by itself."""

    patient: PatientReference
    names: tuple[UsedName, ...] | None = None
    addresses: tuple[UsedAddress, ...] | None = None
    telecoms: tuple[Telecom, ...] | None = None
    contacts: tuple[Contact, ...] | None = None
    guarantors: tuple[Guarantor, ...] | None = None
    allergies: tuple[Allergy, ...] | None = None
    care_roles: tuple[CareRole, ...] = ()
