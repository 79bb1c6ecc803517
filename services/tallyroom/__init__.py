"""Tallyroom: a streaming election-results aggregator. The rooms and who may import whom: docs/architecture.md."""

__version__ = "0.1.0"
