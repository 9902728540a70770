"""Coding rows on given anchors; the inner loops are compiled by numba."""
