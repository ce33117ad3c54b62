"""Cost and latency of a mesh of cores that wait for each other after every step: counts of a run times a price list."""
