"""The states of a purchasing round and the steps between them.

open → locked → (bidding → locked) → solving → solved → approved → ordered → receiving → closed.
A rejected plan goes back to locked, a reopened round to open; nothing leaves ordered but by
receiving and closing. The rules are data, so that every refusal can say what would be possible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from hub.domain.purchasing.round_rules import DEFAULT_ALLOCATION
from hub.errors import Conflict


class RoundStatus(StrEnum):
    """`LOCKED`: demand is fixed. `SOLVED`: a plan waits for the practices. `RECEIVING`: goods of
    its orders are on the way or there."""

    OPEN = "open"
    LOCKED = "locked"
    BIDDING = "bidding"
    SOLVING = "solving"
    SOLVED = "solved"
    INFEASIBLE = "infeasible"
    APPROVED = "approved"
    ORDERED = "ordered"
    RECEIVING = "receiving"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class Step(StrEnum):
    """What may be done to a round; the word is kept with who did it and why."""

    OPEN = "open"
    SET_RULES = "set_rules"
    CHANGE_RULES = "change_rules"
    LOCK = "lock"
    INVITE_BIDS = "invite_bids"
    CLOSE_BIDDING = "close_bidding"
    SOLVE = "solve"
    KEEP_PLAN = "keep_plan"
    FIND_NO_PLAN = "find_no_plan"
    ASK_TO_STOP = "ask_to_stop"
    STOP_SOLVING = "stop_solving"
    APPROVE = "approve"
    SEND_BACK = "send_back"
    LEAVE_OUT = "leave_out"
    RELEASE_ORDERS = "release_orders"
    RECEIVE = "receive"
    CLOSE = "close"
    REOPEN = "reopen"
    CANCEL = "cancel"


_PLANNABLE = frozenset({RoundStatus.LOCKED, RoundStatus.SOLVED, RoundStatus.INFEASIBLE})
_BEFORE_APPROVAL = _PLANNABLE | {RoundStatus.BIDDING}

TRANSITIONS: Mapping[Step, tuple[frozenset[RoundStatus], RoundStatus]] = {
    Step.SET_RULES: (frozenset({RoundStatus.OPEN}), RoundStatus.OPEN),
    Step.CHANGE_RULES: (_PLANNABLE, RoundStatus.LOCKED),
    Step.LOCK: (frozenset({RoundStatus.OPEN}), RoundStatus.LOCKED),
    Step.INVITE_BIDS: (_PLANNABLE, RoundStatus.BIDDING),
    Step.CLOSE_BIDDING: (frozenset({RoundStatus.BIDDING}), RoundStatus.LOCKED),
    Step.SOLVE: (_PLANNABLE, RoundStatus.SOLVING),
    Step.KEEP_PLAN: (frozenset({RoundStatus.SOLVING}), RoundStatus.SOLVED),
    Step.FIND_NO_PLAN: (frozenset({RoundStatus.SOLVING}), RoundStatus.INFEASIBLE),
    Step.ASK_TO_STOP: (frozenset({RoundStatus.SOLVING}), RoundStatus.SOLVING),
    Step.STOP_SOLVING: (frozenset({RoundStatus.SOLVING}), RoundStatus.LOCKED),
    Step.APPROVE: (frozenset({RoundStatus.SOLVED}), RoundStatus.APPROVED),
    Step.SEND_BACK: (frozenset({RoundStatus.SOLVED}), RoundStatus.LOCKED),
    Step.LEAVE_OUT: (frozenset({RoundStatus.SOLVED}), RoundStatus.LOCKED),
    Step.RELEASE_ORDERS: (frozenset({RoundStatus.APPROVED}), RoundStatus.ORDERED),
    Step.RECEIVE: (frozenset({RoundStatus.ORDERED}), RoundStatus.RECEIVING),
    Step.CLOSE: (frozenset({RoundStatus.ORDERED, RoundStatus.RECEIVING}), RoundStatus.CLOSED),
    Step.REOPEN: (_BEFORE_APPROVAL, RoundStatus.OPEN),
    Step.CANCEL: (_BEFORE_APPROVAL | {RoundStatus.OPEN}, RoundStatus.CANCELLED),
}
"""Step → the states it may be taken in, and the state it leads to."""


def after(status: str, step: Step) -> RoundStatus:
    """The state that `step` leads to; Conflict, saying what is possible instead, if it is not one
    for a round in this `status`."""
    sources, target = TRANSITIONS[step]
    if status in sources:
        return target
    possible = sorted(s.value for s, (froms, _) in TRANSITIONS.items() if status in froms)
    instead = f"possible: {', '.join(possible)}" if possible else "nothing more is possible"
    raise Conflict(f"The round is {status}; the step {step.value} is not possible now ({instead}).")


@dataclass(frozen=True, slots=True)
class RoundTerms:
    """What a round is opened with: until when (aware) practices state their demand, which
    categories of items it buys (empty: all), and how what pooling brings is shared."""

    requisitions_until: datetime | None = None
    categories: tuple[str, ...] = ()
    allocation_rule: str = DEFAULT_ALLOCATION

    def in_window(self, now: datetime) -> bool:
        """True while requisitions may still come."""
        return self.requisitions_until is None or now <= self.requisitions_until

    def buys(self, category: str) -> bool:
        """True for a category of this round."""
        return not self.categories or category in self.categories


@dataclass(frozen=True, slots=True)
class AwardedLine:
    """A line, or a part of one, as a practice approved it: `price` per pack."""

    packs: int
    price: Decimal


def still_holds(
    approved: Mapping[tuple[str, str], AwardedLine],
    approved_pays: Decimal,
    planned: Mapping[tuple[str, str], AwardedLine],
    planned_pays: Decimal,
) -> bool:
    """True if what a practice approved covers a later plan (both by item and offer): the same
    offers and packs, no price higher, and the practice pays no more."""
    return (
        approved.keys() == planned.keys()
        and planned_pays <= approved_pays
        and all(
            line.packs == approved[key].packs and line.price <= approved[key].price
            for key, line in planned.items()
        )
    )
