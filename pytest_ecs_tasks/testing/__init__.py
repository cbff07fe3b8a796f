"""Fakes that are shipped: for our tests and our users'."""
