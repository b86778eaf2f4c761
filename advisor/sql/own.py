"""How the advisor's own queries on a user's database are told from the workload that they look at."""

MARK = "/* advisor */"
"""At the end of each of them; `pg_stat_statements` keeps the text as it was sent first."""
