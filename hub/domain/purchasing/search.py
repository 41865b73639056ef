"""Greedy pooled buying and local search over lines, offers' tiers, orders and vendors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from hub.domain.purchasing.problem import Problem
from hub.domain.purchasing.state import Change, State

Stop = Callable[[], bool]

_WORTH_A_PASS = 500
"""A pass that saves less than one part in this many is the last one."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Who could buy where: `options[line][vendor]` are the line's options there; the lines that
    have any, by vendor, by practice and vendor, and by offer.
    """

    options: list[dict[int, list[int]]]
    of_vendor: list[list[int]]
    of_pair: list[list[int]]
    of_offer: list[list[int]]


def reach_of(problem: Problem) -> Reach:
    """Computed once for all passes."""
    width = len(problem.vendors)
    pairs = len(problem.practices) * width
    reach = Reach(
        [{} for _ in problem.lines],
        [[] for _ in range(width)],
        [[] for _ in range(pairs)],
        [[] for _ in problem.offers],
    )
    for line, options in enumerate(problem.options):
        there = reach.options[line]
        for k, option in enumerate(options):
            there.setdefault(problem.vendor_of[option.offer], []).append(k)
            reach.of_offer[option.offer].append(line)
        for vendor in there:
            reach.of_vendor[vendor].append(line)
            reach.of_pair[problem.practice_of[line] * width + vendor].append(line)
    return reach


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
    return mend(State(problem, chosen), stop)


def mend(state: State, stop: Stop = never) -> State:
    """Move while rules are broken and fewer can be; changes and gives `state`."""
    reach = reach_of(state.problem) if state.violation else None
    while reach and state.violation and not stop() and _pass(state, reach, stop, mend=True):
        pass
    return state


def improve(state: State, stop: Stop = never) -> State:
    """Move until a pass gains next to nothing or `stop()` says so; changes and gives `state`."""
    kept, reach = True, reach_of(state.problem)
    while kept and not stop():
        violation, cost = state.rank
        kept = _pass(state, reach, stop)
        if state.violation == violation and (cost - state.cost) * _WORTH_A_PASS < cost:
            break
    return state


def _pass(state: State, reach: Reach, stop: Stop, *, mend: bool = False) -> bool:
    """Try every move once; tells whether any was kept. `mend` keeps only fewer violations."""
    kept = False
    best = state.rank
    for moves in (_lines_of_small_orders if mend else _lines, _orders, _offers, _vendors):
        for changes in moves(state, reach):
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


def _lines(state: State, reach: Reach) -> Iterator[list[Change]]:
    """Each line at each other option that could pay, or any while a rule is broken."""
    problem = state.problem
    for line, options in enumerate(problem.options):
        for k, option in enumerate(options):
            if k == state.chosen[line]:
                continue
            least = option.packs * problem.prices[option.offer][-1] + option.switching
            if least < _worth_leaving(state, line) or state.violation:
                yield [(line, k)]


def _lines_of_small_orders(state: State, reach: Reach) -> Iterator[list[Change]]:
    """Lines out of orders below their minimum, or into them; any line if there are none."""
    problem, width, below = state.problem, len(state.terms), state.below
    anywhere = not any(below)
    for line, options in enumerate(problem.options):
        start = problem.practice_of[line] * width
        for k, option in enumerate(options):
            here = start + state.vendor(line)
            there = start + problem.vendor_of[option.offer]
            if k != state.chosen[line] and (anywhere or below[here] or below[there]):
                yield [(line, k)]


def _worth_leaving(state: State, line: int) -> int:
    """What the line costs where it is, the fee of the order it may be alone in included."""
    here = state.problem.options[line][state.chosen[line]]
    return state.amount(line) + here.switching + state.terms[state.vendor(line)].shipping.fee


def _orders(state: State, reach: Reach) -> Iterator[list[Change]]:
    """Each practice and vendor: close the order, move everything there, or fill it up."""
    width = len(state.terms)
    each = [terms.shipping.fee for terms in state.terms]
    fees = [
        sum(
            fee
            for fee, count in zip(each, state.count[start : start + width], strict=True)
            if count
        )
        for start in range(0, len(state.count), width)
    ]
    for pair, lines in enumerate(reach.of_pair):
        practice, vendor = divmod(pair, width)
        here = [line for line in lines if state.vendor(line) == vendor]
        if here:
            for only_open in (True, False):
                yield _away(state, here, vendor, practice if only_open else None)
        coming = _dearer(state, reach, lines, vendor)
        if state.violation or sum(more for more, _ in coming) < fees[practice]:
            yield [change for _, change in coming]
        yield [change for more, change in coming if more <= 0]
        terms, goods = state.terms[vendor], state.goods[pair]
        for goal in (terms.shipping.free_from, terms.min_order):
            if goal is not None and goods < goal:
                yield _fill(state, coming, goal - goods)


def _offers(state: State, reach: Reach) -> Iterator[list[Change]]:
    """Each offer: bring in just enough lines for each higher tier, or all of them, or none."""
    problem = state.problem
    for offer, lines in enumerate(reach.of_offer):
        coming = _dearer(state, reach, lines, problem.vendor_of[offer], offer)
        for goal in problem.breaks[offer][1:]:
            if goal > state.packs[offer]:
                yield _fill(state, coming, goal - state.packs[offer], packs=True)
        yield [change for _, change in coming]
        yield _away(state, sorted(state.members[offer]), problem.vendor_of[offer], None)


def _vendors(state: State, reach: Reach) -> Iterator[list[Change]]:
    """Each vendor: leave it, or bring in just enough for each higher rebate."""
    for vendor, terms in enumerate(state.terms):
        lines = reach.of_vendor[vendor]
        yield _away(state, [n for n in lines if state.vendor(n) == vendor], vendor, None)
        coming = _dearer(state, reach, lines, vendor)
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
    state: State, reach: Reach, lines: Sequence[int], vendor: int, offer: int | None = None
) -> list[tuple[int, Change]]:
    """Lines not at the vendor (or the offer) that could be, with what it adds, cheapest first."""
    problem, found = state.problem, []
    for line in lines:
        options = problem.options[line]
        current = options[state.chosen[line]]
        if current.offer == offer or (offer is None and problem.vendor_of[current.offer] == vendor):
            continue
        cost, k = min(
            (options[k].packs * state.price[options[k].offer] + options[k].switching, k)
            for k in reach.options[line][vendor]
            if offer in (None, options[k].offer)
        )
        here = current.packs * state.price[current.offer] + current.switching
        found.append((cost - here, (line, k)))
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
