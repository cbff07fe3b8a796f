"""Container engines: Docker, Podman, how to find them, and the sandbox that owns a task's network namespace."""
