"""What counts mean by the contest's rule: thresholds, seats, winners, conditions, and what outstanding ballots can still change."""
