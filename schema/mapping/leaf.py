"""graphql-core's executor with a shorter way for leaves and for lists of objects.

For each leaf graphql-core makes a path, a record of fourteen facts for the resolver and two lists
before it reads an attribute. Where nobody can look at them they are left out; whatever goes wrong
is done again the usual way, so that errors are graphql-core's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from graphql import (
    Executor,
    GraphQLField,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLString,
    Undefined,
    get_nullable_type,
    is_leaf_type,
    is_non_null_type,
)
from graphql.execution.collect_fields import FieldDetailsList, GroupedFieldSet
from graphql.pyutils import Path
from graphql.type import introspection

Leaf = tuple[Callable[[Any, Any], Any], Callable[[Any], Any], bool, bool]
"""How a leaf is read from its object and written, whether it may be null, and whether a text is
written as it is."""
Selected = list[tuple[str, FieldDetailsList, Leaf | None]]


class LeafExecutor(Executor[None]):
    """Executes operations whose resolvers are synchronous. A leaf is read without `info` if it has
    no arguments and its resolver is Strawberry's for attributes or introspection's own, neither of
    which looks at it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._selected: dict[int, tuple[GroupedFieldSet, Selected]] = {}

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: GroupedFieldSet,
        position_context: None,
    ) -> dict[str, Any]:
        fields = self._selection(parent_type, grouped_field_set)
        return self._object(parent_type, source_value, fields, lambda: path)

    def _object(
        self,
        parent_type: GraphQLObjectType,
        source: Any,
        fields: Selected,
        path: Callable[[], Path | None],
    ) -> dict[str, Any]:
        results: dict[str, Any] = {}
        for key, details, leaf in fields:
            if leaf is not None:
                read, write, nullable, as_it_is = leaf
                try:
                    value = read(source, None)
                    if as_it_is and type(value) is str:
                        results[key] = value
                        continue
                    if value is not None and not isinstance(value, Exception):
                        value = write(value)
                        if value is not None and value is not Undefined:
                            results[key] = value
                            continue
                    elif value is None and nullable:
                        results[key] = None
                        continue
                except Exception:  # noqa: S110 - asked again below, for graphql-core's own error
                    pass
            own_path = Path(path(), key, parent_type.name)
            value = self.execute_field(parent_type, source, details, own_path, None)
            if value is not Undefined:
                results[key] = value
        return results

    def complete_iterable_value(
        self,
        item_type: Any,
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        path: Path,
        items: Iterable[Any],
        position_context: None,
    ) -> Any:
        inner = get_nullable_type(item_type)
        if not isinstance(inner, GraphQLObjectType) or inner.is_type_of is not None:
            return super().complete_iterable_value(
                item_type, field_details_list, info, path, items, position_context
            )
        selected = self.collect_subfields(inner, field_details_list)
        fields = self._selection(inner, selected.grouped_field_set)
        completed: list[Any] = []
        for index, item in enumerate(items):
            item_path = partial(Path, path, index, None)
            if item is None or isinstance(item, Exception):
                self.complete_list_item_value(
                    item, completed, item_type, field_details_list, info, item_path(), None
                )
                continue
            try:
                written = self._object(inner, item, fields, item_path)
            except Exception as error:
                self.handle_field_error(error, item_type, field_details_list, item_path())
                completed.append(None)
            else:
                completed.append(written)
        return completed

    def _selection(self, parent_type: GraphQLObjectType, grouped: GroupedFieldSet) -> Selected:
        known = self._selected.get(id(grouped))
        if known is None:
            fields = [
                (key, details, self._leaf(parent_type, details)) for key, details in grouped.items()
            ]
            known = self._selected[id(grouped)] = grouped, fields  # kept, so that its id stays its
        return known[1]

    def _leaf(self, parent_type: GraphQLObjectType, details: FieldDetailsList) -> Leaf | None:
        name = details[0].node.name.value
        if name == "__typename":
            return (lambda *_: parent_type.name), str, False, True
        field = self.schema.get_field(parent_type, name)
        if field is None or field.args or not _needs_no_info(field):
            return None
        written: Any = get_nullable_type(field.type)
        if not is_leaf_type(written) or field.resolve is None:
            return None
        nullable = not is_non_null_type(field.type)
        return field.resolve, written.coerce_output_value, nullable, written is GraphQLString


def _needs_no_info(field: GraphQLField) -> bool:
    own = getattr(field.resolve, "__module__", "") == introspection.__name__
    return own or getattr(field.resolve, "_is_default", False) is True
