"""Why a round has no allowed plan: the fewest rules that clash, in sentences."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from hub.domain.purchasing.fewest import fewest
from hub.domain.purchasing.fields import RATE_UNIT
from hub.domain.purchasing.highs import run
from hub.domain.purchasing.instance import Instance
from hub.domain.purchasing.model import build
from hub.domain.purchasing.plan import money
from hub.domain.purchasing.pricing import Line
from hub.domain.purchasing.problem import bans_of, compile_instance
from hub.domain.purchasing.search import Stop, never

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a round: `kind` and the position within its list."""

    kind: str
    at: int = 0


def explain(instance: Instance, seconds: float = 30.0, stop: Stop = never) -> tuple[str, ...]:
    """Sentences that say why `instance` has no allowed plan.

    Lines nobody may fill are named first. Otherwise the result is the smallest set of rules that
    cannot all hold; when `seconds` run out, or `stop()` says so, one of which none can be left out,
    or in which rules not yet tried stay. Only to be called on an infeasible instance.
    """
    unfillable = compile_instance(instance).unfillable
    if unfillable:
        return tuple(dict.fromkeys(_no_source(instance, line) for line in unfillable))
    deadline = time.monotonic() + seconds

    def over() -> bool:
        return time.monotonic() >= deadline or stop()

    def clash(kept: Sequence[Rule]) -> bool:
        left = deadline - time.monotonic()
        return left > 0 and not stop() and _infeasible(restrict(instance, kept), left, stop)

    rules = rules_of(instance)
    few = rules
    for kind in dict.fromkeys(rule.kind for rule in rules):
        others = [rule for rule in few if rule.kind != kind]
        if clash(others):
            few = others
    return tuple(sentence(instance, rule) for rule in fewest(rules, few, clash, over))


def rules_of(instance: Instance) -> list[Rule]:
    """Every rule that can make a round infeasible."""
    rules, found = instance.rules, []
    if rules.max_vendors is not None:
        found.append(Rule("max_vendors"))
    if rules.max_vendors_per_practice is not None:
        found.append(Rule("max_vendors_per_practice"))
    found += [Rule("category", n) for n in range(len(rules.max_vendors_per_category))]
    found += [Rule("commitment", n) for n in range(len(rules.commitments))]
    found += [Rule("forbid", n) for n in range(len(rules.forbid))]
    found += [Rule("min_order", n) for n, v in enumerate(instance.vendors) if v.min_order]
    found += [
        Rule("max_packs", n) for n, o in enumerate(instance.offers) if o.max_packs is not None
    ]
    return found


def restrict(instance: Instance, kept: Sequence[Rule]) -> Instance:
    """The instance with only these rules."""
    held, rules = set(kept), instance.rules
    return replace(
        instance,
        vendors=tuple(
            v if Rule("min_order", n) in held else replace(v, min_order=0)
            for n, v in enumerate(instance.vendors)
        ),
        offers=tuple(
            o if Rule("max_packs", n) in held else replace(o, max_packs=None)
            for n, o in enumerate(instance.offers)
        ),
        rules=replace(
            rules,
            max_vendors=rules.max_vendors if Rule("max_vendors") in held else None,
            max_vendors_per_practice=rules.max_vendors_per_practice
            if Rule("max_vendors_per_practice") in held
            else None,
            max_vendors_per_category=_kept(rules.max_vendors_per_category, "category", held),
            commitments=_kept(rules.commitments, "commitment", held),
            forbid=_kept(rules.forbid, "forbid", held),
        ),
    )


def _kept(rows: tuple[T, ...], kind: str, held: set[Rule]) -> tuple[T, ...]:
    return tuple(row for n, row in enumerate(rows) if Rule(kind, n) in held)


def _infeasible(instance: Instance, seconds: float, stop: Stop) -> bool:
    problem = compile_instance(instance)
    if problem.unfillable:
        return True
    model = build(problem)
    free = replace(model, cost=np.zeros(len(model.cost)))
    return run(free, seconds=seconds, gap=1.0, watch=lambda _: stop()).ended == "infeasible"


def _no_source(instance: Instance, line: Line) -> str:
    practice, wanted = line
    sources = next((i.id, *i.equivalents) for i in instance.items if i.id == wanted)
    sellers = [offer for offer in instance.offers if offer.item in sources]
    if not sellers:
        return f"No vendor sells item {wanted}."
    bans = bans_of(instance).get(practice, [])
    reasons = dict.fromkeys(
        f"vendor {offer.vendor} is forbidden to it"
        if any(ban.bars(wanted, offer) for ban in bans)
        else f"vendor {offer.vendor} sells at most {offer.max_packs} packs"
        for offer in sorted(sellers, key=lambda o: (o.vendor, o.item))
    )
    return f"Practice {practice} cannot get item {wanted}: {', '.join(reasons)}."


def sentence(instance: Instance, rule: Rule) -> str:
    """The rule in words."""
    rules = instance.rules
    if rule.kind == "max_vendors":
        return f"The round may use at most {_vendors(rules.max_vendors)}."
    if rule.kind == "max_vendors_per_practice":
        return f"A practice may use at most {_vendors(rules.max_vendors_per_practice)}."
    if rule.kind == "category":
        name, limit = rules.max_vendors_per_category[rule.at]
        return f"Category {name} may use at most {_vendors(limit)}."
    if rule.kind == "commitment":
        promise = rules.commitments[rule.at]
        percent = f"{promise.share * 100 / RATE_UNIT:g}"
        return (
            f"Vendor {promise.vendor} must get at least {percent} % of category {promise.category}."
        )
    if rule.kind == "forbid":
        return rules.forbid[rule.at].sentence
    if rule.kind == "min_order":
        vendor = instance.vendors[rule.at]
        return f"Each order at vendor {vendor.id} must reach {money(vendor.min_order)}."
    offer = instance.offers[rule.at]
    return f"Vendor {offer.vendor} sells at most {offer.max_packs} packs of item {offer.item}."


def _vendors(count: int | None) -> str:
    return "1 vendor" if count == 1 else f"{count} vendors"
