"""The operator console: pages written on the server, which read and act through GraphQL alone."""
