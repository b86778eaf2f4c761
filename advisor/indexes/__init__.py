"""Index needs into candidates, and candidates into safe DDL."""
