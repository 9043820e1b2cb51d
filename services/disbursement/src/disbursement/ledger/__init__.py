"""Double entry: where every coin of every grant is, and how it came there."""
