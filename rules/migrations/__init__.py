"""MIG: rules about what a migration does to a running database."""
