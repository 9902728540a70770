"""Learning anchors and transforms, after the fact and with a task."""
