"""Charges (HL7 v2.5.1 §6.5.1 FT1), the input of claims."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from hub.domain.patients import PatientReference
from hub.domain.procedures import Procedure


@dataclass(frozen=True, slots=True)
class Charge:
    """One financial transaction; a credit (`kind` credit) is a new entry, never an edit.

    `amount` is the extended amount (FT1-11) in `currency` with two decimals. `procedures` replace
    those of the entry; None: the message names none.
    """

    patient: PatientReference
    kind: Literal["charge", "credit", "payment", "adjustment"]
    service_date: date
    procedure_code: str
    procedure_system: str = ""
    modifiers: tuple[str, ...] = ()
    quantity: Decimal = Decimal(1)
    amount: Decimal | None = None
    currency: str = "USD"
    diagnosis_codes: tuple[str, ...] = ()
    visit_number: str | None = None
    performer_npi: str = ""
    procedures: tuple[Procedure, ...] | None = None
