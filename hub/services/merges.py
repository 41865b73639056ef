"""Merges of patients and their undoing (HL7 v2.5.1 §3.3, A40 and A37)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from hub.domain.patients import Identifier, PatientMerge, PatientUnmerge
from hub.domain.patients_matching import decide_merge, matches, same_identifier, usable
from hub.domain.records import Record
from hub.domain.sensitivity import label_for_all
from hub.errors import Rejected
from hub.services import consents
from hub.services.patients import apply_patient, learn, report_conflict
from hub.services.records import ApplyContext, Outcome, content_of, refuse_delete, strongest
from hub.storage import labels, patients
from hub.storage import merges as store
from hub.storage.session import ScopedSession


def apply_merge(session: ScopedSession, context: ApplyContext, record: Record) -> Outcome:
    """Link the prior patient to the survivor, once; Rejected where a person must decide.

    An unknown survivor is created; an unknown prior becomes another identifier of the survivor.
    """
    merge = content_of(record, PatientMerge)
    refuse_delete(record)
    prior = usable(merge.prior)
    survivor = tuple(
        identifier
        for identifier in usable(merge.survivor.identifiers)
        if not any(same_identifier(identifier, other) for other in prior)
    )
    if not prior or not survivor:
        raise Rejected(
            "A merge needs an identifier of the survivor and another one of the prior patient.",
            reason="merge_without_identifiers",
            path="MRG-1",
        )
    cleared = _renumbered(record.cleared, merge.survivor.identifiers, survivor)
    data = replace(merge.survivor, identifiers=survivor)
    described = replace(record, data=data, cleared=cleared)
    outcome = apply_patient(session, context, described)
    return strongest((outcome, _merge(session, context, record, survivor, prior)))


def _renumbered(
    cleared: Sequence[str], stated: Sequence[Identifier], kept: Sequence[Identifier]
) -> tuple[str, ...]:
    """What is cleared of identifiers, by their places among those that are kept."""
    others = [name for name in cleared if not name.startswith("identifiers[")]
    places = {f"identifiers[{stated.index(one) + 1}].": at for at, one in enumerate(kept, start=1)}
    for name in cleared:
        start, _, date = name.partition(".")
        if f"{start}." in places:
            others.append(f"identifiers[{places[f'{start}.']}].{date}")
    return tuple(others)


def _merge(
    session: ScopedSession,
    context: ApplyContext,
    record: Record,
    survivor: Sequence[Identifier],
    prior: Sequence[Identifier],
) -> Outcome:
    practice = context.practice
    session.flush()
    holders = patients.find_holders(session, practice, [*survivor, *prior])
    survivor_chain = patients.merge_chain(session, practice, matches(survivor, holders)[0])
    found = matches(prior, holders)
    if not found:
        kept = patients.get(session, practice, survivor_chain[-1])
        patients.add_identifiers(session, practice, kept.id, prior, label=kept.sensitivity)
        return Outcome.CHANGED
    prior_chain = patients.merge_chain(session, practice, found[0])
    report_conflict(session, context, found, path="MRG-1")
    decision = decide_merge(survivor_chain, prior_chain)
    if decision == "already_merged":
        _report_same(context, survivor_chain[0], found[0])
        return Outcome.UNCHANGED
    if decision != "link":
        raise Rejected(
            "The merge contradicts an earlier one; undo that one first if this one is right.",
            reason=f"merge_{decision}",
            path="MRG-1",
        )
    # Not later than we were told: by a clock that is ahead, what comes now would be before it.
    merged_at = min(record.occurred_at or context.received_at, context.received_at)
    _refuse_undone(session, context, found[0], survivor_chain[-1], merged_at)
    row = patients.get(session, practice, found[0])
    survivor_row = patients.get(session, practice, survivor_chain[-1])
    learn(session, row, prior, holders)
    store.link(session, row, survivor_row, inbox_id=context.inbox_id, merged_at=merged_at)
    survivor_row.sensitivity = label_for_all((survivor_row.sensitivity, row.sensitivity))
    if survivor_row.sensitivity:
        labels.spread(session, survivor_row)
    return Outcome.CHANGED


def _report_same(context: ApplyContext, survivor_id: str, prior_id: str) -> None:
    """Two identifiers of one patient, unlike a link there is already, leave nothing to merge."""
    if survivor_id == prior_id:
        context.report(
            "merge_same_patient",
            "MRG-1",
            "The prior identifier is of the survivor already; nothing was merged.",
        )


def _refuse_undone(
    session: ScopedSession,
    context: ApplyContext,
    prior_id: str,
    survivor_id: str,
    merged_at: datetime,
) -> None:
    """A replay must not repeat what was undone; a later merge may."""
    last = store.last_undone(session, context.practice, prior_id, survivor_id)
    if last is None:
        return
    if merged_at <= last.merged_at or (context.inbox_id and context.inbox_id == last.inbox_id):
        raise Rejected(
            "The merge was undone and is not repeated.",
            reason="merge_undone",
            path="MRG-1",
        )


def apply_unmerge(session: ScopedSession, context: ApplyContext, record: Record) -> Outcome:
    """Undo the merge in force between two patients; one that came after the message stays.

    Identifiers that a merge gave to a patient, for want of another, cannot be told apart again: a
    person must decide.
    """
    refuse_delete(record)
    stated = content_of(record, PatientUnmerge)
    practice = context.practice
    holders = patients.find_holders(
        session, practice, [*usable(stated.first), *usable(stated.second)]
    )
    first, second = (matches(usable(ids), holders) for ids in (stated.first, stated.second))
    if not first or not second:
        raise Rejected(
            "One of the two patients is not known.", reason="unknown_patient", path="PID-3"
        )
    if first[0] == second[0]:
        raise Rejected(
            "Both identifiers were stated for one patient; review it, they were not parted.",
            reason="unmerge_same_patient",
            path="PID-3",
        )
    for prior, survivor in ((first[0], second[0]), (second[0], first[0])):
        if survivor not in patients.merge_chain(session, practice, prior):
            continue
        merge = store.last(session, practice, prior)
        if merge is None or merge.undone_at is not None:
            continue
        stated_at = record.occurred_at or context.received_at
        if stated_at < merge.merged_at:
            return Outcome.STALE
        holder = store.unlink(session, merge, now=stated_at)
        _revoke_since(session, context, holder, merge.merged_at)
        return Outcome.CHANGED
    return Outcome.UNCHANGED


def _revoke_since(
    session: ScopedSession, context: ApplyContext, patient_id: str, since: datetime
) -> None:
    """Revoke the consents recorded since a merge that is undone, as nobody can tell which of the
    two patients consented."""
    if context.crypto is None:
        raise TypeError("the audit trail names patients by a key")
    consents.revoke_since(
        session,
        context.crypto,
        practice_id=context.practice,
        patient_id=patient_id,
        since=since,
        now=context.applied_at or context.received_at,
        reason="a merge was undone",
    )
