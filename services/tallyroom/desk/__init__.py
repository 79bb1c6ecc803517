"""The operators' desk: what waits in quarantine, what it would change, and decisions about it as events in the log."""
