"""The fewest of many rules that clash.

First rules are left out while what remains still clashes. Then smaller sets are looked for by
implicit hitting sets: any clashing set has a rule in common with whatever had to be left out to
make the others hold, so that the smallest set which meets all of those found so far either clashes,
and is the answer, or shows another of them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

R = TypeVar("R", bound=Hashable)
Clash = Callable[[Sequence[R]], bool]
Over = Callable[[], bool]


def fewest(rules: Sequence[R], few: Sequence[R], clash: Clash[R], over: Over) -> list[R]:
    """A smallest set of `rules` that clashes, in their order; `few` is one that does.

    `clash` tells whether some of them do; a set that clashes does so with more rules in it. Once
    `over` answers True `clash` need not tell the truth, and the smallest set found is returned.
    """
    found = _irreducible(list(few), clash)
    left_out: list[tuple[R, ...]] = []
    while len(found) > 1 and not over():
        hit = _meeting(left_out, len(found) - 1, over)
        if hit is None:
            break
        chosen = [rule for rule in rules if rule in hit]
        if clash(chosen):
            return chosen
        held = set(_most_that_hold(rules, chosen, clash))
        left_out.append(tuple(rule for rule in rules if rule not in held))
    return found


def _irreducible(rules: list[R], clash: Clash[R]) -> list[R]:
    """Drop chunks of rules, halving the chunk, while what remains still clashes."""
    size = max(1, len(rules) // 2)
    while True:
        at = 0
        while at < len(rules):
            fewer = rules[:at] + rules[at + size :]
            if clash(fewer):
                rules = fewer
            else:
                at += size
        if size == 1:
            return rules
        size //= 2


def _most_that_hold(rules: Sequence[R], chosen: Sequence[R], clash: Clash[R]) -> list[R]:
    """`chosen` with as many others as still hold together, added in chunks that are halved."""
    held, others = list(chosen), [rule for rule in rules if rule not in set(chosen)]
    size = len(others)
    while others and size:
        at = 0
        while at < len(others):
            more = others[at : at + size]
            if clash([*held, *more]):
                at += size
            else:
                held += more
                others = others[:at] + others[at + size :]
        size //= 2
    return held


def _meeting(left_out: Sequence[tuple[R, ...]], most: int, over: Over) -> frozenset[R] | None:
    """A smallest set, of at most that many, that has a rule of each; None if there is none."""
    for size in range(most + 1):
        found = _meeting_with(left_out, size, over)
        if found is not None:
            return found
    return None


def _meeting_with(left_out: Sequence[tuple[R, ...]], size: int, over: Over) -> frozenset[R] | None:
    if not left_out:
        return frozenset()
    if size == 0 or over():
        return None
    for rule in min(left_out, key=len):
        rest = [each for each in left_out if rule not in each]
        found = _meeting_with(rest, size - 1, over)
        if found is not None:
            return found | {rule}
    return None
