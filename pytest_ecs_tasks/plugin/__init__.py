"""The pytest side: pytest is used here and nowhere else."""
