"""Can it still change? Exact conditions and sound bounds from plain numbers; docs/bounds.md says what is claimed and why.

Counts are c, the base of shares is V, outstanding votes are any x >= 0 with a sum of at most O. No rate of turnout, of invalid
ballots or of support is ever assumed: what is decided here no outstanding ballot can undo.
"""
