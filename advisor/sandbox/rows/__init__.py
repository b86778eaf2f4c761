"""Rows that look like production's, drawn from what is known of them."""
