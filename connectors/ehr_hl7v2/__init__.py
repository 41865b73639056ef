"""Electronic health records that send HL7 v2 messages over MLLP."""
