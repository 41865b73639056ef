"""What several mutations ask of their call: the practice they are for, the round they name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hub.domain.agreements import Domain
from hub.errors import NotFound, Rejected
from hub.storage.tables import PurchasingRound
from schema.mapping.mutate import Call, row_id

MOST_LINES = 1000
NO_JOB = 0
"""The id of no job; a payload shows null for it."""


def practice_of(call: Call) -> str:
    """The practice a mutation on supplies is for: an app's own, or the one an MSO app names.

    Raises NotFound for a practice whose supplies the caller may not write.
    """
    scope, named = call.context.scope, call.input.get("practiceId")
    practice_id = scope.own_practice_id if named is None else row_id(named, "Practice")
    if practice_id is None:
        raise Rejected("An MSO app names the practice.", path="practiceId")
    if practice_id not in scope.rows.get(Domain.SUPPLY, frozenset()):
        raise NotFound(sought=practice_id)
    return practice_id


def round_of(call: Call) -> str:
    """The id of the round a mutation names. Raises NotFound."""
    round_id = row_id(call.input["roundId"], "PurchasingRound")
    if call.session.get(PurchasingRound, round_id) is None:
        raise NotFound(sought=round_id)
    return round_id


def caller(call: Call) -> str:
    """The name under which a step is kept."""
    return call.context.principal.name


def at_most(lines: Sequence[Any], path: str) -> Sequence[Any]:
    """A list of an input, if it is not too long."""
    if len(lines) > MOST_LINES:
        raise Rejected(f"At most {MOST_LINES} lines at once.", path=path)
    return lines


def object_of(given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An input of JSON that is an object, empty if it is left out."""
    found = given.get(name)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise Rejected("Settings are an object.", path=name)
    return found
