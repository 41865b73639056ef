"""The types made of declarations."""

from __future__ import annotations

from schema.root import hub_schema


def test_types_of_stored_rows_have_nothing_that_only_objects_of_them_would_need():
    converted = hub_schema().strawberry.schema_converter.type_map
    for name in ("Patient", "PatientConnection", "PageInfo", "Query"):
        assert name in converted
    made = [converted[name].definition.origin for name in hub_schema().declared]
    assert len(made) > 50
    for each in made:
        assert each.__init__ is object.__init__, each
        assert each.__eq__ is object.__eq__, each


def test_inputs_are_made_of_what_was_sent():
    wanted = hub_schema().strawberry.schema_converter.type_map["PatientFilter"].definition.origin
    assert wanted.__init__ is not object.__init__
