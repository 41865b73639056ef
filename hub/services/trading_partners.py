"""The directory of payers and suppliers: who is reached over which connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from sqlalchemy import or_, select, update

from hub.errors import Conflict, NotFound, Rejected
from hub.services.operators import Operator, record_change
from hub.storage.session import ScopedSession
from hub.storage.tables import Coverage, Payer, Supplier

LONGEST = 200
ENROLLMENTS = ("enrolled", "pending", "none")
"""Whether the payer takes inquiries from the MSO's practices."""
_CENT = Decimal("0.01")
_MOST = Decimal(1_000_000)

Partner = TypeVar("Partner", Payer, Supplier)


def payers(session: ScopedSession) -> Sequence[Payer]:
    """Every payer by code."""
    return session.scalars(select(Payer).order_by(Payer.code)).all()


def suppliers(session: ScopedSession) -> Sequence[Supplier]:
    """Every supplier by name."""
    return session.scalars(select(Supplier).order_by(Supplier.name, Supplier.id)).all()


def add_payer(
    session: ScopedSession,
    code: str,
    values: Mapping[str, str],
    *,
    operator: Operator,
    now: datetime,
) -> Payer:
    """Add a payer by the code that senders give it (IN1-3); `values` may hold name, route_id (the
    id on the wire, else the code), connection_id and enrollment. Coverages that came with the code
    before belong to it from now on. Audited. Raises Conflict for a known code."""
    checked = _texts({"code": code, **values})
    if session.scalar(select(Payer.id).where(Payer.code == checked["code"])) is not None:
        raise Conflict(f'There is a payer "{checked["code"]}" already.')
    payer = Payer(**{"name": checked["code"], "route_id": checked["code"], **checked})
    stored = _stored(session, payer, "payer add", operator, now)
    waiting = update(Coverage).where(Coverage.payer_code == payer.code, Coverage.payer_id.is_(None))
    session.execute(waiting.values(payer_id=payer.id).execution_options(synchronize_session=False))
    return stored


def change_payer(
    session: ScopedSession,
    code: str,
    values: Mapping[str, str],
    *,
    operator: Operator,
    now: datetime,
) -> Payer:
    """Change what is known of a payer; see `add_payer`. Raises NotFound."""
    payer = session.scalar(select(Payer).where(Payer.code == code))
    if payer is None:
        raise NotFound(f'There is no payer "{code}".')
    _set(payer, _texts(values))
    return _stored(session, payer, "payer change", operator, now)


def add_supplier(
    session: ScopedSession,
    values: Mapping[str, str],
    amounts: Mapping[str, Decimal],
    *,
    operator: Operator,
    now: datetime,
) -> Supplier:
    """Add a supplier with name and connection_id. `amounts` may hold min_order, shipping_fee and
    free_shipping_from, in dollars. Audited. Raises Conflict where another supplier has the name or
    the connection."""
    supplier = Supplier(**_texts(values), **_amounts(amounts))
    _require_alone(session, supplier)
    return _stored(session, supplier, "supplier add", operator, now)


def change_supplier(
    session: ScopedSession,
    supplier: str,
    values: Mapping[str, str],
    amounts: Mapping[str, Decimal],
    *,
    operator: Operator,
    now: datetime,
) -> Supplier:
    """Change what is known of a supplier (name or id); see `add_supplier`. Raises NotFound."""
    mine = or_(Supplier.id == supplier, Supplier.name == supplier)
    found = session.scalars(select(Supplier).where(mine)).all()
    if len(found) != 1:
        raise NotFound(f'"{supplier}" is neither the id nor the unique name of a supplier.')
    _set(found[0], {**_texts(values), **_amounts(amounts)})
    _require_alone(session, found[0])
    return _stored(session, found[0], "supplier change", operator, now)


def _require_alone(session: ScopedSession, supplier: Supplier) -> None:
    with session.no_autoflush:
        for key, column in (("name", Supplier.name), ("connection", Supplier.connection_id)):
            same = select(Supplier.id).where(column == getattr(supplier, column.key))
            if set(session.scalars(same)) - {supplier.id}:
                raise Conflict(f"Another supplier has this {key}.")


def _texts(values: Mapping[str, str]) -> dict[str, str]:
    given = {key: value.strip() for key, value in values.items()}
    for key, value in given.items():
        if not 1 <= len(value) <= LONGEST:
            raise Rejected(f"{key} has 1 to {LONGEST} characters.", path=key)
    if given.get("enrollment", ENROLLMENTS[0]) not in ENROLLMENTS:
        raise Rejected(f"enrollment is one of {', '.join(ENROLLMENTS)}.", path="enrollment")
    return given


def _amounts(amounts: Mapping[str, Decimal]) -> dict[str, Decimal]:
    for key, amount in amounts.items():
        sound = amount.is_finite() and 0 <= amount <= _MOST and amount == amount.quantize(_CENT)
        if not sound:
            raise Rejected(f"{key} is an amount in dollars and cents up to a million.", path=key)
    return dict(amounts)


def _set(partner: Partner, values: Mapping[str, object]) -> None:
    for key, value in values.items():
        setattr(partner, key, value)


def _stored(
    session: ScopedSession, partner: Partner, operation: str, operator: Operator, now: datetime
) -> Partner:
    session.add(partner)
    session.flush()
    record_change(session, operator, operation, type(partner).__name__, None, now=now)
    return partner
