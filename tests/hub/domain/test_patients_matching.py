"""Matching and merging: every doubt keeps patients apart."""

from __future__ import annotations

import pytest

from hub.domain.patients import Identifier
from hub.domain.patients_matching import (
    Holder,
    decide_merge,
    is_social_security,
    matches,
    usable,
)


def mr(value: str, kind: str = "MR", authority: str = "HOSP") -> Identifier:
    return Identifier(authority, kind, value)


@pytest.mark.parametrize(
    "identifier",
    [
        mr("1", "SS"),
        mr("1", "ss"),
        mr("1", "PI", "USSSA"),
        mr("1", "PI", "urn:oid:2.16.840.1.113883.4.1"),
    ],
)
def test_a_social_security_number_is_known_by_type_or_authority(identifier: Identifier) -> None:
    assert is_social_security(identifier)
    assert usable([identifier, mr("2")]) == (mr("2"),)


def test_shared_empty_and_repeated_identifiers_are_left_out_in_order() -> None:
    stated = [mr("2"), mr("9", "AN"), mr("8", "SN"), mr(""), mr("1"), mr("2")]
    assert usable(stated) == (mr("2"), mr("1"))


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ([mr("1")], ("A",)),
        ([mr("2"), mr("1")], ("B", "A")),
        ([mr("3"), mr("1")], ("A",)),
        ([mr("1", "PI")], ()),
        ([mr("1", "MR", "OTHER")], ()),
        ([mr("01")], ()),
        ([mr("2", "")], ("B",)),
        ([mr("5", "MR")], ("C",)),
        ([mr("4", "")], ()),
        ([mr("4", "PI")], ("B",)),
    ],
)
def test_matches_follow_the_identifiers_in_their_order(
    stated: list[Identifier], expected: tuple[str, ...]
) -> None:
    holders = [
        Holder(mr("1"), "A"),
        Holder(mr("2"), "B"),
        Holder(mr("4"), "A"),
        Holder(mr("4", "PI"), "B"),
        Holder(mr("5", ""), "C"),
    ]
    assert matches(stated, holders) == expected


@pytest.mark.parametrize(
    ("survivor", "prior", "expected"),
    [
        ("A", "B", "link"),
        ("AC", "B", "link"),
        ("A", "A", "already_merged"),
        ("A", "BA", "already_merged"),
        ("BA", "BA", "already_merged"),
        ("BA", "CA", "already_merged"),
        ("BA", "A", "opposite"),
        ("CBA", "BA", "opposite"),
        ("C", "BA", "merged_elsewhere"),
    ],
)
def test_a_merge_is_decided_by_the_chains_of_links(
    survivor: str, prior: str, expected: str
) -> None:
    assert decide_merge(tuple(survivor), tuple(prior)) == expected
