"""The sandbox: the container that owns a task's network namespace, and the link that carries TCP in and out of it."""
