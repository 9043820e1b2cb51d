"""How directly and how fast the money reaches the front line, and who gets which share of it."""
