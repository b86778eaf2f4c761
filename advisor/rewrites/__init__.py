"""Rewrite proposals into statements, and the data on which they are compared."""
