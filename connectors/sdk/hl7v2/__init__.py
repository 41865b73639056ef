"""HL7 v2 on the wire: framing, lexing, acknowledging. Standard library only, except `builder`."""
