"""Rows that several workers go over: where they come from, who gets which, and how answers come back."""
