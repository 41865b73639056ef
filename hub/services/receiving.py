"""What follows a document about an order: invoices matched, shortfalls noted, the round moved on.

All of it is derived anew from everything known, so that the order in which documents arrive makes
no difference. A person's decision stands until the findings it was made on change.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from hub.domain.content import content_hash
from hub.domain.purchasing.rounds import RoundStatus, Step
from hub.domain.supply import OrderToPlace
from hub.domain.supply_facts import Fact, merge, packs_of
from hub.domain.supply_three_way import InvoiceMatch, Tolerance, match_all
from hub.errors import Conflict, Forbidden, NotFound, Rejected
from hub.services import savings
from hub.services.records import money
from hub.services.rounds import stated, take
from hub.storage import orders, purchasing
from hub.storage import receiving as store
from hub.storage.session import ScopedSession
from hub.storage.tables import InvoiceMatch as MatchRow
from hub.storage.tables import MatchFinding, PurchaseOrder, Shortfall, Supplier, new_id


def follow_up(
    session: ScopedSession,
    order: PurchaseOrder,
    placed: OrderToPlace,
    facts: Sequence[Fact],
    now: datetime,
) -> None:
    """Derive matches and shortfalls of an order whose ledger is up to date."""
    supplier = session.get_one(Supplier, order.supplier_id)
    tolerance = Tolerance(supplier.match_price_percent, supplier.match_total)
    known = store.matches(session, order)
    for match in match_all(placed, order.shipping, facts, tolerance):
        _keep_match(session, order, known.get(match.document), match)
    _note_shortfalls(session, order, merge(facts))
    if any(fact.kind in {"invoiced", "credited"} for fact in facts):
        savings.realise(session, order, facts, now)
    if any(fact.kind in {"shipped", "received"} for fact in facts):
        round_ = purchasing.get_round(session, order.round_id, locked=True)
        if round_ is not None and round_.status == RoundStatus.ORDERED:
            take(session, round_, Step.RECEIVE, now=now)


def _keep_match(
    session: ScopedSession, order: PurchaseOrder, row: MatchRow | None, match: InvoiceMatch
) -> None:
    digest = content_hash(match.findings)
    if row is None:
        row = MatchRow(
            id=new_id(),
            practice_id=order.practice_id,
            order_id=order.id,
            document=match.document,
            decision="none",
            digest="",
        )
        session.add(row)
    row.state, row.total = match.state, match.total
    row.credited, row.at_stake = match.credited, match.at_stake
    if row.digest != digest:
        row.digest, row.decision, row.decided_by, row.why = digest, "none", "", ""
        row.decided_at = None
        session.flush()
        store.drop_findings(session, row)
        session.add_all(
            MatchFinding(
                practice_id=order.practice_id,
                match_id=row.id,
                position=position,
                code=finding.code,
                line=finding.line,
                at_stake=finding.at_stake,
                sentence=finding.sentence,
            )
            for position, finding in enumerate(match.findings, start=1)
        )
    session.flush()


def _note_shortfalls(session: ScopedSession, order: PurchaseOrder, facts: Sequence[Fact]) -> None:
    """One row per line and reason. What we cancelled ourselves is none; what a supplier takes back
    or ships after all goes, unless something was done about it."""
    known = store.shortfalls(session, order)
    for line in orders.lines_of(session, order):
        ours = order.cancel_requested_at is not None or order.send_state in {"pending", "refused"}
        withdrawn = packs_of(facts, "cancelled", line.number)
        still_due = line.packs - line.rejected - line.cancelled - line.shipped
        missing = {
            "rejected": line.rejected,
            "cancelled": 0 if ours else line.cancelled - withdrawn,
            "backordered": max(0, min(line.backordered, still_due)),
            "substituted": line.accepted if line.status == "substituted" else 0,
        }
        for reason, packs in missing.items():
            row = known.get((line.number, reason))
            if row is not None and row.state != "open":
                continue
            if row is None and packs:
                row = Shortfall(
                    practice_id=order.practice_id,
                    order_id=order.id,
                    line=line.number,
                    item_id=line.item_id,
                    reason=reason,
                    state="open",
                )
                session.add(row)
            if row is not None and packs:
                row.packs, row.units = packs, packs * line.units // line.packs
                row.planned_cost = packs * line.price
            elif row is not None:
                session.delete(row)
    session.flush()


def decide_match(
    session: ScopedSession,
    *,
    practice_id: str,
    match_id: str,
    accept: bool,
    why: str,
    by: str,
    now: datetime,
) -> None:
    """Accept an invoice with its findings, or dispute it with the supplier; the practice's word, or
    the MSO's where that is delegated. Conflict for an invoice without findings."""
    row = session.get(MatchRow, (practice_id, match_id), with_for_update=True)
    if row is None:
        raise NotFound(sought=match_id)
    require_decision(session, practice_id)
    if row.state not in {"exception", "settled"}:
        raise Conflict("The invoice has no findings to decide on.")
    row.decision = "accepted" if accept else "disputed"
    row.why, row.decided_by, row.decided_at = stated(why), by, now
    session.flush()


def require_decision(session: ScopedSession, practice_id: str) -> None:
    """Forbidden unless this principal decides for the practice: its own app, or the MSO's where the
    agreement delegates it."""
    scope = session.scope
    mine = {scope.own_practice_id} if scope.own_practice_id else set(scope.delegated_approval)
    if practice_id not in mine:
        raise Forbidden("The practice decides on its own orders; it has not delegated that.")


def set_tolerance(
    session: ScopedSession, *, supplier_id: str, price_percent: Decimal, total: Decimal
) -> None:
    """What the match of a supplier's invoices lets through from now on. NotFound, or Rejected for
    what is no tolerance."""
    row = session.get(Supplier, supplier_id)
    if row is None:
        raise NotFound(sought=supplier_id)
    if not 0 <= price_percent <= 100 or not 0 <= total <= 10_000:
        raise Rejected("A tolerance is 0 to 100 percent of the price and 0 to 10000 of the total.")
    row.match_price_percent, row.match_total = price_percent, money(total, "total")
    session.flush()
