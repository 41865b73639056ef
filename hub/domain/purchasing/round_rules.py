"""The rules a round buys by: limits on suppliers, commitments, split lines, who shares how.

They stand with the round and change only by a step of it; how what pooling brings is shared is
fixed before bids open. Shares are in millionths, money in cents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.domain.purchasing.fields import RATE_UNIT
from hub.domain.purchasing.instance import Cents, Sharing, SharingRule
from hub.errors import Rejected

ALLOCATION_RULES: Mapping[str, SharingRule] = {
    "pooled_savings_by_standalone_cost": "standalone",
    "pooled_savings_by_volume": "volume",
    "sampled_shapley_value": "shapley",
}
"""A round's word for how what pooling brings is shared → the instance's."""
DEFAULT_ALLOCATION = "pooled_savings_by_standalone_cost"
MOST_SUPPLIERS = 10_000
LARGEST_COST = 10**9


@dataclass(frozen=True, slots=True)
class Committed:
    """At least `share` of the goods in the category go to the supplier."""

    supplier: str
    category: str
    share: int


@dataclass(frozen=True, slots=True)
class RoundRules:
    """`without_suppliers` sell nothing in the round; `switching_cost` counts per line that leaves
    the supplier the practice bought the item from last; `split_lines` lets a line be divided over
    offers."""

    max_suppliers: int | None = None
    max_suppliers_per_practice: int | None = None
    max_suppliers_per_category: tuple[tuple[str, int], ...] = ()
    commitments: tuple[Committed, ...] = ()
    without_suppliers: tuple[str, ...] = ()
    switching_cost: Cents = 0
    split_lines: bool = False


def check_rules(rules: RoundRules) -> None:
    """Rejected, naming the rule, for what makes no sense whatever is bought."""
    limits = [
        ("maxSuppliers", rules.max_suppliers),
        ("maxSuppliersPerPractice", rules.max_suppliers_per_practice),
        *(("maxSuppliersPerCategory", limit) for _, limit in rules.max_suppliers_per_category),
    ]
    for path, limit in limits:
        if limit is not None and not 1 <= limit <= MOST_SUPPLIERS:
            raise Rejected(f"A limit is 1 to {MOST_SUPPLIERS} suppliers.", path=path)
    _once("maxSuppliersPerCategory", [name for name, _ in rules.max_suppliers_per_category])
    _once("commitments", [(each.supplier, each.category) for each in rules.commitments])
    for category in {each.category for each in rules.commitments}:
        shares = [each.share for each in rules.commitments if each.category == category]
        if min(shares) < 1 or sum(shares) > RATE_UNIT:
            raise Rejected(
                f"Commitments of the category {category} are above 0 and at most 1 together.",
                path="commitments",
            )
    if {each.supplier for each in rules.commitments} & set(rules.without_suppliers):
        raise Rejected("A supplier has a commitment and is left out.", path="withoutSuppliers")
    if not 0 <= rules.switching_cost <= LARGEST_COST:
        raise Rejected("A switching cost is 0 to 10000000.00.", path="switchingCost")


def _once(path: str, keys: list[Any]) -> None:
    if len(set(keys)) != len(keys):
        raise Rejected("A rule is stated twice.", path=path)


def sharing_of(allocation_rule: str) -> Sharing:
    """How an instance shares under a round's rule; coalitions are sampled under every rule.
    Rejected for a rule that is not known."""
    rule = ALLOCATION_RULES.get(allocation_rule)
    if rule is None:
        raise Rejected(
            f"An allocation rule is one of: {', '.join(ALLOCATION_RULES)}.", path="allocationRule"
        )
    return Sharing(rule, sample=True)


def rules_to_json(rules: RoundRules) -> dict[str, Any]:
    """As a round's row keeps them; nothing where there is no rule."""
    stored: dict[str, Any] = {
        "max_suppliers": rules.max_suppliers,
        "max_suppliers_per_practice": rules.max_suppliers_per_practice,
        "max_suppliers_per_category": [list(each) for each in rules.max_suppliers_per_category],
        "commitments": [[c.supplier, c.category, c.share] for c in rules.commitments],
        "without_suppliers": list(rules.without_suppliers),
        "switching_cost": rules.switching_cost,
        "split_lines": rules.split_lines,
    }
    return {name: value for name, value in stored.items() if value}


def rules_from_json(stored: Mapping[str, Any]) -> RoundRules:
    """The inverse of `rules_to_json`."""
    return RoundRules(
        max_suppliers=stored.get("max_suppliers"),
        max_suppliers_per_practice=stored.get("max_suppliers_per_practice"),
        max_suppliers_per_category=tuple(
            (name, limit) for name, limit in stored.get("max_suppliers_per_category", ())
        ),
        commitments=tuple(Committed(*each) for each in stored.get("commitments", ())),
        without_suppliers=tuple(stored.get("without_suppliers", ())),
        switching_cost=stored.get("switching_cost", 0),
        split_lines=stored.get("split_lines", False),
    )


def rules_in_words(rules: RoundRules, names: Mapping[str, str]) -> str:
    """The rules as a sentence; `names` are those of suppliers by id."""
    said = [f"without {names.get(each, each)}" for each in rules.without_suppliers]
    if rules.max_suppliers is not None:
        said.append(f"at most {suppliers(rules.max_suppliers)}")
    if rules.max_suppliers_per_practice is not None:
        said.append(f"at most {suppliers(rules.max_suppliers_per_practice)} per practice")
    said += [
        f"at most {suppliers(limit)} for {name}" for name, limit in rules.max_suppliers_per_category
    ]
    said += [
        f"{names.get(c.supplier, c.supplier)} gets at least {c.share * 100 / RATE_UNIT:g} % of "
        f"{c.category}"
        for c in rules.commitments
    ]
    if rules.switching_cost:
        said.append(f"a change of supplier counts {rules.switching_cost / 100:.2f} a line")
    if rules.split_lines:
        said.append("lines may be split")
    text = "; ".join(said) or "no rules"
    return f"{text[0].upper()}{text[1:]}."


def suppliers(count: int) -> str:
    """So many suppliers, in words."""
    return "1 supplier" if count == 1 else f"{count} suppliers"
