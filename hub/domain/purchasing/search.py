"""Greedy pooled buying and local search over lines, offers' tiers, orders and vendors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from hub.domain.purchasing.problem import Problem
from hub.domain.purchasing.state import Change, State

Stop = Callable[[], bool]

_WORTH_A_PASS = 500
"""A pass that saves less than one part in this many is the last one."""


def never() -> bool:
    """The stop that never comes."""
    return False


def greedy(problem: Problem, stop: Stop = never) -> State:
    """Each line at the offer that would be cheapest if everybody who can bought there.

    Shipping and rebates are not looked at; orders or rules broken are then mended, if they can
    be by moves of the local search. Every line must have an option.
    """
    chosen = []
    pooled = [
        offer.goods_at(packs) / max(1, packs)
        for offer, packs in zip(problem.offers, problem.reachable, strict=True)
    ]
    for options in problem.options:
        costs = [option.packs * pooled[option.offer] + option.switching for option in options]
        chosen.append(costs.index(min(costs)))
    state = State(problem, chosen)
    while state.violation and not stop() and _pass(state, stop, mend=True):
        pass
    return state


def improve(state: State, stop: Stop = never) -> State:
    """Move until a pass gains next to nothing or `stop()` says so; changes and gives `state`."""
    kept = True
    while kept and not stop():
        violation, cost = state.rank
        kept = _pass(state, stop)
        if state.violation == violation and (cost - state.cost) * _WORTH_A_PASS < cost:
            break
    return state


def _pass(state: State, stop: Stop, *, mend: bool = False) -> bool:
    """Try every move once; tells whether any was kept. `mend` keeps only fewer violations."""
    kept = False
    best = state.rank
    for moves in (_lines, _orders, _offers, _vendors):
        for changes in moves(state):
            if stop() or (mend and not best[0]):
                return kept
            if not changes:
                continue
            undo = state.move(changes)
            rank = state.rank
            if rank[0] < best[0] or (not mend and rank < best):
                best, kept = rank, True
            else:
                state.move(undo)
    return kept


def _lines(state: State) -> Iterator[list[Change]]:
    """Each line at each other option."""
    for line, options in enumerate(state.problem.options):
        for k in range(len(options)):
            if k != state.chosen[line]:
                yield [(line, k)]


def _orders(state: State) -> Iterator[list[Change]]:
    """Each practice and vendor: close the order, move everything there, or fill it up."""
    problem = state.problem
    lines_of: list[list[int]] = [[] for _ in problem.practices]
    for line, practice in enumerate(problem.practice_of):
        lines_of[practice].append(line)
    for practice, lines in enumerate(lines_of):
        for vendor, terms in enumerate(state.terms):
            here = [line for line in lines if state.vendor(line) == vendor]
            if here:
                for only_open in (True, False):
                    yield _away(state, here, vendor, practice if only_open else None)
            coming = _dearer(state, lines, vendor)
            yield [change for _, change in coming]
            yield [change for more, change in coming if more <= 0]
            goods = state.goods[practice * len(state.terms) + vendor]
            for goal in (terms.shipping.free_from, terms.min_order):
                if goal is not None and goods < goal:
                    yield _fill(state, coming, goal - goods)


def _offers(state: State) -> Iterator[list[Change]]:
    """Each offer: bring in just enough lines for each higher tier, or all of them, or none."""
    problem = state.problem
    users: list[list[int]] = [[] for _ in problem.offers]
    for line, options in enumerate(problem.options):
        for option in options:
            users[option.offer].append(line)
    for offer, lines in enumerate(users):
        coming = _dearer(state, lines, problem.vendor_of[offer], offer)
        for goal in problem.breaks[offer][1:]:
            if goal > state.packs[offer]:
                yield _fill(state, coming, goal - state.packs[offer], packs=True)
        yield [change for _, change in coming]
        yield _away(state, sorted(state.members[offer]), problem.vendor_of[offer], None)


def _vendors(state: State) -> Iterator[list[Change]]:
    """Each vendor: leave it, or bring in just enough for each higher rebate."""
    lines = range(len(state.problem.lines))
    for vendor, terms in enumerate(state.terms):
        yield _away(state, [n for n in lines if state.vendor(n) == vendor], vendor, None)
        coming = _dearer(state, lines, vendor)
        for level in terms.spend_rebates:
            if level.from_spend > state.spend[vendor]:
                yield _fill(state, coming, level.from_spend - state.spend[vendor])


def _away(state: State, lines: Iterable[int], vendor: int, practice: int | None) -> list[Change]:
    """Each line at its cheapest option elsewhere; with `practice`, only where it has an order.

    Empty when some line has nowhere to go.
    """
    problem, changes = state.problem, []
    for line in lines:
        costs = [
            (option.packs * state.price[option.offer] + option.switching, k)
            for k, option in enumerate(problem.options[line])
            if problem.vendor_of[option.offer] != vendor
            and (
                practice is None
                or state.count[practice * len(state.terms) + problem.vendor_of[option.offer]]
            )
        ]
        if not costs:
            return []
        changes.append((line, min(costs)[1]))
    return changes


def _dearer(
    state: State, lines: Iterable[int], vendor: int, offer: int | None = None
) -> list[tuple[int, Change]]:
    """Lines not at the vendor (or the offer) that could be, with what it adds, cheapest first."""
    problem, found = state.problem, []
    for line in lines:
        current = problem.options[line][state.chosen[line]]
        if current.offer == offer or (offer is None and problem.vendor_of[current.offer] == vendor):
            continue
        costs = [
            (option.packs * state.price[option.offer] + option.switching, k)
            for k, option in enumerate(problem.options[line])
            if problem.vendor_of[option.offer] == vendor and offer in (None, option.offer)
        ]
        if costs:
            cost, k = min(costs)
            found.append((cost - state.amount(line) - current.switching, (line, k)))
    return sorted(found)


def _fill(
    state: State, coming: list[tuple[int, Change]], need: int, *, packs: bool = False
) -> list[Change]:
    """The first of `coming` that add up to `need` cents (or packs); empty when they cannot."""
    changes = []
    for _, (line, k) in coming:
        if need <= 0:
            break
        option = state.problem.options[line][k]
        need -= option.packs if packs else option.packs * state.price[option.offer]
        changes.append((line, k))
    return changes if need <= 0 else []
