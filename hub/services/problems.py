"""The problem a round is solved as: its demand, the offers it keeps, its rules and its sharing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from hub.domain.content import content_hash
from hub.domain.purchasing import instance as model
from hub.domain.purchasing.round_rules import RoundRules, rules_from_json, sharing_of
from hub.services.rounds import terms_of
from hub.storage import purchasing, savings
from hub.storage import round_offers as kept
from hub.storage import rounds as store
from hub.storage.session import ScopedSession
from hub.storage.tables import PurchasingRound, RoundOffer, RoundSupplier

MILLION = 1_000_000
INCUMBENT_DAYS = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class RoundProblem:
    """The instance of a round and, by the id of the offer, the offer as the round keeps it."""

    instance: model.Instance
    offers: dict[str, RoundOffer] = field(default_factory=dict)


def load_problem(
    session: ScopedSession, *, round_id: str, on: date, seconds: float, gap: int
) -> RoundProblem:
    """The round as a purchasing instance with the offers it keeps that are valid on a day. Units
    are base units.

    Left out: practices that do not take part, items they excluded, categories the round does not
    buy, suppliers its rules leave out. Raises Rejected (one sentence) if demand and offers do not
    make sense together.
    """
    row = session.get_one(PurchasingRound, round_id)
    rules, demand = rules_from_json(row.rules), _demand(session, row)
    practices = sorted({line.practice for line in demand})
    wanted = sorted({line.item for line in demand})
    equivalents = _equivalents(session, practices, set(wanted), row.locked_at)
    sources = {*wanted, *(other for _, other in equivalents)}
    offers = {
        offer.offer_id: offer
        for offer in kept.offers(session, round_id, sorted(sources), on)
        if offer.supplier_id not in rules.without_suppliers
    }
    needed = {offer.supplier_id for offer in offers.values()}
    needed |= {each.supplier for each in rules.commitments}
    items = purchasing.items(session, sorted(sources))
    categories = {item.category for item in items if item.id in set(wanted)}
    instance = model.Instance(
        practices=tuple(
            model.Practice(p.id, p.name) for p in purchasing.practices(session, practices)
        ),
        items=tuple(
            model.Item(
                item.id,
                item.category,
                tuple(sorted(other for asked, other in equivalents if asked == item.id)),
            )
            for item in items
        ),
        demand=tuple(demand),
        vendors=tuple(_vendor(v) for v in kept.terms(session, round_id) if v.supplier_id in needed),
        offers=tuple(_offer(offer) for offer in offers.values()),
        rules=_rules(
            rules,
            categories,
            (*_forbidden(session, round_id, demand, needed), *_not_approved(equivalents, demand)),
            _switching(session, rules, row, demand, needed),
        ),
        limits=model.Limits(seconds=seconds, gap=gap),
        sharing=sharing_of(row.allocation_rule),
    )
    return RoundProblem(instance, offers)


def _demand(session: ScopedSession, row: PurchasingRound) -> list[model.Demand]:
    terms, out = terms_of(row), store.staying_out(session, row.id)
    excluded = {
        (each.practice_id, each.item_id)
        for each in store.exclusions(session, row.id)
        if each.supplier_id is None
    }
    lines = [
        model.Demand(*line)
        for line in purchasing.demand(session, row.id)
        if line[0] not in out and line[:2] not in excluded
    ]
    items = purchasing.items(session, sorted({line.item for line in lines}))
    bought = {item.id for item in items if terms.buys(item.category)}
    return [line for line in lines if line.item in bought]


def _equivalents(
    session: ScopedSession, practices: Sequence[str], wanted: set[str], at: datetime | None
) -> dict[tuple[str, str], set[str]]:
    """(item, equivalent) → the practices that had approved it when the round was locked."""
    found: dict[tuple[str, str], set[str]] = {}
    for each in kept.equivalents(session, practices, at):
        if each.item_id in wanted:
            found.setdefault((each.item_id, each.equivalent_id), set()).add(each.practice_id)
    return found


def _not_approved(
    equivalents: dict[tuple[str, str], set[str]], demand: Sequence[model.Demand]
) -> list[model.Forbidden]:
    """An equivalent is only for the practices that approved it."""
    asking: dict[str, list[str]] = {}
    for line in demand:
        asking.setdefault(line.item, []).append(line.practice)
    return [
        model.Forbidden(practice, item=item, offer_item=other)
        for (item, other), approved in equivalents.items()
        for practice in asking[item]
        if practice not in approved
    ]


def _forbidden(
    session: ScopedSession, round_id: str, demand: Sequence[model.Demand], selling: set[str]
) -> list[model.Forbidden]:
    """What practices keep out: a supplier, or one item from a supplier."""
    taking_part = {line.practice for line in demand}
    asked = {(line.practice, line.item) for line in demand}
    return [
        model.Forbidden(each.practice_id, each.supplier_id, each.item_id or "")
        for each in store.exclusions(session, round_id)
        if each.supplier_id in selling
        and each.practice_id in taking_part
        and (each.item_id is None or (each.practice_id, each.item_id) in asked)
    ]


def _switching(
    session: ScopedSession,
    rules: RoundRules,
    row: PurchasingRound,
    demand: Sequence[model.Demand],
    selling: set[str],
) -> tuple[model.SwitchingCost, ...]:
    """The round's switching cost on each line whose practice bought the item in the year before."""
    if not rules.switching_cost:
        return ()
    opened = row.opened_at.date()
    practices = sorted({line.practice for line in demand})
    last = savings.last_suppliers(session, practices, opened - INCUMBENT_DAYS, opened)
    incumbents = [(line, last.get((line.practice, line.item))) for line in demand]
    return tuple(
        model.SwitchingCost(line.practice, line.item, incumbent, rules.switching_cost)
        for line, incumbent in incumbents
        if incumbent in selling
    )


def _rules(
    rules: RoundRules,
    categories: set[str],
    forbid: tuple[model.Forbidden, ...],
    switching: tuple[model.SwitchingCost, ...],
) -> model.Rules:
    """Rules on categories count only where something of the category is asked for."""
    return model.Rules(
        max_vendors=rules.max_suppliers,
        max_vendors_per_practice=rules.max_suppliers_per_practice,
        max_vendors_per_category=tuple(
            (name, limit) for name, limit in rules.max_suppliers_per_category if name in categories
        ),
        forbid=forbid,
        commitments=tuple(
            model.Commitment(each.supplier, each.category, each.share)
            for each in rules.commitments
            if each.category in categories
        ),
        switching_cost=switching,
        split_lines=rules.split_lines,
    )


def demand_digest(instance: model.Instance) -> str:
    """The hash of what was to be solved, without the solver's limits."""
    parts = (
        instance.practices,
        instance.items,
        instance.demand,
        instance.vendors,
        instance.offers,
        instance.rules,
        instance.currency,
    )
    return content_hash(parts)


def _offer(offer: RoundOffer) -> model.Offer:
    return model.Offer(
        vendor=offer.supplier_id,
        item=offer.item_id,
        pack_units=offer.pack_units,
        tiers=tuple(model.Tier(packs, cents) for packs, cents in offer.tiers),
        max_packs=offer.max_packs,
        multiple=offer.multiple,
        tier_type="incremental" if offer.tier_type == "incremental" else "all_units",
        id=offer.offer_id,
    )


def _vendor(terms: RoundSupplier) -> model.Vendor:
    free_from = terms.free_shipping_from
    return model.Vendor(
        id=terms.supplier_id,
        min_order=_cents(terms.min_order),
        shipping=model.Shipping(
            _cents(terms.shipping_fee), None if free_from is None else _cents(free_from)
        ),
        spend_rebates=tuple(
            model.SpendRebate(_cents(Decimal(start)), int(Decimal(rate) * MILLION))
            for start, rate in terms.rebates.get("levels", ())
        ),
        related_party=terms.related_party,
    )


def names_of(session: ScopedSession, problem: RoundProblem) -> dict[str, str]:
    """Names by id of everything a sentence about the problem may speak of."""
    instance = problem.instance
    suppliers = {row.id: row.name for row in purchasing.suppliers(session)}
    items = {row.id: row.name for row in purchasing.items(session, [i.id for i in instance.items])}
    return {**suppliers, **items, **{p.id: p.name for p in instance.practices}}


def in_names(sentences: Sequence[str], names: dict[str, str]) -> str:
    """Sentences about an instance with names in place of ids."""
    words = " ".join(sentences)
    for key in sorted(names, key=len, reverse=True):
        words = words.replace(key, names[key]) if key in words else words
    return words


def _cents(amount: Decimal) -> int:
    return int(amount * 100)
