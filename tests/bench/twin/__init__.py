"""The planner twin against real databases: shapes and costs of plans, what-if against built indexes, and speed.

`python -m tests.bench.twin agree` compares plans, `what_if` compares candidate indexes with built ones, `speed`
measures. `--work FOLDER` keeps the original servers between runs.
"""
