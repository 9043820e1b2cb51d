"""Grants: money entrusted to us for an emergency, by CERF, a donor or a pooled fund."""
