"""Judging tables: what is lost, and what it buys."""

from slimvec.evaluate.retrieval import Retrieval, retrieval

__all__ = ["Retrieval", "retrieval"]
