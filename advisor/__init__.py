"""Finds what makes PostgreSQL slow, says what to change, and proves it on a throwaway PostgreSQL first."""
