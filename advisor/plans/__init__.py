"""EXPLAIN output into a Plan tree, and what can be derived from one."""
