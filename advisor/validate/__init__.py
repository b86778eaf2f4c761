"""A candidate into a Verdict, on a throwaway server."""
