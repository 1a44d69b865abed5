"""Many networks: what a sweep plans, the workers that compute its cells, and the tables that come of it."""
