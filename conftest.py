"""Examples in README.md and docs/ save files where they stand: each page gets a folder of its own to stand in."""

import doctest

import pytest


@pytest.fixture(autouse=True)
def _own_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
    if isinstance(getattr(request.node, "dtest", None), doctest.DocTest):
        request.getfixturevalue("monkeypatch").chdir(tmp_path_factory.mktemp("page"))
