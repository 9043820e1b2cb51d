"""Crises: the event that clusters answer, with its GLIDE number, onset and countries."""
