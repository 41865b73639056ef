"""The rules of a round and who shares how: set while it is open, changed by a step later on."""

from __future__ import annotations

from datetime import datetime

from hub.domain.purchasing.round_rules import (
    RoundRules,
    check_rules,
    rules_in_words,
    rules_to_json,
    sharing_of,
)
from hub.domain.purchasing.rounds import RoundStatus, Step
from hub.errors import Conflict, NotFound
from hub.services.rounds import LONGEST_WHY, locked_round, stated, take
from hub.storage import bids, purchasing
from hub.storage.rounds import drop_proposal
from hub.storage.session import ScopedSession
from hub.storage.tables import PurchasingRound


def set_rules(
    session: ScopedSession,
    *,
    round_id: str,
    rules: RoundRules,
    allocation_rule: str | None = None,
    by: str,
    why: str,
    now: datetime,
) -> None:
    """Replace the rules a round buys by; every change is a step that says what holds from now on.

    A plan that waits for approval is withdrawn: the round is locked again and has to be solved.
    Conflict where the allocation rule would change after bids were asked for or a plan was made,
    and once a plan is approved. Rejected for rules that make no sense, NotFound for unknown
    suppliers.
    """
    row = locked_round(session, round_id)
    check_rules(rules)
    names = {supplier.id: supplier.name for supplier in purchasing.suppliers(session)}
    named = {each.supplier for each in rules.commitments} | set(rules.without_suppliers)
    for unknown in sorted(named - names.keys()):
        raise NotFound(sought=unknown)
    if allocation_rule is not None and allocation_rule != row.allocation_rule:
        _share_otherwise(session, row, allocation_rule)
    row.rules = rules_to_json(rules)
    reason = stated(why)
    stop = "" if reason.endswith((".", "!", "?")) else "."
    said = f"{reason}{stop} {rules_in_words(rules, names)}"[:LONGEST_WHY]
    step = Step.SET_RULES if row.status == RoundStatus.OPEN else Step.CHANGE_RULES
    take(session, row, step, by=by, why=said, now=now)
    drop_proposal(session, round_id)


def _share_otherwise(session: ScopedSession, row: PurchasingRound, allocation_rule: str) -> None:
    sharing_of(allocation_rule)
    if row.plan_version or bids.last_bid_round(session, row.id):
        raise Conflict("How savings are shared is fixed before bids open and plans are made.")
    row.allocation_rule = allocation_rule
