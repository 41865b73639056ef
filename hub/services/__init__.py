"""Use cases, one file per noun: what entry points, the schema and jobs call."""
