"""The simulated bin: what stands in for hardware where there is none. It ships, and the tests use the same parts."""
