"""The sandbox: the container that owns a task's network namespace, and the link that carries its TCP."""
