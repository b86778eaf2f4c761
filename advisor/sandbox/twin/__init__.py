"""The planner twin: no rows, and production's planner."""
