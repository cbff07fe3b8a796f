"""The ECS API as a pure state machine: a request in, the next state, an answer and orders out."""
