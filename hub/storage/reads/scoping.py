"""The scope of a request, split like its parts: a shape that decides the SQL, and values bound to
it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from hub.domain.agreements import Domain, Scope
from hub.storage.reads.parts import Access, Source

DOMAINS = tuple(Domain)
_PLACE = {domain: place for place, domain in enumerate(DOMAINS)}
Sets = tuple[tuple[str, ...], ...]
"""The sets of practices a scope speaks of, each once and sorted."""


@dataclass(frozen=True, slots=True)
class ScopeShape:
    """What of a scope decides the SQL. Sets of practices go by their number in `Sets`: two domains
    with the same practices share one.

    With `consents` rows with a sensitivity label are shown by their patients' consent too; the
    moment is bound. In an `emergency` they are those of one patient, which is bound.
    `whole` and `readable` (whole or limited rows) are by domain; `limited` and `sensitive` (rows
    with a sensitivity label as well) too, None where no row is; `single` says of each set whether
    it has exactly one practice.
    """

    unrestricted: bool
    is_mso: bool
    has_own: bool
    consents: bool
    emergency: bool
    whole: tuple[int, ...]
    readable: tuple[int, ...]
    limited: tuple[int | None, ...]
    sensitive: tuple[int | None, ...]
    everywhere: int
    single: tuple[bool, ...]
    _hash: int = field(init=False, repr=False, compare=False)
    """Made once: every request looks its plan up by the shape of its scope."""

    def __post_init__(self) -> None:
        compared = (getattr(self, each.name) for each in fields(self) if each.compare)
        object.__setattr__(self, "_hash", hash(tuple(compared)))

    def __hash__(self) -> int:
        return self._hash

    def set_of(self, source: Source, *, full_rows: bool = False) -> int | None:
        """The practices whose rows of `source` may be read; None if all rows may be."""
        if self.unrestricted or source.access is Access.CATALOGUE:
            return None
        if source.domain is None:
            return self.everywhere
        return (self.whole if full_rows else self.readable)[_PLACE[source.domain]]

    def readable_set(self, domain: Domain) -> int:
        """The practices readable in a domain, whole or limited."""
        return self.readable[_PLACE[domain]]

    def sensitive_set(self, source: Source) -> int | None:
        """The practices whose rows of `source` with a sensitivity label may be read; None if it has
        no such rows, or none of them may be."""
        if not source.labelled or source.domain is None or self.unrestricted:
            return None
        return self.sensitive[_PLACE[source.domain]]

    def shows_labels(self, source: Source) -> bool:
        """True if some rows of `source` with a sensitivity label may be read."""
        return self.sensitive_set(source) is not None or self.asks_consents(source)

    def asks_consents(self, source: Source) -> bool:
        """True if consents decide about rows of `source`."""
        return self.consents and source.labelled and source.domain is not None

    def limited_set(self, source: Source) -> int | None:
        """The practices whose rows of `source` are read without identifiers."""
        return None if source.domain is None else self.limited[_PLACE[source.domain]]


def split(scope: Scope) -> tuple[ScopeShape, Sets]:
    """A scope as shape and sets."""
    numbers: dict[frozenset[str], int] = {}

    def number(practices: frozenset[str]) -> int:
        return numbers.setdefault(practices, len(numbers))

    none: frozenset[str] = frozenset()
    whole = tuple(number(scope.rows.get(domain, none)) for domain in DOMAINS)
    limited = [scope.limited.get(domain, none) for domain in DOMAINS]
    readable = whole
    if any(limited):
        readable = tuple(number(scope.practices(domain)) for domain in DOMAINS)
    everywhere = number(scope.all_practices())
    sensitive = [scope.sensitive_practices(domain) for domain in DOMAINS] if scope.sensitive else ()
    sensitive_numbers = tuple(number(ids) if ids else None for ids in sensitive)
    limited_numbers = tuple(number(ids) if ids else None for ids in limited)
    shape = ScopeShape(
        unrestricted=scope.unrestricted,
        is_mso=scope.is_mso,
        has_own=scope.own_practice_id is not None,
        consents=scope.consents_at is not None,
        emergency=scope.emergency is not None,
        whole=whole,
        readable=readable,
        limited=limited_numbers,
        sensitive=sensitive_numbers or (None,) * len(DOMAINS),
        everywhere=everywhere,
        single=tuple(len(practices) == 1 for practices in numbers),
    )
    return shape, tuple(tuple(sorted(practices)) for practices in numbers)
