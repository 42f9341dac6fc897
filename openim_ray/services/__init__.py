"""Use cases: what a request may do and what it changes."""
