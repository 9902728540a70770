"""A text classifier over anchors, trained end to end without torch."""
