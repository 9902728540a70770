"""What the codes keep of vectors: ``python -m benchmarks.quality``."""
