"""What slimvec claims, measured: ``python -m benchmarks.NAME`` in the checkout's root writes ``benchmarks/results``."""
