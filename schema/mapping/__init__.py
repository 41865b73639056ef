"""From declarations over tables to GraphQL types, and from documents to read parts."""
