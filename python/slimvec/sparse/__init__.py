"""Sparse tables, E = T A: a few anchors, and for every row a few weights."""
