"""Dramatiq actors and their worker; every job's row in the job table is the truth."""
