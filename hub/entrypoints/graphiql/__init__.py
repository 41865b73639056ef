"""GraphiQL for the demo profile: served by the hub itself, storing nothing, asking nobody else."""
