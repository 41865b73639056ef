"""How demand is stated and matched: lines as written, packs of items, reviewed matches, par levels
and usage."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.domain.agreements import Domain
from hub.storage.tables.base import Base, PracticeOwned, new_id, same_practice


class ItemPack(Base):
    """One step of an item's pack graph: a `unit` holds `quantity` of `of_unit`."""

    __tablename__ = "item_packs"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"))
    unit: Mapped[str]
    quantity: Mapped[int]
    of_unit: Mapped[str]
    gtin: Mapped[str] = mapped_column(default="")

    __table_args__ = (UniqueConstraint("item_id", "unit"),)


class RequisitionEntry(PracticeOwned, Base):
    """A line as a practice stated it, and what became of it; lines of a requisition are made of it.

    `source`: hand, file, par_level, carried (not delivered in an earlier round). `state`: received,
    matched, needs_match (no certain item), needs_units (no certain quantity in base units),
    rejected; `issue` says why in a sentence.
    """

    __tablename__ = "requisition_entries"
    domain = Domain.SUPPLY

    requisition_id: Mapped[str]
    number: Mapped[int]
    source: Mapped[str]
    gtin: Mapped[str] = mapped_column(default="")
    manufacturer: Mapped[str] = mapped_column(default="")
    part: Mapped[str] = mapped_column(default="")
    description: Mapped[str] = mapped_column(default="")
    quantity: Mapped[str] = mapped_column(default="")
    unit: Mapped[str] = mapped_column(default="")
    state: Mapped[str] = mapped_column(default="received")
    issue: Mapped[str] = mapped_column(default="")
    matched_by: Mapped[str] = mapped_column(default="")
    item_id: Mapped[str | None] = mapped_column(ForeignKey("items.id"))
    units: Mapped[int | None]

    __table_args__ = (
        UniqueConstraint("practice_id", "requisition_id", "number"),
        Index(None, "practice_id", "state", "id"),
        same_practice("requisition_id", "requisitions"),
    )


class MatchSuggestion(PracticeOwned, Base):
    """An item that an entry may mean, best first by `score`, with the reasons."""

    __tablename__ = "match_suggestions"
    domain = Domain.SUPPLY

    entry_id: Mapped[str]
    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"))
    rank: Mapped[int]
    score: Mapped[int]
    reasons: Mapped[list[str]]

    __table_args__ = (
        UniqueConstraint("practice_id", "entry_id", "rank"),
        same_practice("entry_id", "requisition_entries"),
    )


class ItemMatch(PracticeOwned, Base):
    """What a person decided about how a practice names an item; `decision`: confirmed, refused."""

    __tablename__ = "item_matches"
    domain = Domain.SUPPLY

    said: Mapped[str]
    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"))
    decision: Mapped[str]
    decided_by: Mapped[str]
    decided_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("practice_id", "said", "item_id"),)


class ParLevel(PracticeOwned, Base):
    """How much of an item a practice wants on its shelf, and how much it counted there, in base
    units."""

    __tablename__ = "par_levels"
    domain = Domain.SUPPLY

    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"))
    par_units: Mapped[int]
    on_hand_units: Mapped[int | None]
    counted_on: Mapped[date | None]
    updated_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("practice_id", "item_id"),)


class ItemUsage(PracticeOwned, Base):
    """Base units of an item a practice used in some days from `starts_on` on."""

    __tablename__ = "item_usages"
    domain = Domain.SUPPLY

    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"))
    starts_on: Mapped[date]
    days: Mapped[int]
    units: Mapped[int]

    __table_args__ = (UniqueConstraint("practice_id", "item_id", "starts_on"),)
