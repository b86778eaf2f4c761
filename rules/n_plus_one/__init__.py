"""NPO: rules about queries that run once per row of another."""
