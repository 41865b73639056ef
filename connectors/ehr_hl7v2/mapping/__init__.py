"""Segments to canonical records, one module per noun; pure."""
