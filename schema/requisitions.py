"""Demand as it was stated and matched, packs of items, par levels and usage."""

from __future__ import annotations

from hub.domain.agreements import DataClass
from hub.storage import tables
from hub.storage.reads.parts import Access
from schema.mapping.declare import EQ, col, enum, many, one, stored

OPERATIONAL = DataClass.OPERATIONAL

requisition_entry = stored(
    "RequisitionEntry",
    table=tables.RequisitionEntry,
    root="requisitionEntries",
    order="number",
    help="A line as a practice stated it, and what became of it. NEEDS_MATCH and NEEDS_UNITS wait "
    "for a person.",
    fields={
        "number": col(OPERATIONAL, help="The line of the file."),
        "source": enum(OPERATIONAL, "RequisitionSource", ("hand", "file", "par_level", "carried")),
        "gtin": col(OPERATIONAL),
        "manufacturer": col(OPERATIONAL),
        "part": col(OPERATIONAL),
        "description": col(OPERATIONAL, help="As stated; for a suggestion, why this quantity."),
        "quantity": col(OPERATIONAL),
        "unit": col(OPERATIONAL),
        "state": enum(
            OPERATIONAL,
            "RequisitionEntryState",
            ("received", "matched", "needs_match", "needs_units", "rejected"),
        ),
        "issue": col(OPERATIONAL, help="What is wrong with the line, for a person to act on."),
        "matchedBy": col(OPERATIONAL, help="gtin, pack_gtin, part, reviewed or par_level."),
        "units": col(OPERATIONAL, help="Base units of the item."),
    },
    links={
        "practice": one("Practice", "practice_id"),
        "requisition": one("Requisition", "requisition_id"),
        "item": one("Item", "item_id"),
        "suggestions": many("MatchSuggestion", "entry_id", order="rank"),
    },
    filters={"practice": EQ, "requisition": EQ, "state": EQ},
    orders={"number": ("number",)},
)

match_suggestion = stored(
    "MatchSuggestion",
    table=tables.MatchSuggestion,
    node=False,
    order="rank",
    help="An item that a line may mean, and why.",
    fields={
        "rank": col(OPERATIONAL),
        "score": col(OPERATIONAL, help="0 to 100; it only orders the suggestions."),
        "reasons": col(OPERATIONAL),
    },
    links={"item": one("Item", "item_id")},
    orders={"rank": ("rank",)},
)

item_match = stored(
    "ItemMatch",
    table=tables.ItemMatch,
    root="itemMatches",
    help="What a person decided about how a practice names an item; used for its next lines.",
    fields={
        "said": col(OPERATIONAL, help="GTIN, maker, part and words of the description."),
        "decision": enum(OPERATIONAL, "ItemMatchDecision", ("confirmed", "refused")),
        "decidedBy": col(OPERATIONAL),
        "decidedAt": col(OPERATIONAL),
    },
    links={"practice": one("Practice", "practice_id"), "item": one("Item", "item_id")},
    filters={"practice": EQ},
)

item_pack = stored(
    "ItemPack",
    table=tables.ItemPack,
    access=Access.CATALOGUE,
    help="One step of an item's packs: a `unit` holds `quantity` of `ofUnit` (X12 unit codes).",
    fields={
        "unit": col(OPERATIONAL),
        "quantity": col(OPERATIONAL),
        "ofUnit": col(OPERATIONAL),
        "gtin": col(OPERATIONAL, help="The pack's own GTIN."),
    },
    links={"item": one("Item", "item_id")},
)

par_level = stored(
    "ParLevel",
    table=tables.ParLevel,
    root="parLevels",
    help="How much of an item a practice wants on its shelf and counted there, in base units.",
    fields={
        "parUnits": col(OPERATIONAL),
        "onHandUnits": col(OPERATIONAL),
        "countedOn": col(OPERATIONAL),
        "updatedAt": col(OPERATIONAL),
    },
    links={"practice": one("Practice", "practice_id"), "item": one("Item", "item_id")},
    filters={"practice": EQ, "item": EQ},
)

item_usage = stored(
    "ItemUsage",
    table=tables.ItemUsage,
    root="itemUsages",
    help="Base units of an item that a practice used in some days.",
    fields={
        "startsOn": col(OPERATIONAL),
        "days": col(OPERATIONAL),
        "units": col(OPERATIONAL),
    },
    links={"practice": one("Practice", "practice_id"), "item": one("Item", "item_id")},
    filters={"practice": EQ, "item": EQ},
    measures=("units", "days"),
)
