"""The schema as tables for the reference page: types, fields with their data class, filters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLInputObjectType, GraphQLObjectType

from hub.storage.reads.parts import Access
from schema.mapping.declare import Batch, Facet, LiveField, OneLink, Sealed, Stored
from schema.mapping.mutate import COMMON_INPUTS, Mutation
from schema.mapping.types import order_value
from schema.root import HubSchema

Row = tuple[str, ...]
ROWS = {
    Access.PRACTICE_ROWS: "of one practice each, where the agreement grants the domain",
    Access.PRACTICES: "practices with any agreement in force; for a practice itself",
    Access.OPERATED: "all for the MSO, a practice's own for the practice",
    Access.MSO: "for the MSO only; absent for a practice",
    Access.CATALOGUE: "for everybody",
}
_MADE = {Batch: "Computed.", LiveField: "Asked at the vendor.", Sealed: "Stored encrypted."}
_IDENTIFIER = "An identifier: null where rows are limited."


@dataclass(frozen=True, slots=True)
class Described:
    """One stored type: sentences about it, and its members as (name, type, class, notes)."""

    name: str
    facts: tuple[str, ...]
    members: tuple[Row, ...]


def described_types(schema: HubSchema) -> Iterator[Described]:
    """Every stored type by name."""
    for name in sorted(schema.declared):
        item = schema.declared[name]
        members = tuple(_members(schema, item))
        yield Described(name, tuple(_facts(item)), members)


def described_mutations(schema: HubSchema) -> Iterator[Row]:
    """Name, own input fields, payload, notes of every mutation."""
    for mutation in schema.mutations.values():
        made: Any = schema.graphql.get_type(f"{mutation.type_name}Input")
        payload: Any = schema.graphql.get_type(f"{mutation.type_name}Payload")
        yield (
            f"`{mutation.name}`",
            _listed(made, leave_out=COMMON_INPUTS),
            _listed(payload),
            _notes(mutation),
        )


def _facts(item: Stored) -> Iterator[str]:
    if item.help:
        yield item.help
    domain = f" Domain `{item.domain.value}`." if item.domain else ""
    yield f"Rows: {ROWS[item.access]}.{domain}"
    if item.root:
        yield f"Listed by `{item.root}`."
    if item.filters:
        kinds = (f"`{name}` ({', '.join(sorted(k))})" for name, k in sorted(item.filters.items()))
        yield f"Filters: {', '.join(kinds)}."
    orders = [order_value(name) for name in item.orders]
    if orders:
        yield f"Orders: {', '.join(f'`{o}`' for o in sorted(orders))}, each also with `_DESC`."


def _members(schema: HubSchema, item: Stored) -> Iterator[Row]:
    made = schema.graphql.get_type(item.name)
    fields = made.fields if isinstance(made, GraphQLObjectType) else {}
    for name, field in fields.items():
        data_class, notes = "", [field.description or ""]
        if name in item.fields:
            col = item.fields[name]
            data_class = str(col.data_class)
            notes += [_IDENTIFIER] * col.identifier
            notes += ["Across practices: null unless the group is large enough."] * col.suppressed
        elif name in item.computed:
            way = item.computed[name]
            data_class = str(way.data_class)
            notes.append(_MADE[type(way)])
            notes += [_IDENTIFIER] * (not isinstance(way, LiveField) and way.identifier)
        elif isinstance(item.links.get(name), OneLink):
            notes.append("Null if it is missing or not granted.")
        elif name in item.facets:
            notes += _of_facet(item.facets[name])
        yield f"`{name}`", f"`{field.type}`", data_class, " ".join(filter(None, notes))


def _of_facet(facet: Facet) -> Iterator[str]:
    for name, col in facet.fields.items():
        limited = ", an identifier: null where rows are limited" if col.identifier else ""
        yield f"Its `{name}` is {col.data_class}{limited}."


def _listed(
    made: GraphQLInputObjectType | GraphQLObjectType, leave_out: Sequence[str] | Any = ()
) -> str:
    shown = (f"`{n}: {f.type}`" for n, f in made.fields.items() if n not in leave_out)
    return ", ".join(shown)


def _notes(mutation: Mutation) -> str:
    return f"{mutation.help}{' For the MSO only.' if mutation.mso_only else ''}"
