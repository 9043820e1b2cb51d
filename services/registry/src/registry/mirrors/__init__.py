"""What we keep of other services' aggregates, from their events."""
