"""A text classifier and a text tagger over anchors, trained end to end without torch."""
