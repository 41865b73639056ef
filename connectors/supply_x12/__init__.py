"""Stonebridge Hospital Supply: catalogue, orders and their answers as X12 004010 over HTTP."""
