"""Due diligence: what a partner shows, what we found, and until when that holds."""
