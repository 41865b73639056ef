"""How fresh an answer is: up to which moment the hub holds what the connections behind it gave.

Asked for with `extensions.freshness: true`, or as a condition with `extensions.maxAgeSeconds`; who
asks for neither pays nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from hub.domain.agreements import Domain
from hub.errors import Stale
from hub.storage import freshness
from hub.storage.reads.write import global_id, timestamp
from hub.storage.tables import Base, PracticeOwned, Sourced
from schema.context import Context
from schema.execute import Prepared

_TABLES = {mapper.class_.__tablename__: mapper.class_ for mapper in Base.registry.mappers}
_SUPPLY = frozenset(
    {
        "items",
        "suppliers",
        "offers",
        "offer_tiers",
        "purchase_orders",
        "purchase_order_lines",
        "order_documents",
    }
)


def kinds_feeding(nouns: Collection[str]) -> set[str]:
    """The kinds of connectors that fill some tables by themselves. Payers are asked one by one;
    each check of eligibility says when it was answered."""
    return {kind for kind in map(_kind_feeding, nouns) if kind is not None}


def _kind_feeding(noun: str) -> str | None:
    if noun in _SUPPLY:
        return "supply"
    table = _TABLES[noun]
    if issubclass(table, PracticeOwned) and table.domain is Domain.PAYROLL:
        return "payroll"
    return "ehr" if issubclass(table, Sourced) else None


@dataclass(frozen=True, slots=True)
class Freshness:
    """One source of an answer: a connection's global id; `as_of` is null if not all it offers was
    ever read."""

    source: str
    as_of: str | None
    lag_seconds: int | None

    def shown(self) -> dict[str, Any]:
        return {"source": self.source, "asOf": self.as_of, "lagSeconds": self.lag_seconds}


def freshness_of(context: Context, prepared: Prepared) -> list[Freshness]:
    """The connections behind what a query reads that serve practices in its scope. Read before the
    answer is made, so that the answer is at least as fresh. Blocking."""
    nouns = prepared.plan.read.nouns if prepared.plan is not None else frozenset[str]()
    kinds = kinds_feeding(nouns)
    connectors = [entry["id"] for entry in context.connectors if entry["kind"] in kinds]
    if not connectors:
        return []
    practices = sorted(set().union(*context.scope_parts[1]))
    now = context.now()
    with context.read() as session:
        found = freshness.as_of(session, connectors, practices)
    return [
        Freshness(
            global_id("Connection", item.connection_id),
            None if item.moment is None else timestamp(item.moment),
            None if item.moment is None else max(0, int((now - item.moment).total_seconds())),
        )
        for item in found
    ]


def refuse_stale(sources: Sequence[Freshness], max_age_seconds: int) -> None:
    """Raises Stale naming the first source that is older than asked for."""
    for item in sources:
        if item.lag_seconds is None:
            raise Stale(
                f"The source {item.source} was never read completely; `syncConnection` reads one "
                "in streams."
            )
        if item.lag_seconds > max_age_seconds:
            raise Stale(
                f"The data of the source {item.source} is {item.lag_seconds} seconds old; "
                "`syncConnection` reads one in streams anew."
            )
