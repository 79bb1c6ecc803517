"""What an operator sees of a service: logs, metrics, and the ops port that serves them."""
