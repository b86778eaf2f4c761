"""A schema into an empty database: from a file, or from a catalog."""
