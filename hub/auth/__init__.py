"""A credential becomes a principal; a principal with its agreements becomes a scope."""
