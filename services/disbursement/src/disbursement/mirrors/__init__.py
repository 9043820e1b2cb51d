"""What we know of other services' things, kept from their events and never asked for."""
