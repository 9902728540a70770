"""Examples in README.md and docs/: each page stands in a folder of its own, and they share what takes long to make."""

import doctest
from collections.abc import Iterator

import pytest

PAGES_WITH_WORDS = {"README.md", "five-minutes.md", "tour.md"}


@pytest.hookimpl(tryfirst=True)  # before groups are made
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.name in PAGES_WITH_WORDS and item.path.suffix == ".md":
            item.add_marker(pytest.mark.xdist_group("words of the library"))


@pytest.fixture(scope="session")
def _words_once() -> Iterator[None]:
    """Let the pages that embed the words of the standard library find them embedded after the first."""
    from slimvec.cli import demo

    embed, made = demo.embed, []

    def once(texts: list[list[str]], *progress: object) -> object:
        if not made or made[0] != texts:
            made[:] = texts, embed(texts, *progress)
        return made[1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "embed", once)
        yield


@pytest.fixture(autouse=True)
def _own_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
    if isinstance(getattr(request.node, "dtest", None), doctest.DocTest):
        request.getfixturevalue("monkeypatch").chdir(tmp_path_factory.mktemp("page"))
        if request.path.name in PAGES_WITH_WORDS:
            request.getfixturevalue("_words_once")
