"""Administrative fees of group purchasing (42 CFR 1001.952(j)).

The written agreement with each member states that vendors pay the organization a fee of 3 percent
or less of the purchase price or, where it may be more, the amount or the maximum (of each vendor).
Once a year each member is told what was received from each vendor on its purchases.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from hub.errors import Rejected

USUAL_RATE = Decimal("0.03")


@dataclass(frozen=True, slots=True)
class FeeTerms:
    """What members were told a vendor pays: at most `maximum_rate` of purchases (0 to 1), or at
    most `maximum_amount` a year; without either, 3 percent or less. `written_on` is the day of the
    written agreement."""

    written_on: date
    starts_on: date
    ends_on: date | None = None
    maximum_rate: Decimal | None = None
    maximum_amount: Decimal | None = None


def check_terms(terms: FeeTerms) -> None:
    """Rejected, naming the rule, for terms that the safe harbor does not cover."""
    if terms.ends_on is not None and terms.ends_on <= terms.starts_on:
        raise Rejected("An agreement ends after it starts.", path="endsOn")
    if terms.written_on > terms.starts_on:
        raise Rejected("A fee agreement is in writing before it starts.", path="writtenOn")
    if terms.maximum_rate is not None and not 0 <= terms.maximum_rate <= 1:
        raise Rejected("A rate is 0 to 1.", path="maximumRate")
    if terms.maximum_amount is not None and terms.maximum_amount < 0:
        raise Rejected("An amount is not negative.", path="maximumAmount")


def within(terms: FeeTerms, purchases: Decimal, received: Decimal) -> bool:
    """True if a year's fees of a vendor are what members were told at most."""
    rate = terms.maximum_rate
    if terms.maximum_amount is not None and received > terms.maximum_amount:
        return False
    if rate is None and terms.maximum_amount is None:
        rate = USUAL_RATE
    return rate is None or received <= purchases * rate
