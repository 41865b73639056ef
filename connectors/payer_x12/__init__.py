"""Eligibility by X12 270/271 (005010X279A1), over CORE SOAP or plain HTTP."""
