"""Who takes part in care and what was done (HL7 v2.5.1 §15.4.7 ROL, §6.5.4 PR1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from hub.domain.care_roles import CareRole
from hub.domain.procedures import Procedure
from hub.services.providers import resolve_practitioner
from hub.services.records import ApplyContext
from hub.storage import care as store
from hub.storage.patient_details import replace_list
from hub.storage.session import ScopedSession
from hub.storage.tables import CareRole as RoleRow
from hub.storage.tables import Procedure as ProcedureRow

_Key = tuple[str, str]
"""A role and who has it."""
PERIOD = ("starts_at", "starts_at_precision", "ends_at", "ends_at_precision")


def apply_roles(
    session: ScopedSession,
    context: ApplyContext,
    owner: Mapping[str, str],
    stated: Sequence[CareRole],
    *,
    none_held: bool = False,
) -> bool:
    """Write the roles of `owner` (``practice_id`` and the column that points there).

    A role is known again by its code and person. What is listed in a field replaces what that field
    listed before; any other is added, changed or taken back by itself. True if any was stated.
    """
    if not stated:
        return False
    rows = [] if none_held else store.roles_of(session, owner)
    held = {(row.role, row.provider_id): row for row in rows}
    new: dict[_Key, dict[str, Any]] = {}
    named: set[_Key] = set()
    for said in stated:
        who = said.practitioner and resolve_practitioner(session, context, said.practitioner)
        if not who:
            continue
        key = (said.role, who)
        if said.ended:
            new.pop(key, None)
            if key in held:
                session.delete(held.pop(key))
            continue
        named.add(key)
        if key in held:
            for name, value in _said(said).items():
                setattr(held[key], name, value)
            continue
        row = new.setdefault(key, {"listed_in": said.listed_in, "role_name": ""})
        row |= {**owner, "role": said.role, "provider_id": who} | _said(said)
    session.add_new(RoleRow, list(new.values()))
    fields = {said.listed_in for said in stated if said.listed_in}
    for key, stored in held.items():
        if stored.listed_in in fields and key not in named:
            session.delete(stored)
    return True


def _said(said: CareRole) -> dict[str, Any]:
    """What the message leaves out stays; a role stated by itself is no longer a field's."""
    values = {name: getattr(said, name) for name in PERIOD}
    values = {name: value for name, value in values.items() if value is not None}
    if not said.listed_in:
        values["listed_in"] = ""
    if said.role_name:
        values["role_name"] = said.role_name
    return values


def replace_procedures(
    session: ScopedSession,
    context: ApplyContext,
    owner: Mapping[str, str | None],
    stated: Sequence[Procedure],
    common: Mapping[str, object],
    moment: datetime,
    *,
    none_held: bool = False,
) -> None:
    """Make `stated` the procedures of `owner`, a visit or a charge, with who took part in each.

    `common` are columns that all of them have; `moment` is when one without a time was done.
    """
    if not none_held:
        store.drop_roles(session, owner)
    rows = [_columns(session, context, one, moment) | dict(common) for one in stated]
    replace_list(session, ProcedureRow, owner, rows, none_held=none_held)  # type: ignore[arg-type]
    if not any(one.care_roles for one in stated):
        return
    session.flush()
    for row, one in zip(store.procedures_of(session, owner), stated, strict=True):
        mine = {"practice_id": row.practice_id, "procedure_id": row.id}
        apply_roles(session, context, mine, one.care_roles, none_held=True)


def _columns(
    session: ScopedSession, context: ApplyContext, one: Procedure, moment: datetime
) -> dict[str, object]:
    return {
        "provider_id": one.performer and resolve_practitioner(session, context, one.performer),
        "code": one.code,
        "name": one.name,
        "code_system": one.code_system,
        "type": one.type,
        "priority": one.priority,
        "performed_at": one.performed_at or moment,
        "performed_at_precision": one.performed_at_precision,
        "minutes": one.minutes,
        "modifiers": list(one.modifiers),
        "diagnosis_code": one.diagnosis_code,
    }
