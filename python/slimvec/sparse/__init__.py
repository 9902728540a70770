"""Anchor & Transform: a few anchors A and a sparse transform T, with every embedding a row of E = T A."""
