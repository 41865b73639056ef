"""What a connector is tried and tested with: its simulated vendor, and the conformance checks."""
