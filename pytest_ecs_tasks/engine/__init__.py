"""The task engine: threads, the only writer of task state, and the ports that it needs."""
