"""``Index``: vectors with ids of their own that are added, removed, searched and saved."""
