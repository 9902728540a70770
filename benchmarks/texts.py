"""Labelled texts: 20 Newsgroups, IMDB, and AG-News, DBPedia, Yelp where the user has them."""

from __future__ import annotations

import csv
import gzip
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def read_newsgroups(folder: Path, part: str):
    """Yield (label, text); every reader does."""
    with gzip.open(folder / "newsgroups" / f"20news_bydate_{part}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            text = json.loads(line)
            yield text["label"], text["text"]


def read_imdb(folder: Path, part: str):
    with gzip.open(folder / "imdb" / f"{part}.tsv.gz", "rt", encoding="utf-8", newline="\n") as lines:
        for line in lines:
            fields = line.rstrip("\n").split("\t", 4)
            if fields[0] in ("0", "1"):  # not the header, not an empty line
                yield fields[0], fields[4]


def reads_csv(name: str):
    """Return a reader of the files that Zhang et al. (2015) made: a label, then one or more texts."""

    def read(folder: Path, part: str):
        with open(folder / name / f"{part}.csv", encoding="utf-8", newline="") as lines:
            for label, *texts in csv.reader(lines):
                yield label, " ".join(texts)

    return read


READERS = {
    "newsgroups": read_newsgroups,
    "imdb": read_imdb,
    **{name: reads_csv(name) for name in ("ag_news", "dbpedia", "yelp_review_full")},
}


def available(folder: Path) -> list[str]:
    """Return the names of the collections whose training and test texts are there."""
    found = [name for name in ("newsgroups", "imdb") if (folder / name).is_dir()]
    others = [name for name in READERS if name not in ("newsgroups", "imdb")]
    return found + [
        name for name in others if all((folder / name / f"{part}.csv").exists() for part in ("train", "test"))
    ]


def texts_and_labels(folder: Path, name: str, part: str) -> tuple[list[str], list[str]]:
    labels, texts = zip(*READERS[name](folder, part), strict=True)
    return list(texts), list(labels)
