"""A whole night on one machine: servers, services and a replay as one process group."""
