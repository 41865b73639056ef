"""Brightwell Medical Supply: offers, orders and signed events over JSON."""
