"""Votes become seats: thresholds, quotas, highest averages, districts, mixed systems. Exact integers and fractions.

A tie is a value (`LotsRequired`), never resolved by order. `allocate.apportion` is the one entry; `model` has its types.
"""
