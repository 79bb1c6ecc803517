"""Derived results: pure functions from totals to the documents of a revision. Always from integers, denominators named."""
