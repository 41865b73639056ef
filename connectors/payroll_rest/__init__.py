"""Payroll over the Wagewright REST API: OAuth 2.0, cursor pages, one company per practice."""
