"""Producers: from recordings, files and standard input to the event log, keyed and acknowledged."""
