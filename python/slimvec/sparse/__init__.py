"""Tables of anchors: rows as sums of a few of them, E = T A."""
