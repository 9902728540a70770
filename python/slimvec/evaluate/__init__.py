"""Judging tables: what is lost, and what it buys."""

from slimvec.evaluate.analogy import AnalogyScore, analogy
from slimvec.evaluate.categorization import Categorization, categorization
from slimvec.evaluate.frontier import plot_frontier
from slimvec.evaluate.isotropy import Isotropy, isotropy
from slimvec.evaluate.retrieval import Retrieval, retrieval
from slimvec.evaluate.sentences import SentenceScore, sentence_classification
from slimvec.evaluate.similarity import Similarity, word_similarity

__all__ = [
    "AnalogyScore",
    "Categorization",
    "Isotropy",
    "Retrieval",
    "SentenceScore",
    "Similarity",
    "analogy",
    "categorization",
    "isotropy",
    "plot_frontier",
    "retrieval",
    "sentence_classification",
    "word_similarity",
]
