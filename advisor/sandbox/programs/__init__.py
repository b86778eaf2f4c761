"""PostgreSQL's programs: those on this machine, and those that are fetched."""
