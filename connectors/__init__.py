"""Connectors translate between a vendor's bytes and canonical records; they never store."""
