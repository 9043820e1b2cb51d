"""At which cluster tables a partner sits, as coordination tells us."""
