"""TextClassifier beside TF-IDF with logistic regression and dense embeddings: accuracy, size, time.

Run: ``python -m benchmarks.ant.text_classifier``.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

import slimvec as sv
from benchmarks import common
from benchmarks.texts import texts_and_labels
from slimvec.sparse.text.bags import learn_words, read_texts, without_unknown

SEEDS, D, K = 3, 100, 20
OURS = ((1e-6, 50), (1e-6, K), (3e-6, K), (1e-5, K), (3e-5, K), (1e-4, K))
AUTO = {"20 Newsgroups": 3e-6, "IMDB": 3e-5}
SETS = {"20 Newsgroups": "newsgroups", "IMDB": "imdb"}


class Ours:
    """K, d and λ of :class:`slimvec.TextClassifier`; everything else is left as it is."""

    def __init__(self, l1: float, n_anchors: int | str = K) -> None:
        self.l1, self.n_anchors = l1, n_anchors

    def fit(self, texts, labels, seed):
        self.model = sv.TextClassifier(self.n_anchors, D, self.l1, random_state=seed).fit(texts, labels)

    def accuracy(self, texts, labels):
        return self.model.score(texts, labels)

    def sizes(self):
        table = self.model.to_table()
        rest = self.model.coef_.size + self.model.intercept_.size
        with tempfile.TemporaryDirectory() as folder:
            self.model.save(Path(folder) / "model")
            size = (Path(folder) / "model").stat().st_size
        stored = table.info()["bytes"]
        return table.n_parameters, rest, stored["anchors"] + stored["transform"] + 4 * rest, size, table.n_anchors


class TfIdf:
    """scikit-learn's TfidfVectorizer and LogisticRegression; a weight per word and class."""

    def __init__(self, C: float) -> None:
        self.C = C

    def fit(self, texts, labels, seed):
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        self.model = make_pipeline(TfidfVectorizer(min_df=2), LogisticRegression(C=self.C, max_iter=200))
        self.model.fit(texts, labels)

    def accuracy(self, texts, labels):
        return self.model.score(texts, labels)

    def sizes(self):
        n = self.model[-1].coef_.size + self.model[-1].intercept_.size
        return 0, n, 4 * n, None, None


class Dense:
    """The mean of dense embeddings and a linear softmax in torch: Adagrad, epochs and batches as TextClassifier's."""

    def fit(self, texts, labels, seed):
        import torch

        torch.set_num_threads(1)
        torch.manual_seed(seed)
        words, flat, sizes = learn_words(texts, 2)
        self.rows = {word: row for row, word in enumerate(words)}
        self.classes, targets = np.unique(labels, return_inverse=True)
        self.bag = torch.nn.EmbeddingBag(len(words), D, mode="mean", sparse=True)
        torch.nn.init.normal_(self.bag.weight, std=1 / D)
        self.linear = torch.nn.Linear(D, len(self.classes))
        optimizer = torch.optim.Adagrad([*self.bag.parameters(), *self.linear.parameters()], lr=0.2)
        defaults = sv.TextClassifier()
        n_batches = -(-len(sizes) // defaults.batch_size)
        total = n_batches * defaults.n_epochs
        starts, done = np.cumsum(sizes) - sizes, 0
        for _ in range(defaults.n_epochs):
            order = np.random.default_rng(seed + done).permutation(len(sizes))
            for some in np.array_split(order, n_batches):
                optimizer.param_groups[0]["lr"] = defaults.learning_rate * (1 - done / total)
                ids = np.concatenate([flat[starts[i] : starts[i] + sizes[i]] for i in some])
                logits = self.linear(self._means(ids, sizes[some]))
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(logits, torch.from_numpy(targets[some])).backward()
                optimizer.step()
                done += 1

    def _means(self, ids, sizes):
        import torch

        return self.bag(torch.from_numpy(ids), torch.from_numpy(np.cumsum(sizes) - sizes))

    def accuracy(self, texts, labels):
        flat, sizes = without_unknown(*read_texts(texts, lambda token: self.rows.get(token, -1)))
        found = self.linear(self._means(flat, sizes)).argmax(dim=1).numpy()
        return float(np.mean(self.classes[found] == np.asarray(labels)))

    def sizes(self):
        n, rest = self.bag.weight.numel(), sum(part.numel() for part in self.linear.parameters())
        return n, rest, 4 * (n + rest), None, None


def contestants(name: str) -> dict:
    found = {"TF-IDF, logistic regression, C = 1": TfIdf(1.0), "the same, C = 10": TfIdf(10.0)}
    found[f"dense embeddings, {D} columns (torch)"] = Dense()
    found |= {f"TextClassifier, λ = {l1:.0e}, K = {k}": Ours(l1, k) for l1, k in OURS}
    found[f'TextClassifier(n_anchors="auto"), λ = {AUTO[name]:.0e}'] = Ours(AUTO[name], "auto")
    return found


def measure(name: str, data: Path) -> str:
    train, test = (texts_and_labels(data, SETS[name], part) for part in ("train", "test"))
    most_common = max(np.unique(test[1], return_counts=True)[1]) / len(test[1])
    Ours(1e-5).fit(train[0][:64], [str(i % 2) for i in range(64)], 0)  # compiles
    accuracies: dict = {}
    seconds: dict = {}
    facts: dict = {}
    for seed in range(SEEDS):
        for method, model in contestants(name).items():
            start = time.process_time()
            model.fit(*train, seed)
            seconds.setdefault(method, []).append(time.process_time() - start)
            accuracies.setdefault(method, []).append(100 * model.accuracy(*test))
            assert accuracies[method][-1] > 50 * (1 + most_common), method  # it has learnt
            facts.setdefault(method, []).append(model.sizes())
            print(name, seed, method, f"{accuracies[method][-1]:.2f} {seconds[method][-1]:.1f} s", flush=True)
    base = np.median(next(iter(seconds.values())))
    rows = [row(method, accuracies[method], facts[method], np.median(seconds[method]) / base) for method in accuracies]
    header = ["", "accuracy", "embedding parameters", "other", "MB as stored", "MB on disk, words included", "time"]
    sizes = f"{len(train[0]):,} texts to learn from, {len(test[0]):,} to test."
    return f"## {name}\n\n{sizes}\n\n{common.table(rows, header)}"


def row(method: str, accuracy: list, facts: list, ratio: float) -> list:
    def mean(place: int, scale: float = 1.0, digits: int = 0) -> str:
        values = [fact[place] for fact in facts]
        return "" if values[0] is None else f"{np.mean(values) / scale:,.{digits}f}"

    if "auto" in method:
        method += f" (K = {', '.join(str(fact[4]) for fact in facts)})"
    spread = f"{np.mean(accuracy):.2f} ± {np.std(accuracy, ddof=1):.2f}"
    return [method, spread, mean(0), mean(1), mean(2, 1e6, 2), mean(3, 1e6, 2), f"{ratio:.2f}"]


def main() -> None:
    data = common.data_or_skip(common.parser(__doc__).parse_args())
    facts = (
        f"Means ± standard deviation over {SEEDS} seeds (logistic regression has none). Words are runs of two or more "
        f"letters or digits, in lower case, that come twice. TextClassifier with its defaults, d = {D}. Time: the "
        "processor's, of learning from texts on one thread, beside TF-IDF with C = 1; medians, contestants take turns."
    )
    sections = [facts, *(measure(name, data) for name in SETS)]
    common.write_result("ant.text_classifier", "Text classification with anchors", sections)


if __name__ == "__main__":
    main()
