"""A bounded store of what is expensive to make."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")
MET = 2_000
"""So many keys that were asked for once are known by their hashes."""


class Kept(Generic[T]):
    """What was not used for longest goes first, once all together weigh more than `room`.

    With `again` a thing is kept from the second time on that it is asked for: what comes once and
    never again takes no memory, and drives nothing out.
    """

    def __init__(
        self,
        room: int,
        weigh: Callable[[Any, T], int] = lambda key, made: 1,
        *,
        again: bool = False,
    ) -> None:
        self._room, self._weigh, self._again = room, weigh, again
        self._kept: OrderedDict[Hashable, T] = OrderedDict()
        self._weight = 0
        self._met: OrderedDict[int, None] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._kept

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """What is kept under `key`, made if need be; what `make` raises is not kept."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
        made = make()
        with self._lock:
            if key not in self._kept and (not self._again or self._was_met(key)):
                self._keep(key, made)
        return made

    def _was_met(self, key: Hashable) -> bool:
        """Whether it was made before; a hash stands for it, so that this takes little."""
        if hash(key) in self._met:
            del self._met[hash(key)]
            return True
        self._met[hash(key)] = None
        if len(self._met) > MET:
            self._met.popitem(last=False)
        return False

    def _keep(self, key: Hashable, made: T) -> None:
        self._kept[key] = made
        self._weight += self._weigh(key, made)
        while self._weight > self._room:
            oldest = self._kept.popitem(last=False)
            self._weight -= self._weigh(*oldest)
