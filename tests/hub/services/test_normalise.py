"""Requisitions by file and from par levels: matched, reviewed, remembered, and nothing lost."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from hub.domain.agreements import practice_scope
from hub.domain.par_levels import Usage
from hub.domain.purchasing.requisition_file import read_requisition
from hub.errors import Conflict, NotFound, Rejected
from hub.services import normalise, par_levels
from hub.storage.tables import (
    Item,
    ItemMatch,
    JobRow,
    MatchSuggestion,
    Requisition,
    RequisitionEntry,
    RequisitionLine,
)

FILE = b"""gtin,manufacturer,part,description,quantity,unit
012345678905,,,,3,BX
,,,gauze,5,box
012345678904,,,gloves,1,BX
012345678905,,,,2,case
012345678905,,,,two,BX
012345678905,,,,7,EA
,,,,9,EA
"""


def upload(pool: Any, round_id: str, content: bytes = FILE, practice: str = "p1") -> str:
    requisition_id, _ = pool.work(
        lambda s: normalise.upload(
            s,
            practice_id=practice,
            round_id=round_id,
            lines=read_requisition(content),
            by="x",
            now=pool.now,
        ),
        practice_scope(practice),
    )
    return str(requisition_id)


def read(pool: Any, requisition_id: str, practice: str = "p1") -> Any:
    return pool.work(
        lambda s: normalise.read_entries(s, practice_id=practice, requisition_id=requisition_id),
        practice_scope(practice),
    )


def states(pool: Any) -> list[tuple[int, str, int | None]]:
    rows = sorted(pool.desk.rows(RequisitionEntry), key=lambda row: row.number)
    return [(row.number, row.state, row.units) for row in rows]


def demand(pool: Any) -> dict[str, int]:
    return {row.item_id: row.units for row in pool.desk.rows(RequisitionLine)}


def test_every_line_of_a_file_is_kept_and_what_is_certain_becomes_demand(pool: Any) -> None:
    requisition_id = upload(pool, pool.open())
    assert [state for _, state, _ in states(pool)] == ["received"] * 6 + ["rejected"]
    counts = read(pool, requisition_id)
    assert states(pool) == [
        (2, "matched", 30),
        (3, "needs_match", None),
        (4, "needs_match", None),
        (5, "needs_units", None),
        (6, "needs_units", None),
        (7, "matched", 7),
        (8, "rejected", None),
    ]
    assert demand(pool) == {"gloves": 37}
    assert (counts.matched, counts.needs_match, counts.needs_units, counts.rejected) == (2, 2, 2, 1)
    assert all(
        row.issue.endswith(".") for row in pool.desk.rows(RequisitionEntry) if row.units is None
    )
    assert [job.kind for job in pool.desk.rows(JobRow)] == ["requisitions.normalise_entries"]


def test_a_confirmed_match_counts_at_once_and_for_the_next_file(pool: Any) -> None:
    round_id = pool.open()
    requisition_id = upload(pool, round_id)
    read(pool, requisition_id)
    [waiting] = [row for row in pool.desk.rows(RequisitionEntry) if row.number == 3]
    suggested = pool.desk.rows(MatchSuggestion, entry_id=waiting.id)
    assert [(row.item_id, row.reasons) for row in suggested] == [
        ("gauze", ["Its name shares: gauze."])
    ]

    def decide(confirmed: bool, entry: str = waiting.id) -> None:
        pool.work(
            lambda s: normalise.decide_match(
                s,
                practice_id="p1",
                entry_id=entry,
                item_id="gauze",
                confirmed=confirmed,
                by="ann",
                now=pool.now,
            ),
            practice_scope("p1"),
        )

    decide(False)
    assert pool.desk.rows(MatchSuggestion, entry_id=waiting.id) == []
    decide(True)
    assert demand(pool) == {"gloves": 37, "gauze": 50}
    with pytest.raises(Conflict, match="waits for no match"):
        decide(True)
    with pytest.raises(NotFound):
        decide(True, "nobody")
    read(pool, upload(pool, round_id))
    assert demand(pool) == {"gloves": 37, "gauze": 50}
    assert pool.desk.one(ItemMatch).decided_by == "ann"


def test_a_practice_does_not_use_what_another_one_confirmed(pool: Any) -> None:
    pool.work(
        lambda s: s.add(
            ItemMatch(
                practice_id="p2",
                said="|||gauze",
                item_id="gauze",
                decision="confirmed",
                decided_by="x",
                decided_at=pool.now,
            )
        )
    )
    read(pool, upload(pool, pool.open()))
    assert demand(pool) == {"gloves": 37}


def test_a_stated_pack_converts_the_lines_that_waited_for_it(pool: Any) -> None:
    requisition_id = upload(pool, pool.open())
    read(pool, requisition_id)
    for unit, quantity, of_unit in (("case", 4, "BX"), ("BX", 10, "EA")):
        pool.work(
            lambda s, unit=unit, quantity=quantity, of_unit=of_unit: normalise.set_pack(
                s, item_id="gloves", unit=unit, quantity=quantity, of_unit=of_unit, now=pool.now
            )
        )
    read(pool, requisition_id)
    assert demand(pool) == {"gloves": 37 + 2 * 40}
    for bad in ({"unit": "EA"}, {"quantity": 0}, {"gtin": "012345678904"}):
        with pytest.raises(Rejected):
            pool.work(
                lambda s, bad=bad: normalise.set_pack(
                    s,
                    **{"item_id": "gloves", "unit": "CA", "quantity": 2, "of_unit": "BX", **bad},
                    now=pool.now,
                )
            )


def test_packs_on_which_suppliers_disagree_wait_for_a_person(pool: Any, offer_of: Any) -> None:
    offer, tier = offer_of("acme", "gauze", "9.00", id="other", pack_units=25)
    pool.work(lambda s: (s.add(offer), s.flush(), s.add(tier)))
    read(pool, upload(pool, pool.open(), b"quantity,unit,gtin\n2,BX,036000291452\n"))
    [entry] = pool.desk.rows(RequisitionEntry)
    assert (entry.state, entry.issue) == (
        "needs_units",
        "One BX may be 10 or 25 EA; the item's packs disagree.",
    )


def test_a_file_takes_the_place_of_what_was_stated_and_not_after_the_lock(pool: Any) -> None:
    round_id = pool.open()
    pool.want(round_id, "p1", gauze=10)
    requisition_id = upload(pool, round_id)
    assert demand(pool) == {}
    read(pool, requisition_id)
    assert demand(pool) == {"gloves": 37}
    pool.want(round_id, "p1", gauze=10)
    assert pool.desk.rows(RequisitionEntry) == []
    pool.plan(round_id)
    with pytest.raises(Conflict, match="locked"):
        upload(pool, round_id)
    read(pool, requisition_id)
    assert demand(pool) == {"gauze": 10}


def test_a_suggestion_is_demand_only_after_the_practice_submitted_it(pool: Any) -> None:
    round_id = pool.open()
    scope = practice_scope("p1")
    pool.work(
        lambda s: par_levels.set_levels(
            s,
            practice_id="p1",
            levels=[
                par_levels.Level("gloves", 95, 20, date(2026, 3, 1)),
                par_levels.Level("gauze", 5, 5),
            ],
            now=pool.now,
        ),
        scope,
    )
    usage = Usage("gauze", date(2026, 2, 1), 28, 56)
    pool.work(lambda s: par_levels.record_usage(s, practice_id="p1", usages=[usage]), scope)

    def suggest() -> str:
        found: str = pool.work(
            lambda s: par_levels.suggest(
                s, practice_id="p1", round_id=round_id, cover_days=30, by="x", now=pool.now
            ),
            scope,
        )
        return found

    requisition_id = suggest()
    assert demand(pool) == {"gloves": 80, "gauze": 60}
    pool.want(round_id, "p2", gloves=10)
    assert pool.desk.one(Requisition, practice_id="p1").status == "draft"
    pool.work(
        lambda s: par_levels.submit_draft(
            s, practice_id="p1", requisition_id=requisition_id, by="ann", now=pool.now
        ),
        scope,
    )
    with pytest.raises(Conflict, match="submitted"):
        suggest()
    assert {entry.source for entry in pool.desk.rows(RequisitionEntry)} == {"par_level"}
    assert pool.desk.one(Item, id="gloves").name == "Gloves"
    row = pool.plan(round_id)
    assert row.status == "solved"
