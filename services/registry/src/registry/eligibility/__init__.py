"""May we work with this partner today? One answer, computed from facts and published."""
