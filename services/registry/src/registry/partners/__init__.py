"""Partners: who they are, what they are called, where they work, and how their life goes on."""
