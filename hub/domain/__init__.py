"""Pure rules and canonical records. Nothing here knows a framework, a database or the network."""
