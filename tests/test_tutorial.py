"""Every query of the tutorial is run, and its answer has the shape that the page shows."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hub.domain.agreements import Domain
from hub.storage import tables
from hub.storage.reads.write import read_global_id

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "tutorial" / "ten-queries.md"
BLOCK = re.compile(r"^```(\w+)(?: (\w+))?\n(.*?)^```", re.MULTILINE | re.DOTALL)
PLACEHOLDER = re.compile(r'"<(\w+)>"')


def _schema_fixtures() -> ModuleType:
    path = ROOT / "tests" / "schema" / "conftest.py"
    spec = importlib.util.spec_from_file_location("tutorial_world", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


world = _schema_fixtures().world


@dataclass
class Step:
    """A query of the page, whose key it uses, its variables and the answer shown."""

    who: str
    query: str
    variables: str
    answer: Any


def steps(page: str) -> list[Step]:
    found: list[Step] = []
    for language, word, text in BLOCK.findall(page):
        if language == "graphql":
            found.append(Step(word, text, "{}", None))
        elif language == "json" and word == "variables":
            found[-1].variables = text
        elif language == "json":
            found[-1].answer = json.loads(text)
    return found


def same_shape(shown: Any, actual: Any) -> bool:
    """The same keys, types and emptiness; a list is shown by its first elements."""
    if isinstance(shown, dict):
        keys = isinstance(actual, dict) and list(shown) == list(actual)
        return keys and all(same_shape(shown[key], actual[key]) for key in shown)
    if isinstance(shown, list):
        if not isinstance(actual, list) or len(actual) < len(shown) or bool(actual) != bool(shown):
            return False
        return all(same_shape(*pair) for pair in zip(shown, actual, strict=False))
    return shown == actual if not isinstance(shown, str) else _same_text(shown, actual)


def _same_text(shown: str, actual: Any) -> bool:
    return isinstance(actual, str) and (shown == "…" or shown == actual)


def remember(answer: Any, known: dict[str, str]) -> None:
    """The ids (by type) and cursors that placeholders of later queries stand for."""
    if isinstance(answer, list):
        for item in reversed(answer):
            remember(item, known)
    if isinstance(answer, dict):
        for key, value in answer.items():
            if key == "id" and (found := read_global_id(value)):
                known[found[0]] = value
            elif key == "endCursor":
                known[key] = value
            else:
                remember(value, known)


def seed(world: Any) -> dict[str, Any]:
    """The little world of the page, and an app of each kind."""
    practice = world.practice("Cedar Family Medicine")
    for domain in Domain:
        world.agreement(practice, domain)
    world.visits(practice, world.patients(practice, 3), each=1)
    connection = tables.Connection(
        id=tables.new_id(),
        name="Brightwell",
        connector_id="supply_rest",
        config={},
        created_at=world.now,
    )
    supplier = tables.Supplier(id=tables.new_id(), name="Brightwell", connection_id=connection.id)
    item = tables.Item(
        id=tables.new_id(), gtin="00614141000012", name="Nitrile gloves M", category="gloves"
    )
    offer = tables.Offer(
        id=tables.new_id(),
        supplier_id=supplier.id,
        item_id=item.id,
        external_id="1",
        vendor_part="G-100",
        pack_units=100,
        pack_unit_code="BX",
        updated_at=world.now,
    )
    tier = tables.OfferTier(offer_id=offer.id, from_packs=1, price=Decimal("12.50"))
    world.add(connection, supplier, item, offer, tier)
    return {"practice": world.app(practice), "mso": world.mso()}


def test_every_query_of_the_tutorial_answers_as_the_page_shows(world):
    apps, known = seed(world), dict[str, str]()
    listed = steps(PAGE.read_text(encoding="utf-8"))
    for step in listed:
        filled = PLACEHOLDER.sub(lambda match: f'"{known[match[1]]}"', step.variables)
        answer = apps[step.who].data(step.query, **json.loads(filled))
        assert same_shape(step.answer, answer), f"{step.query}\n{json.dumps(answer, indent=1)}"
        remember(answer, known)
    assert len(listed) >= 10


def test_the_page_has_ten_numbered_sections():
    headings = re.findall(r"^## (\d+)\. ", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == [str(number) for number in range(1, 11)]


@pytest.mark.parametrize(
    ("shown", "actual", "same"),
    [
        ({"a": "…"}, {"a": "x"}, True),
        ({"a": "x"}, {"a": "y"}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ([1], [1, 2], True),
        ([1], [], False),
        ([], [1], False),
        ({"a": None}, {"a": 1}, False),
        ("…", 1, False),
    ],
)
def test_a_wrong_shape_is_recognised(shown, actual, same):
    assert same_shape(shown, actual) is same
