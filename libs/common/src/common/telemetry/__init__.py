"""What an operator sees of a running service: logs, metrics and the thread of a request."""
