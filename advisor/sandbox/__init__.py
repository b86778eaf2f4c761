"""The throwaway PostgreSQL: where it comes from, its lifetime, and the rows put into it."""
