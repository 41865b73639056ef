"""The demonstration: a small MSO with simulated vendors, run end to end over real sockets."""
