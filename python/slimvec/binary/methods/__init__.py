"""Methods that make binary codes."""
