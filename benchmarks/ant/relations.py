"""Do related words help a text classifier whose anchors are words, and which relations?

``TextClassifier`` on 20 Newsgroups with the words of highest TF-IDF for its anchors. Entries of T between a word and an
anchor that are related are not penalised. Tried are WordNet, words that come near each other (all that do five times,
or the fifth of these pairs with the highest pointwise mutual information), words of one stem, and words that share most
of their letters, three at a time.

Run: ``python -m benchmarks.ant.relations``. Each training is a cell: a second start goes on where the first one was
stopped.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import partial

import numpy as np

import slimvec as sv
from benchmarks import common
from benchmarks.ant import corpora
from benchmarks.cells import Cells
from benchmarks.texts import texts_and_labels
from slimvec.sparse.text.bags import WORD
from slimvec.sparse.training.anchors import tf_idf

SEEDS, D, K, MIN_COUNT = (0, 1), 100, 200, 2
STRENGTHS, BETWEEN = (3e-6, 1e-4), (1e-5, 3e-5)  # λ; between them, without relations: accuracy by parameters
WINDOW, SEEN, MOST_TELLING = 10, 5, 0.2
ENDINGS = (
    "ations",
    "ation",
    "ingly",
    "edly",
    "ness",
    "ments",
    "ment",
    "ings",
    "ing",
    "ers",
    "ed",
    "er",
    "ly",
    "es",
    "s",
)
LEAST_STEM, ALIKE = 4, 0.6
NONE = "none"


def stem(word: str) -> str:
    """Return a word without its ending, if enough is left of it."""
    return next(
        (word.removesuffix(end) for end in ENDINGS if word.endswith(end) and len(word) - len(end) >= LEAST_STEM), word
    )


def by_stem(texts, words, anchors, data):
    of_stem = defaultdict(list)
    for word in words:
        of_stem[stem(word)].append(word)
    return [(word, anchor) for anchor in anchors for word in of_stem[stem(anchor)] if word != anchor]


def by_letters(texts, words, anchors, data):
    """Return words and anchors whose runs of three letters, the edges of a word among them, are mostly the same."""
    runs = {word: {f"<{word}>"[i : i + 3] for i in range(len(word))} for word in words}
    return [
        (word, anchor) for anchor in anchors for word in words
        if word != anchor and 2 * len(runs[word] & runs[anchor]) >= ALIKE * (len(runs[word]) + len(runs[anchor]))
    ]  # fmt: skip


def by_wordnet(texts, words, anchors, data):
    known = set(anchors)
    pairs = ((words[u], words[v]) for u, v in corpora.wordnet_pairs(data, words).tolist())
    return [(u, v) for u, v in pairs if v in known]


def near_pairs(texts, words, anchors) -> Counter:
    """Return how often a word comes near an anchor."""
    known, listed, found = set(anchors), set(words), Counter()
    for tokens in texts:
        places = [place for place, token in enumerate(tokens) if token in known]
        for place in places:
            around = tokens[max(0, place - WINDOW) : place + WINDOW + 1]
            found.update((word, tokens[place]) for word in around if word in listed and word != tokens[place])
    return Counter({pair: n for pair, n in found.items() if n >= SEEN})


def by_nearness(texts, words, anchors, data):
    return list(near_pairs(texts, words, anchors))


def by_information(texts, words, anchors, data):
    pairs = near_pairs(texts, words, anchors)
    seen = Counter(token for tokens in texts for token in tokens)
    telling = sorted(pairs, key=lambda pair: (seen[pair[0]] * seen[pair[1]] / pairs[pair], pair))
    return telling[: int(MOST_TELLING * len(telling))]


RELATIONS = {
    NONE: None,
    "WordNet": by_wordnet,
    "near each other": by_nearness,
    "near each other, the most telling fifth": by_information,
    "of one stem": by_stem,
    "of the same letters": by_letters,
}


def train(train, test, anchors, pairs, l1, seed) -> dict:
    model = sv.TextClassifier(
        K, D, l1, anchors=anchors, relations=pairs, min_count=MIN_COUNT, random_state=seed
    ).fit(*train)  # fmt: skip
    return {"accuracy": 100 * model.score(*test), "parameters": model.n_parameters_}


def main() -> None:
    data = common.data_or_skip(common.parser(__doc__).parse_args())
    learnt, tested = (texts_and_labels(data, "newsgroups", part) for part in ("train", "test"))
    texts = [WORD.findall(text.lower()) for text in learnt[0]]
    counts = Counter(token for tokens in texts for token in tokens)
    words = [word for word, n in counts.most_common() if n >= MIN_COUNT]
    anchors = [words[place] for place in np.argsort(-tf_idf(texts, words), kind="stable")[:K]]
    cells = Cells("ant_relations", d=D, anchors=K, window=WINDOW, seen=SEEN, telling=MOST_TELLING, alike=ALIKE)
    rows = []
    for name, relate in RELATIONS.items():
        pairs = None if relate is None else relate(texts, words, anchors, data)
        for l1 in sorted(STRENGTHS + BETWEEN) if relate is None else STRENGTHS:
            runs = []
            for seed in SEEDS:
                cell = {"relations": name, "l1": l1, "seed": seed}
                runs.append(cells(cell, partial(train, learnt, tested, anchors, pairs, l1, seed)))
            accuracies = [run["accuracy"] for run in runs]
            spread = f"{np.mean(accuracies):.2f} ± {np.std(accuracies, ddof=1):.2f}"
            size = f"{np.mean([run['parameters'] for run in runs]):,.0f}"
            rows.append([name, f"{len(pairs or []):,}", f"{l1:g}", spread, size])
            print(rows[-1], flush=True)
    facts = (
        f"{len(texts):,} texts to learn from, {len(tested[0]):,} to test, {len(words):,} words, {K} anchors, d = {D}, "
        f"all else by default; {len(SEEDS)} seeds (mean ± standard deviation)."
    )
    header = ["relations", "pairs", "λ", "accuracy, %", "embedding parameters"]
    common.write_result(
        "ant.relations", "Related words and anchors that are words", [facts, common.table(rows, header)]
    )


if __name__ == "__main__":
    main()
