"""Sending HL7 v2 messages to another system over MLLP."""
