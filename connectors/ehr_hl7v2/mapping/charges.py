"""DFT P03: financial transactions and their procedures (HL7 v2.5.1 §6.5.1 FT1, §6.5.4 PR1)."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from connectors.ehr_hl7v2.mapping.encounters import visit_number
from connectors.ehr_hl7v2.mapping.people import practitioner
from connectors.ehr_hl7v2.mapping.procedures import procedures
from connectors.ehr_hl7v2.mapping.texts import coded
from connectors.ehr_hl7v2.reading import Reading
from connectors.sdk.hl7v2.lexer import Segment
from hub.domain.claims import Charge
from hub.domain.patients import PatientReference

_KIND: dict[str, Literal["charge", "credit", "payment", "adjustment"]] = {
    "CG": "charge",
    "CD": "credit",
    "PY": "payment",
    "AJ": "adjustment",
}
_CENT = Decimal("0.01")


def charges(reading: Reading, patient: PatientReference) -> Iterator[tuple[str, Charge]]:
    """Each FT1 with its key; one without a kind or a date is left out with an issue."""
    visit = visit_number(reading)
    seen: Counter[tuple[str, str]] = Counter()
    for ft1, behind in _entries(reading):
        kind = _KIND.get((ft1.value("6") or "").upper())
        if kind is None:
            reading.issue("unknown_code", "FT1-6", "The transaction type is not in table 0017.")
            continue
        service_date = reading.date_of("charge.service_date", ft1)
        if service_date is None:
            reading.issue("date_missing", "FT1-4", "A transaction has no date; it was left out.")
            continue
        _note_range(reading, ft1, service_date)
        quantity = reading.number(ft1, "10")
        performer = practitioner(*reading.part("charge.performer", ft1))
        if performer is not None and not performer.npi:
            reading.issue("npi_missing", "FT1-20", "A charge's performer has no NPI; left out.")
        pr1 = next((one for one in behind if one.id == "PR1"), reading.absent("PR1"))
        code, _, system = coded(*reading.part("charge.procedure", ft1, pr1))
        amount, currency = _amount(reading, ft1, quantity)
        yield (
            _apart(reading, seen, _key(reading, ft1), kind),
            Charge(
                patient=patient,
                kind=kind,
                service_date=service_date,
                procedure_code=code or "",
                procedure_system=system or "",
                modifiers=_codes(ft1, 26) or (_codes(pr1, 16) if pr1.value("3.1") == code else ()),
                quantity=quantity if quantity is not None else Decimal(1),
                amount=amount,
                currency=currency,
                diagnosis_codes=_codes(ft1, 19),
                visit_number=visit,
                performer_npi=performer.npi if performer else "",
                procedures=procedures(reading, behind),
            ),
        )


def _entries(reading: Reading) -> list[tuple[Segment, list[Segment]]]:
    """Each FT1 with the segments behind it."""
    found: list[tuple[Segment, list[Segment]]] = []
    for segment in reading.message:
        if segment.id == "FT1":
            found.append((segment, []))
        elif found:
            found[-1][1].append(segment)
        elif segment.id == "PR1":
            reading.issue("procedure_unplaced", "PR1", "A procedure stands before all charges.")
    return found


def _key(reading: Reading, ft1: Segment) -> str:
    """FT1-2, else batch, set id and a digest, so that the same segment again is the same charge."""
    number = reading.text("charge.number", ft1)
    if number:
        return number
    digest = hashlib.sha256(ft1.text.encode()).hexdigest()[:16]
    return f"{ft1.value('3') or ''}|{ft1.value('1') or ''}|{digest}"


def _apart(reading: Reading, seen: Counter[tuple[str, str]], key: str, kind: str) -> str:
    """A key of its own for each transaction: some senders number the bill, not its lines."""
    seen[key, kind] += 1
    count = seen[key, kind]
    if count == 1:
        return key
    reading.issue(
        "key_repeated", "FT1-2", "Transactions of one type share a number; all were kept."
    )
    return f"{key}#{count}"


def _note_range(reading: Reading, ft1: Segment, begins_on: date) -> None:
    """FT1-4 may be a range (DR), of which a charge keeps the first day."""
    ends_on = reading.date(ft1, "4.2")
    if ends_on is not None and ends_on != begins_on:
        reading.issue(
            "range_shortened", "FT1-4.2", "A charge for several days is kept under the first."
        )


def _amount(reading: Reading, ft1: Segment, quantity: Decimal | None) -> tuple[Decimal | None, str]:
    """FT1-11 (extended), else FT1-12 (per unit) times the quantity; to the cent, with currency."""
    extended = reading.number(ft1, "11.1.1")
    place = "11" if extended is not None else "12"
    amount = extended
    if amount is None and (unit := reading.number(ft1, "12.1.1")) is not None:
        amount = unit * (quantity if quantity is not None else 1)
    currency = (ft1.value(f"{place}.1.2") or "USD").upper()
    if amount is None:
        return None, currency
    cents = amount.quantize(_CENT, ROUND_HALF_UP)
    if cents != amount:
        reading.issue("amount_rounded", f"FT1-{place}", "The amount was rounded to the cent.")
    return cents, currency


def _codes(segment: Segment, position: int) -> tuple[str, ...]:
    count = segment.repetitions(position)
    codes = (segment.value(f"{position}[{number}].1") for number in range(1, count + 1))
    return tuple(code for code in codes if code)
