"""Layers that anchors are compared with learn in turns, and rows of results outlive the cells that they are made of."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import autoencoder  # noqa: E402
from benchmarks.ant import cnn, composed, methods, text, text_budget  # noqa: E402

N, WIDTH, K = 60, 8, 5


def clustered():
    torch.manual_seed(0)
    return composed.Clustered(N, WIDTH, K)


def blocks_of(layer):
    return layer.rows(torch.arange(N)).detach().numpy().reshape(N, composed.BLOCKS, -1)


class TestClustered:
    def test_blocks_that_are_centroids_stay(self):
        layer = clustered()
        with torch.no_grad():
            layer.others.zero_()
        before, hashed = blocks_of(layer), layer.hashed.clone()
        layer.after_epoch(0.5)
        assert np.allclose(blocks_of(layer), before, atol=1e-6)
        assert (layer.hashed != hashed).any()

    def test_words_get_the_nearest_centroid_and_share_what_is_left(self):
        layer = clustered()
        before = blocks_of(layer)
        layer.after_epoch(0.1)
        centroids = layer.centroids.detach().numpy().reshape(composed.BLOCKS, K, -1)
        others = layer.others.detach().numpy().reshape(composed.BLOCKS, K, -1)
        for place in range(composed.BLOCKS):
            apart = np.square(before[:, place, None] - centroids[place]).sum(2)
            own = layer.assigned[:, place].numpy() - place * K
            assert np.array_equal(own, apart.argmin(1))
            hashed = layer.hashed[:, place].numpy() - place * K
            for row in np.unique(hashed):
                left = (before[:, place] - centroids[place][own])[hashed == row]
                assert np.allclose(others[place, row], left.mean(0), atol=1e-6)

    def test_it_ends_with_training_as_hashed_last(self):
        layer = clustered()
        before = blocks_of(layer)
        layer.after_epoch(0.75)
        assert np.array_equal(blocks_of(layer), before)

    def test_what_is_stored(self):
        assert clustered().n_parameters == 2 * K * WIDTH
        assert composed.Clustered.bits_for(2 * K * WIDTH, WIDTH) == composed.BLOCKS * 3
        assert composed.Clustered.bits_for(2 * 257 * WIDTH, WIDTH) == 36


def test_training_tells_layers_how_much_of_it_is_done():
    model = cnn.TextCNN(composed.Clustered(N, methods.D, K), methods.D, 2)
    texts = np.random.default_rng(0).integers(0, N, (70, 6)), np.arange(70) % 2
    told = []
    optimizer = model.embedding.optimizer(model, 1e-3)
    cnn.train(model, optimizer, lambda: 0.0, texts, 4, 0, "cpu", after_epoch=told.append)
    assert told == [0.25, 0.5, 0.75, 1.0]


def test_rows_of_a_file_are_read_back():
    part = np.zeros((10, 3), int), np.zeros(10, int)
    corpus = SimpleNamespace(name="imdb", words=["word"] * 1000, n_classes=2, train=part, validation=part, test=part)
    runs = [{"test": 79.25, "validation": 83.0, "parameters": 3200, "learnt": 3200}]
    names = ("dense", "ANT within the budget", "CCE")
    rows = {name: text.row_of(corpus, name, runs * count) for count, name in enumerate(names, 1)}
    told = text.section(corpus, rows, text_budget.METHODS)
    assert text_budget.kept_rows(told, corpus) == rows
    assert "a word has in CCE, 16 bits a word" in told
    other_rate = told.replace("| dense | 0.003 |", "| dense | 0.01 |")
    assert set(text_budget.kept_rows(other_rate, corpus)) == set(names[1:])
    corpus.words.append("another")
    assert text_budget.kept_rows(told, corpus) == {}


class TestAutoencoder:
    def test_it_finds_the_directions_that_rows_are_sums_of(self):
        generator = np.random.default_rng(0)
        directions = generator.normal(size=(24, 16)).astype(np.float32)
        transform = np.zeros((3000, 24), np.float32)
        for row in transform:
            row[generator.choice(24, 2, replace=False)] = generator.uniform(1, 2, 2)
        X = transform @ directions
        values, units, found, bias = autoencoder.fit(X, 48, 2, n_epochs=60, lr=3e-3, batch=512)
        assert values.shape == units.shape == (3000, 2)
        assert values.min() >= 0
        assert np.allclose(np.linalg.norm(found, axis=1), 1)
        rows = bias + np.einsum("nk,nkd->nd", values, found[units])
        centred = X - X.mean(0)
        spectrum = np.linalg.svd(centred, compute_uv=False) ** 2
        low_rank = (spectrum[2:].sum() / np.square(X).sum()) ** 0.5
        assert np.linalg.norm(X - rows) / np.linalg.norm(X) < low_rank / 2

    @pytest.mark.parametrize("is_dead", [False, True])
    def test_only_dead_units_write_what_is_left(self, is_dead):
        model = autoencoder.Autoencoder(torch.zeros(2), 2, 1)
        with torch.no_grad():
            model.decoder.copy_(torch.eye(2))
            model.encoder.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.5]]))
        model.idle[1] = 9 if is_dead else 0
        loss = model.loss(torch.tensor([[1.0, 0.5]]), 10)
        loss.backward()
        assert loss.item() == pytest.approx(0.25 + autoencoder.SHARE * 0.25**2 * is_dead)
        assert bool(model.decoder.grad[1].any()) == is_dead
