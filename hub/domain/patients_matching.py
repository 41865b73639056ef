"""Which stored patient a message means, and what a merge may do: rules without storage.

A false merge mixes two people's records, a missed one is repaired by the source's next message;
every doubt is therefore decided for keeping patients apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from hub.domain.patients import Identifier

SOCIAL_SECURITY_TYPES = frozenset({"SS", "SSN"})
SOCIAL_SECURITY_AUTHORITIES = frozenset({"USSSA", "SSA", "2.16.840.1.113883.4.1"})
SHARED_TYPES = frozenset({"AN", "ANC", "SN", "VN"})
"""HL7 table 0203: account, subscriber and visit numbers name a family, a guarantor or one visit."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A stored identifier and the patient it was stated for."""

    identifier: Identifier
    patient_id: str


def is_social_security(identifier: Identifier) -> bool:
    """True for a social security number, by type or by authority; it is never kept or matched."""
    authority = identifier.authority.upper().removeprefix("URN:OID:")
    return (
        identifier.type.upper() in SOCIAL_SECURITY_TYPES or authority in SOCIAL_SECURITY_AUTHORITIES
    )


def usable(identifiers: Iterable[Identifier]) -> tuple[Identifier, ...]:
    """The identifiers that name one person, in the order stated, each once."""
    kept = {
        identifier: None
        for identifier in identifiers
        if identifier.value
        and identifier.type.upper() not in SHARED_TYPES
        and not is_social_security(identifier)
    }
    return tuple(kept)


def same_identifier(stated: Identifier, stored: Identifier) -> bool:
    """Equal authority and value; types must agree where both have one (MRG-1 often omits it)."""
    return (
        stated.authority == stored.authority
        and stated.value == stored.value
        and (stated.type == stored.type or not stated.type or not stored.type)
    )


def matches(stated: Sequence[Identifier], holders: Iterable[Holder]) -> tuple[str, ...]:
    """The patients that `stated` identifiers name, each once, in the order of the identifiers.

    An exact match of an identifier precedes one that ignores a missing type; without a type, an
    identifier that two patients hold under different types names nobody.
    """
    known = list(holders)
    found: dict[str, None] = {}
    for identifier in stated:
        exact = {h.patient_id for h in known if h.identifier == identifier}
        loose = {h.patient_id for h in known if same_identifier(identifier, h.identifier)}
        ids = exact or loose
        if len(ids) == 1:
            found[ids.pop()] = None
    return tuple(found)


MergeDecision = Literal["link", "already_merged", "opposite", "merged_elsewhere"]


def decide_merge(survivor: Sequence[str], prior: Sequence[str]) -> MergeDecision:
    """What to do with a merge of the patient at the head of `prior` into the head of `survivor`.

    Each argument is a chain of merge links: the patient an identifier names, then whom it was
    merged into, down to the live one. `opposite` would turn a link round or close a circle,
    `merged_elsewhere` take a patient away from whom it was merged into: a person must decide.
    """
    if survivor[-1] == prior[-1]:
        turned = prior[0] != survivor[0] and prior[0] in survivor
        return "opposite" if turned else "already_merged"
    return "link" if len(prior) == 1 else "merged_elsewhere"
