"""ANT trained in models, beside what it is compared with, and the cost of a training step."""
