"""Events into a Workload: digest, latency sketch, sessions and units of work. Mergeable."""
