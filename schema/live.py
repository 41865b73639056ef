"""Live fields: what only a vendor knows, asked once the rows are read and no transaction is open.

One call per field and level. A vendor that does not answer leaves null where its answer would
stand, and an error with the path to it; everything else is answered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hub.errors import HubError, NoAnswer
from hub.storage.reads.run import Pending

Path = tuple[str | int, ...]


class AskVendors(Protocol):
    """Asks questions, each by its name about some rows; handed in, because the schema knows no
    connector. The answers are aligned with questions and rows: a JSON value, or the failure to get
    one. Blocking, bounded in time for all of them together, and never raises."""

    def __call__(
        self, asked: Sequence[tuple[str, Sequence[Mapping[str, Any]]]]
    ) -> Sequence[Sequence[Any | HubError]]: ...


@dataclass(frozen=True, slots=True)
class FieldFailure:
    """Why a field is null: `path` of response keys and list indices."""

    error: HubError
    path: Path


def answer_live(
    pending: Sequence[Pending], ask: AskVendors | None, data: Mapping[str, Any]
) -> list[FieldFailure]:
    """Fill in what is pending in `data`; returns what could not be."""
    if not pending:
        return []
    asked = [(item.output.asks, item.rows) for item in pending]
    found = _nobody(asked) if ask is None else ask(asked)
    failed: dict[tuple[int, str], HubError] = {}
    for item, answers in zip(pending, found, strict=True):
        for written, answer in zip(item.objects, answers, strict=True):
            if isinstance(answer, HubError):
                failed[id(written), item.output.key] = answer
            else:
                written[item.output.key] = answer
    if not failed:
        return []
    return [
        FieldFailure(failed[id(owner), key], (*path, key))
        for path, owner in _objects(data, ())
        for key in owner
        if (id(owner), key) in failed
    ]


def _nobody(asked: Sequence[tuple[str, Sequence[Mapping[str, Any]]]]) -> list[list[HubError]]:
    return [[NoAnswer("No vendor can be asked here.") for _ in rows] for _, rows in asked]


def _objects(value: Any, path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Every object of an answer with its path. A row that stands in several places is one object
    with several paths."""
    if isinstance(value, Mapping):
        yield path, value
        for key, below in value.items():
            yield from _objects(below, (*path, key))
    elif isinstance(value, list):
        for place, below in enumerate(value):
            yield from _objects(below, (*path, place))
