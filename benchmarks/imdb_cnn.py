"""Does a text classifier mind that its word vectors are bits? The IIQ paper's experiment on IMDB (its Figure 2).

A convolutional network learns its own word vectors; they are compressed; the network is trained anew over the frozen
compressed vectors, and its accuracy on the test reviews compared. The network is the paper's, that of Keras's
``imdb_cnn`` example. Words, reviews, their length, epochs and runs are cut to what one CPU thread does in minutes.
Finished trainings are kept in ``build/cells`` and not done again.

Run: ``python -m benchmarks.imdb_cnn``; ``--runs 1 --methods float32`` for a quick look.
"""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import torch

from benchmarks.cells import Cells
from benchmarks.common import data_or_skip, parser, table, write_result
from benchmarks.texts import texts_and_labels
from slimvec.evaluate.grid import Config

WORDS, DIM, LENGTH = 20_000, 300, 150
TRAIN, VALID, TEST = 5000, 1000, 6000
EPOCHS, BATCH, RATE = 4, 128, 1e-3
FILTERS, KERNEL, HIDDEN, DROPOUT = 250, 3, 250, 0.2
SETTINGS = {
    "vectors": (WORDS, DIM, LENGTH),
    "reviews": (TRAIN, VALID, TEST),
    "training": (EPOCHS, BATCH, RATE),
    "network": (FILTERS, KERNEL, HIDDEN, DROPOUT),
}
METHODS = {
    "float32": Config("float"),
    "IIQ-32": Config("iiq", 300, "auto"),
    "ITQ": Config("itq", 300),
    "NLB, 300 bits": Config("nlb", 300),
    "Prune 95 %": Config("prune"),
    "DCCL": Config("dccl"),
    "IIQ-64": Config("iiq", 150, "auto"),
    "IIQ-128": Config("iiq", 75, "auto"),
}


def read_reviews(data, part, count, generator):
    """Return the words of ``count`` reviews drawn at random, and their labels."""
    texts, labels = texts_and_labels(data, "imdb", part)
    chosen = generator.permutation(len(texts))[:count]
    words = [re.findall(r"[a-z']+", texts[i].lower().replace("<br />", " ")) for i in chosen]
    return words, np.array([int(labels[i]) for i in chosen], np.float32)


def as_numbers(reviews, numbers):
    """Return the last LENGTH known words of each review; 0 fills what is shorter, at its beginning, as in Keras."""
    made = np.zeros((len(reviews), LENGTH), np.int64)
    for row, review in zip(made, reviews, strict=True):
        known = [numbers[word] for word in review if word in numbers][-LENGTH:]
        row[LENGTH - len(known) :] = known
    return torch.from_numpy(made)


def read_data(data):
    """Return (numbers, labels) for training, validation and test."""
    generator = np.random.default_rng(0)
    reviews, labels = read_reviews(data, "train", TRAIN + VALID, generator)
    tested, truth = read_reviews(data, "test", TEST, generator)
    counts = Counter(word for review in reviews[:TRAIN] for word in review)
    numbers = {word: number for number, (word, _) in enumerate(counts.most_common(WORDS - 1), 1)}
    known, labels = as_numbers(reviews, numbers), torch.from_numpy(labels)
    parts = (known[:TRAIN], labels[:TRAIN]), (known[TRAIN:], labels[TRAIN:])
    return *parts, (as_numbers(tested, numbers), torch.from_numpy(truth))


class Network(torch.nn.Module):
    """Vectors, dropout, convolution, its greatest value over the review, a hidden layer, dropout, one output."""

    def __init__(self, vectors, *, frozen):
        super().__init__()
        self.vectors = torch.nn.Embedding.from_pretrained(vectors, freeze=frozen)
        self.dropout = torch.nn.Dropout(DROPOUT)
        self.convolution = torch.nn.Conv1d(vectors.shape[1], FILTERS, KERNEL)
        self.hidden = torch.nn.Linear(FILTERS, HIDDEN)
        self.output = torch.nn.Linear(HIDDEN, 1)

    def forward(self, numbers):
        rows = self.dropout(self.vectors(numbers)).transpose(1, 2)
        strongest = torch.relu(self.convolution(rows)).amax(dim=2)
        return self.output(torch.relu(self.dropout(self.hidden(strongest)))).squeeze(1)


def accuracy(network, numbers, labels):
    network.eval()
    with torch.no_grad():
        found = torch.cat([network(batch) for batch in numbers.split(BATCH)])
    return float(((found > 0) == (labels > 0.5)).float().mean())


def train(vectors, parts, seed, *, frozen):
    """Return the network of the epoch that is best on the validation reviews, and its accuracy on the test reviews."""
    torch.manual_seed(seed)
    network = Network(torch.from_numpy(vectors), frozen=frozen)
    learnt = [weights for weights in network.parameters() if weights.requires_grad]
    adam, (numbers, labels) = torch.optim.Adam(learnt, lr=RATE), parts[0]
    best, state = 0.0, None
    for _ in range(EPOCHS):
        network.train()
        for batch in torch.randperm(len(numbers)).split(BATCH):
            adam.zero_grad()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(network(numbers[batch]), labels[batch])
            loss.backward()
            adam.step()
        now = accuracy(network, *parts[1])
        if now > best:
            best, state = now, {name: values.clone() for name, values in network.state_dict().items()}
    network.load_state_dict(state)
    return network, accuracy(network, *parts[2])


def learnt_vectors(parts, path):
    """Return the vectors that a network learns of its own, and its test accuracy; kept in a file."""
    if not path.exists():
        start = np.random.default_rng(0).uniform(-0.05, 0.05, (WORDS, DIM)).astype(np.float32)
        network, found = train(start, parts, 0, frozen=False)
        np.savez(path, vectors=network.vectors.weight.detach().numpy(), accuracy=found)
    with np.load(path) as kept:
        return kept["vectors"], float(kept["accuracy"])


def compressed(vectors, config, seed):
    """Return the rows as a compressed table looks them up, the directions removed, and how much smaller it is."""
    if config.method == "float":
        return vectors, None, 1.0
    estimator, made = config.compress(vectors, seed)
    rows = made.lookup(np.arange(len(vectors)))
    return np.ascontiguousarray(rows, np.float32), getattr(estimator, "n_remove_", None), config.ratio(made)


def measure(vectors, parts, config, seed):
    rows, removed, ratio = compressed(vectors, config, seed)
    accuracy = train(rows, parts, seed, frozen=True)[1]
    return {"accuracy": accuracy, "removed": None if removed is None else int(removed), "ratio": ratio}


def main():
    options = parser(__doc__)
    options.add_argument("--runs", type=int, default=3, help="trainings per method (default: %(default)s)")
    options.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), help="default: all")
    options = options.parse_args()
    torch.set_num_threads(1)
    parts = read_data(data_or_skip(options))
    cells = Cells("imdb_cnn", **SETTINGS)
    vectors, learnt = learnt_vectors(parts, cells.array_file)
    found = {name: [] for name in options.methods}
    for seed in range(options.runs):
        for name in options.methods:
            config = METHODS[name]
            cell = {"method": config.label, "seed": seed}
            run = cells(cell, lambda config=config, seed=seed: measure(vectors, parts, config, seed))
            found[name].append(run)
    rows = []
    for name, runs in found.items():
        ratio = f"{runs[0]['ratio']:.0f}"
        values = [100 * run["accuracy"] for run in runs]
        removed = runs[0]["removed"]
        label = f"{name}, D={removed} (auto)" if name.startswith("IIQ") else name
        spread = f" ± {np.std(values):.1f}" if len(values) > 1 else ""
        rows.append([label, ratio, f"{np.mean(values):.1f}{spread}"])
    settings = (
        f"{WORDS:,} words (the paper: 50,000), the last {LENGTH} words of a review (400), {TRAIN:,} reviews to train "
        f"on (20,000), {VALID:,} to choose the epoch (5,000), {TEST:,} to test (25,000), {EPOCHS} epochs (20) of Adam "
        f"at {RATE:g} (.0001), runs: {options.runs} (10). Methods that are not below were not run. One run's standard "
        f"error from the test reviews alone is about {100 * (0.85 * 0.15 / TEST) ** 0.5:.1f} points."
    )
    text = (
        f"The network that learns its own vectors: {100 * learnt:.1f} %. The others train over them, frozen. The "
        "strongest directions of vectors learnt for a task may be the task itself: compare IIQ, which removes "
        "them, with ITQ, which does not."
    )
    header = ["vectors", "times smaller", "test accuracy, %"]
    write_result("imdb_cnn", "IMDB reviews, compressed vectors", [settings, text, table(rows, header)])


if __name__ == "__main__":
    main()
