"""Checks that personal data is declared where it is read."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from dataclasses import is_dataclass
from decimal import Decimal
from functools import cache
from typing import Any, get_args

from connectors.sdk.kit.model import check
from connectors.sdk.kit.record_checks import values_of
from connectors.sdk.kit.subject import Subject

_PERSONAL = re.compile(
    r"(^|_)(birth_date|deceased_at|ssn|tax_id|tax_id_last4|email|phone|telecoms?|address(es)?"
    r"|(family|given|preferred|legal|middle)_name|npi|member_id|account_number|routing_number"
    r"|compensation|rate|licen[cs]es?|passport|name_parts)$"
)
_OF_PERSONS = {"Person", "HumanName", "PatientReference"}
_NUMBER = re.compile(r"\b\d{3}-\d{2}-\d{4}\b")


@check(
    "source",
    "What says something of a person is declared, so that it is masked wherever a stream is shown.",
    "Add the field to `pii` of the stream's StreamSpec.",
)
def pii_fields_declared(subject: Subject) -> Iterator[str]:
    for spec in subject.specs:
        for name in sorted(_personal(spec.record) - set(spec.pii)):
            yield f"{spec.name}: {name} is personal and not in pii"
        for page in subject.whole(spec.name):
            for record in page.records:
                for path, value, _ in values_of(record.data):
                    top = path.partition(".")[0]
                    if top not in spec.pii and isinstance(value, str) and _NUMBER.search(value):
                        yield f"{spec.name}: {top} holds a social security number"


@cache
def _personal(record: type) -> frozenset[str]:
    """The fields of a record that are personal by their name, hold a record with such fields, or
    are amounts of one worker."""
    hints = typing.get_type_hints(record)
    of_worker = "worker_external_id" in hints
    return frozenset(
        name
        for name, hint in hints.items()
        if _PERSONAL.search(name)
        or any(map(_holds, _parts(hint)))
        or (of_worker and any(map(_counts, _parts(hint))))
    )


def _parts(hint: Any) -> Iterator[Any]:
    yield hint
    for part in get_args(hint):
        yield from _parts(part)


def _holds(part: Any) -> bool:
    if not (isinstance(part, type) and is_dataclass(part)):
        return False
    return part.__name__ in _OF_PERSONS or bool(_personal(part))


def _counts(part: Any) -> bool:
    if isinstance(part, type) and is_dataclass(part):
        hints = typing.get_type_hints(part).values()
        return any(_counts(inner) for hint in hints for inner in _parts(hint))
    return part is Decimal


CHECKS = (pii_fields_declared,)
