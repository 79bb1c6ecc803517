"""Whether what is stored and published is what the log says: read a second time, by other code."""
