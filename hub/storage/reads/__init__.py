"""The reads behind GraphQL: parts say what is wanted, `run` fetches it, one statement per level."""
