"""What every connector is built from: the contract, HTTP, HL7 v2, X12, signatures, simulators."""
