"""Which tests one process runs. Examples in README.md and docs/: each page in a folder of its own; some share words."""

import doctest
import os
from collections.abc import Iterator

import pytest

PAGES_WITH_WORDS = {"README.md", "five-minutes.md", "tour.md"}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Take one process more than there are cores: some tests wait, for programs that they start or for time to pass."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else cores + 1


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks for groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the tests of a file to one process, which makes what they share once; some files share, too."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    for item in items:
        name = "words of the library" if item.path.name in PAGES_WITH_WORDS else item.path.name
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(name))


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
