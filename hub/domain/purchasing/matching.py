"""Which item of the catalogue a practice means: by GTIN, by maker's part number, or by review.

Only a valid GTIN, a part number with its maker, and what a person confirmed before decide alone.
Everything else is a suggestion with its reasons.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from hub.domain.gs1 import gtin14, is_gtin

MOST_SUGGESTIONS = 5
LEAST_SCORE = 25
_PART_SCORE, _MAKER_SCORE, _NAME_SCORE = 60, 15, 60
_WORD = re.compile(r"[a-z0-9]+")
_NOT_SAID = frozenset({"of", "the", "for", "and", "with", "each", "per", "a"})
How = Literal["gtin", "pack_gtin", "part", "reviewed"]


@dataclass(frozen=True, slots=True)
class Said:
    """How a practice names an item; empty where it does not say."""

    gtin: str = ""
    manufacturer: str = ""
    part: str = ""
    description: str = ""

    @property
    def key(self) -> str:
        """What a reviewed match is remembered by: the same words in any case and spacing."""
        parts = (
            gtin14(self.gtin.strip()),
            plain(self.manufacturer),
            plain(self.part),
            " ".join(words(self.description)),
        )
        return "|".join(parts)


@dataclass(frozen=True, slots=True)
class CatalogueItem:
    """An item as far as matching needs it; `pack_gtins` are GTIN → unit of its packs."""

    id: str
    gtin: str
    name: str
    manufacturer: str = ""
    part: str = ""
    pack_gtins: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Match:
    """The item meant. `unit` is set where a pack's own GTIN says which pack it is."""

    item_id: str
    how: How
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An item that may be meant: `score` 0 to 100 only orders suggestions, `reasons` say why."""

    item_id: str
    score: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unmatched:
    """No item is certain; `issue` is a sentence for the reviewer."""

    issue: str
    suggestions: tuple[Suggestion, ...] = ()


def plain(text: str) -> str:
    """Letters and digits only, in lower case: ``AB-12 34`` is ``ab1234``."""
    return "".join(_WORD.findall(text.lower()))


def words(text: str) -> list[str]:
    """The words of a description that say something, sorted, each once."""
    return sorted({word.removesuffix("s") for word in _WORD.findall(text.lower())} - _NOT_SAID)


@dataclass(frozen=True)
class Catalogue:
    """Items by what they are found by."""

    items: Sequence[CatalogueItem]

    @cached_property
    def by_id(self) -> dict[str, CatalogueItem]:
        return {item.id: item for item in self.items}

    @cached_property
    def by_gtin(self) -> dict[str, CatalogueItem]:
        return {item.gtin: item for item in self.items}

    @cached_property
    def by_pack(self) -> dict[str, tuple[CatalogueItem, str]]:
        return {
            gtin14(gtin): (item, unit)
            for item in self.items
            for gtin, unit in item.pack_gtins.items()
        }

    @cached_property
    def by_part(self) -> dict[str, list[CatalogueItem]]:
        found: dict[str, list[CatalogueItem]] = {}
        for item in self.items:
            if item.part:
                found.setdefault(plain(item.part), []).append(item)
        return found

    @cached_property
    def by_word(self) -> dict[str, list[CatalogueItem]]:
        found: dict[str, list[CatalogueItem]] = {}
        for item in self.items:
            for word in words(item.name):
                found.setdefault(word, []).append(item)
        return found


def identify(
    catalogue: Catalogue,
    said: Said,
    confirmed: Mapping[str, str],
    refused: Collection[tuple[str, str]] = (),
) -> Match | Unmatched:
    """The item that `said` means, or why it is not certain and what it may be.

    `confirmed` are remembered matches by key, `refused` pairs of key and item that a person turned
    down. What a person confirmed wins over everything.
    """
    known = confirmed.get(said.key)
    if known is not None and known in catalogue.by_id:
        return Match(known, "reviewed")
    gtin = gtin14(said.gtin.strip())
    if is_gtin(gtin):
        if gtin in catalogue.by_gtin:
            return Match(catalogue.by_gtin[gtin].id, "gtin")
        if gtin in catalogue.by_pack:
            item, unit = catalogue.by_pack[gtin]
            return Match(item.id, "pack_gtin", unit)
    parts = catalogue.by_part.get(plain(said.part), []) if said.part.strip() else []
    of_maker = [item for item in parts if _same_maker(said, item)]
    if len(of_maker) == 1 and not said.gtin.strip():
        return Match(of_maker[0].id, "part")
    turned_down = {item for key, item in refused if key == said.key}
    found = [s for s in _suggest(catalogue, said, parts) if s.item_id not in turned_down]
    return Unmatched(_issue(said, gtin, len(of_maker)), tuple(found[:MOST_SUGGESTIONS]))


def _same_maker(said: Said, item: CatalogueItem) -> bool:
    return bool(said.manufacturer.strip()) and plain(said.manufacturer) == plain(item.manufacturer)


def _issue(said: Said, gtin: str, of_maker: int) -> str:
    if said.gtin.strip() and not is_gtin(gtin):
        return "The GTIN is not valid: its length or its check digit is wrong."
    if said.gtin.strip():
        return "No item of the catalogue has this GTIN."
    if of_maker > 1:
        return "Several items have this maker's part number."
    if said.part.strip() and not said.manufacturer.strip():
        return "A part number counts only with its maker."
    if said.part.strip():
        return "No item has this maker's part number."
    return "The line names no GTIN and no maker's part number."


def _suggest(catalogue: Catalogue, said: Said, parts: Iterable[CatalogueItem]) -> list[Suggestion]:
    wanted = set(words(said.description))
    candidates = {item.id: item for item in parts}
    for word in wanted:
        candidates |= {item.id: item for item in catalogue.by_word.get(word, ())}
    found = [_judged(said, wanted, item) for item in candidates.values()]
    return sorted((s for s in found if s.score >= LEAST_SCORE), key=lambda s: (-s.score, s.item_id))


def _judged(said: Said, wanted: set[str], item: CatalogueItem) -> Suggestion:
    score, reasons = 0, []
    if said.part.strip() and plain(said.part) == plain(item.part):
        score += _PART_SCORE
        reasons.append("It has the same part number.")
    if _same_maker(said, item):
        score += _MAKER_SCORE
        reasons.append("It is of the same maker.")
    own = set(words(item.name))
    shared = wanted & own
    if shared:
        score += _NAME_SCORE * len(shared) // len(wanted | own)
        reasons.append(f"Its name shares: {', '.join(sorted(shared))}.")
    return Suggestion(item.id, min(score, 100), tuple(reasons))
