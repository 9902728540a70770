"""Texts to vectors by a static model: the model in floats, encoded by model2vec, and as codes, by slimvec.

No model is at hand that was distilled: the tokens are those of WordPiece, learnt from IMDB's reviews, and the vector of
each is the mean over GloVe's words that have it, in 256 principal directions.

Run: ``python -m benchmarks.static_models``
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

import slimvec as sv
from benchmarks.common import data_or_skip, interleaved, load_vectors, parser, table, write_result
from benchmarks.texts import read_imdb

N_TOKENS, DIM = 30_000, 256
SETTINGS = ((None, 4), (None, 2), (512, 0), (256, 0), (128, 0))


def made_model(data: Path, reviews: list[str]):
    """Return a StaticModel of real vectors."""
    from model2vec import StaticModel
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=N_TOKENS, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(reviews, trainer)
    vectors = load_vectors(data, "glove-enwiki")
    rows = vectors.matrix.astype(np.float64)
    found = [one.ids for one in tokenizer.encode_batch_fast(list(vectors.words), add_special_tokens=False)]
    tokens, owners = np.concatenate(found), np.repeat(np.arange(len(found)), list(map(len, found)))
    sums = np.zeros((tokenizer.get_vocab_size(), rows.shape[1]))
    np.add.at(sums, tokens, rows[owners])
    means = sums / np.maximum(np.bincount(tokens, minlength=len(sums)), 1)[:, None]
    means -= means.mean(axis=0)
    directions = np.linalg.eigh(means.T @ means)[1][:, ::-1]
    return StaticModel((means @ directions[:, :DIM]).astype(np.float32), tokenizer, normalize=True)


def cosines(ours: np.ndarray, theirs: np.ndarray) -> str:
    """Return mean and least cosine, of texts that have a known token."""
    there = theirs.any(axis=1)
    assert (ours.any(axis=1) == there).all()
    found = np.einsum("ij,ij->i", ours[there], theirs[there])
    return f"{found.mean():.4f} / {np.percentile(found, 1):.4f}"


def main() -> None:
    options = parser(__doc__, repeats=5).parse_args()
    data = data_or_skip(options)
    reviews = [text for _, text in read_imdb(data, "train")]
    lines = (data / "sentences" / "SUBJ.all").read_bytes().decode("latin-1").split("\n")
    sets = {"4,000 reviews": reviews[:4000], f"{len(lines) - 1:,} sentences": [line[2:] for line in lines if line]}
    model = made_model(data, reviews)
    encoders = {setting: sv.compress_model(model, *setting) for setting in SETTINGS}
    truth = {name: model.encode(texts) for name, texts in sets.items()}
    floats = 4 * model.embedding.size
    quality = [["floats", f"{floats / 1e6:.1f} MB", *("1" for _ in sets)]]
    with tempfile.TemporaryDirectory() as folder:
        for (n_bits, refine_bits), encoder in encoders.items():
            path = Path(folder) / "model.slim"
            encoder.save(path)
            opened = sv.open(path)
            found = [cosines(opened.encode(texts), truth[name]) for name, texts in sets.items()]
            bits = f"{n_bits or DIM} bits" + (f" + {refine_bits} a dimension" if refine_bits else "")
            sizes = opened.info()["bytes"]
            tokenizer = sizes.pop("tokenizer")
            quality.append([bits, f"{sum(sizes.values()) / 1e6:.1f} MB", *found])

    encoder = encoders[SETTINGS[0]]
    speed = []
    for name, texts in sets.items():
        took = interleaved(
            {
                "model2vec": lambda texts=texts: model.encode(texts),
                "its threads off": lambda texts=texts: model.encode(texts, use_multiprocessing=False),
                "slimvec": lambda texts=texts: encoder.encode(texts),
                "the tokenizer alone": lambda texts=texts: [
                    model.tokenizer.encode_batch_fast(texts[first : first + 1024], add_special_tokens=False)
                    for first in range(0, len(texts), 1024)
                ],
            },
            options.repeats,
        )
        speed.append([name, *(f"{1e3 * seconds:.0f} ms" for seconds in took.values())])
    one = sets[f"{len(lines) - 1:,} sentences"][5]
    took = interleaved(
        {
            "model2vec": lambda: [model.encode([one]) for _ in range(1000)],
            "off": lambda: [model.encode([one], use_multiprocessing=False) for _ in range(1000)],
            "slimvec": lambda: [encoder.encode([one]) for _ in range(1000)],
            "tokenizer": lambda: [
                model.tokenizer.encode_batch_fast([one], add_special_tokens=False) for _ in range(1000)
            ],
        },
        options.repeats,
    )
    speed.append(["one sentence", *(f"{1e6 * seconds / 1000:.0f} µs" for seconds in took.values())])

    size = f"{len(model.embedding):,} tokens x {DIM}; the tokenizer takes {tokenizer / 1e6:.1f} MB more"
    of_quality = (
        "A model of tokens that WordPiece has learnt from IMDB's reviews, with vectors of GloVe's words "
        f"({size}). Cosines of what slimvec encodes to what model2vec does in floats: mean / the lowest hundredth."
    )
    of_speed = "Time to encode, in turns, medians; codes are those of the first line above, every token was met before."
    sections = [
        of_quality,
        table(quality, ["tokens as", "size", *sets]),
        of_speed,
        table(speed, ["", "model2vec", "its threads off", "slimvec", "the tokenizer alone"]),
    ]
    write_result("static_models", "Static models of texts", sections)


if __name__ == "__main__":
    main()
