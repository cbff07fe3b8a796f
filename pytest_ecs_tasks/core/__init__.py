"""The pure core: what ECS does, as values and functions. No I/O, clock, thread, randomness or environment."""
