"""Run an Amazon ECS task definition as real containers in a pytest run."""
