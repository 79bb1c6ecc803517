"""For those who test against us: recorded nights as pytest fixtures, and a real Kafka broker without containers.

Nothing is imported here: pytest loads `tallyroom.testing.plugin` in every run, also in those that need no night.
"""
