"""A live database into a Catalog, by read-only catalog queries."""
