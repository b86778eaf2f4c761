"""Migration files into statements, and statements into a traced run."""
