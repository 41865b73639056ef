"""The schema as text, for `mso-hub export-schema` and the committed `schema.graphql`."""

from __future__ import annotations

from schema.root import hub_schema


def sdl() -> str:
    """The SDL of the whole schema, ending in a newline."""
    return hub_schema().sdl()
