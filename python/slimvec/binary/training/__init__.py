"""What learning codes takes: sums over rows, directions, rotations."""
