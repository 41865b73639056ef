"""Writes a new connector that passes the conformance checks, from the templates beside it."""
