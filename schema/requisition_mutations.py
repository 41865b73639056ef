"""Mutations on demand: by hand, by file, from par levels; and the review of what is not certain."""

from __future__ import annotations

from hub.domain.par_levels import Usage
from hub.domain.purchasing.requisition_file import read_requisition
from hub.errors import NotFound, Rejected
from hub.services import normalise, par_levels, requisitions
from hub.storage.tables import RequisitionEntry
from schema.calls import MOST_LINES, at_most, caller, practice_of, round_of
from schema.mapping.mutate import Call, Mutation, Payload, row_id


def _submit(call: Call) -> Payload:
    lines = at_most(call.input["lines"], "lines")
    requisition_id = requisitions.submit_requisition(
        call.session,
        practice_id=practice_of(call),
        round_id=row_id(call.input["roundId"], "PurchasingRound"),
        lines=[(row_id(line["itemId"], "Item"), line["units"]) for line in lines],
        by=caller(call),
        now=call.now,
    )
    return {"requisition": requisition_id}


def _upload(call: Call) -> Payload:
    practice_id, round_id = practice_of(call), round_of(call)
    lines = read_requisition(call.input["csv"].encode())
    requisition_id, job_id = normalise.upload(
        call.session,
        practice_id=practice_id,
        round_id=round_id,
        lines=lines,
        by=caller(call),
        now=call.now,
    )
    return {"requisition": requisition_id, "job": str(job_id), "lineCount": len(lines)}


def _suggest(call: Call) -> Payload:
    requisition_id = par_levels.suggest(
        call.session,
        practice_id=practice_of(call),
        round_id=round_of(call),
        cover_days=call.input["coverDays"],
        by=caller(call),
        now=call.now,
    )
    return {"requisition": requisition_id}


def _submit_draft(call: Call) -> Payload:
    requisition_id = row_id(call.input["requisitionId"], "Requisition")
    par_levels.submit_draft(
        call.session,
        practice_id=practice_of(call),
        requisition_id=requisition_id,
        by=caller(call),
        now=call.now,
    )
    return {"requisition": requisition_id}


def _set_par_levels(call: Call) -> Payload:
    levels = [
        par_levels.Level(
            row_id(level["itemId"], "Item"),
            level["parUnits"],
            level.get("onHandUnits"),
            level.get("countedOn"),
        )
        for level in at_most(call.input["levels"], "levels")
    ]
    changed = par_levels.set_levels(
        call.session, practice_id=practice_of(call), levels=levels, now=call.now
    )
    return {"changedCount": changed}


def _record_usage(call: Call) -> Payload:
    usages = [
        Usage(row_id(usage["itemId"], "Item"), usage["startsOn"], usage["days"], usage["units"])
        for usage in at_most(call.input["usages"], "usages")
    ]
    kept = par_levels.record_usage(call.session, practice_id=practice_of(call), usages=usages)
    return {"keptCount": kept}


def _decide(call: Call) -> Payload:
    entry_id = row_id(call.input["entryId"], "RequisitionEntry")
    practice_id = practice_of(call)
    if call.session.get(RequisitionEntry, (practice_id, entry_id)) is None:
        raise NotFound(sought=entry_id)
    normalise.decide_match(
        call.session,
        practice_id=practice_id,
        entry_id=entry_id,
        item_id=row_id(call.input["itemId"], "Item"),
        confirmed=call.input["confirmed"],
        by=caller(call),
        now=call.now,
    )
    return {"entry": entry_id}


def _set_pack(call: Call) -> Payload:
    given = call.input
    if len(given["unit"]) > 20 or len(given["ofUnit"]) > 20:
        raise Rejected("A unit has at most 20 characters.", path="unit")
    pack_id = normalise.set_pack(
        call.session,
        item_id=row_id(given["itemId"], "Item"),
        unit=given["unit"],
        quantity=given["quantity"],
        of_unit=given["ofUnit"],
        gtin=given.get("gtin") or "",
        now=call.now,
    )
    return {"pack": pack_id}


INPUTS = {
    "RequisitionLineInput": {"itemId": "ID", "units": "int"},
    "ParLevelInput": {
        "itemId": "ID",
        "parUnits": "int",
        "onHandUnits": "int | None",
        "countedOn": "Date | None",
    },
    "ItemUsageInput": {"itemId": "ID", "startsOn": "Date", "days": "int", "units": "int"},
}

MUTATIONS: tuple[Mutation, ...] = (
    Mutation(
        "submitRequisition",
        {"roundId": "ID", "practiceId": "ID | None", "lines": "list[RequisitionLineInput]"},
        {"requisition": "Requisition"},
        _submit,
        help="State what a practice needs from a round; replaces what it stated before.",
    ),
    Mutation(
        "uploadRequisition",
        {"roundId": "ID", "practiceId": "ID | None", "csv": "str"},
        {"requisition": "Requisition", "job": "Job", "lineCount": "int"},
        _upload,
        help="State what a practice needs as CSV text with the headings quantity, unit, gtin, "
        "manufacturer, part, description; replaces what it stated before. The job matches the "
        "lines; each is kept as an entry, with a sentence where it waits for a person. Long files "
        "go through the command line.",
    ),
    Mutation(
        "suggestRequisition",
        {"roundId": "ID", "practiceId": "ID | None", "coverDays": "int"},
        {"requisition": "Requisition"},
        _suggest,
        help="Draft a requisition from par levels, counts, open orders and usage, for stock that "
        "is to last so many days. It counts after the practice submitted it.",
    ),
    Mutation(
        "submitSuggestedRequisition",
        {"requisitionId": "ID", "practiceId": "ID | None"},
        {"requisition": "Requisition"},
        _submit_draft,
        help="The practice has reviewed the draft; it becomes demand of the round.",
    ),
    Mutation(
        "setParLevels",
        {"practiceId": "ID | None", "levels": "list[ParLevelInput]"},
        {"changedCount": "int"},
        _set_par_levels,
        help=f"State par levels and counts in base units, at most {MOST_LINES} at once.",
    ),
    Mutation(
        "recordItemUsage",
        {"practiceId": "ID | None", "usages": "list[ItemUsageInput]"},
        {"keptCount": "int"},
        _record_usage,
        help="State what was used in some days; the same item and first day replaces it.",
    ),
    Mutation(
        "decideItemMatch",
        {"entryId": "ID", "practiceId": "ID | None", "itemId": "ID", "confirmed": "bool"},
        {"entry": "RequisitionEntry"},
        _decide,
        help="Say that a line that waits for a match means an item, or does not; remembered for "
        "the practice's next lines of the same words.",
    ),
    Mutation(
        "setItemPack",
        {"itemId": "ID", "unit": "str", "quantity": "int", "ofUnit": "str", "gtin": "str | None"},
        {"pack": "ItemPack"},
        _set_pack,
        mso_only=True,
        help="State how many of a smaller unit a pack of an item holds; lines that waited for it "
        "are read again.",
    ),
)
