"""What the command line gives to other programs: JSON, and completion by shells."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess

import numpy as np
import pytest

import slimvec as sv
from slimvec import cli
from slimvec.cli.program import _parser


@pytest.fixture
def path(table, tmp_path):
    table.save(tmp_path / "animals.slim")
    return tmp_path / "animals.slim"


def printed(capsys, *arguments):
    assert cli.main([str(argument) for argument in arguments]) == 0
    return capsys.readouterr().out


def test_info_as_json(path, capsys):
    told = json.loads(printed(capsys, "info", path, "--json"))
    info = sv.open(path).info()
    assert told.pop("file_bytes") == path.stat().st_size
    assert told.pop("verified") is False
    assert told.keys() == info.keys()
    assert (told["rows"], told["bits"], told["kind"]) == (40, 75, "binary")
    assert json.loads(printed(capsys, "info", path, "--json", "--verify"))["verified"] is True


def test_neighbors_as_json(path, table, capsys):
    told = json.loads(printed(capsys, "neighbors", path, "cat0", "boat1", "-k", 3, "--json"))
    assert [one["of"] for one in told] == ["cat0", "boat1"]
    for one in told:
        near = [(found["word"], found["similarity"]) for found in one["neighbors"]]
        assert near == [(word, float(score)) for word, score in table.most_similar(one["of"], 3)]


def test_neighbors_of_rows_and_anchors_as_json(tmp_path, capsys):
    matrix = np.random.default_rng(0).standard_normal((30, 8))
    sv.IIQ(n_bits=8).compress(matrix).save(tmp_path / "rows.slim")
    (told,) = json.loads(printed(capsys, "neighbors", tmp_path / "rows.slim", 7, "-k", 2, "--json"))
    assert told["of"] == 7
    assert all(isinstance(found["word"], int) for found in told["neighbors"])
    pytest.importorskip("scipy")
    sv.ANT(n_anchors=3, nonzeros=2, n_rounds=1).compress(matrix).save(tmp_path / "sparse.slim")
    (told,) = json.loads(printed(capsys, "neighbors", tmp_path / "sparse.slim", 1, "--anchors", "-k", 2, "--json"))
    assert told["neighbors"][0].keys() == {"word", "weight"}


def test_json_moves_no_cursor(tmp_path, capsys):
    words = ["\x1b[2J", "\u202ekcab", "plain"]
    sv.IIQ(n_bits=4).compress(sv.Vectors(words, np.eye(3, 4) - 0.1)).save(tmp_path / "odd.slim")
    text = printed(capsys, "neighbors", tmp_path / "odd.slim", "plain", "-k", 2, "--json")
    assert text.isascii()
    assert "\x1b" not in text
    assert {found["word"] for found in json.loads(text)[0]["neighbors"]} == set(words[:2])
    np.save(tmp_path / "queries.npy", np.eye(1, 4))
    text = printed(capsys, "search", tmp_path / "odd.slim", tmp_path / "queries.npy", "-k", 3, "--json")
    assert text.isascii()
    assert "\x1b" not in text
    assert set(json.loads(text)["words"]) == set(words)


def completions(capsys, *words):
    """Return what bash offers for the last of these words."""
    if not (bash := shutil.which("bash")):
        pytest.skip("needs bash")
    script = printed(capsys, "completion", "bash")
    line = " ".join(f"'{word}'" for word in words)
    ask = f'{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _slimvec; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run([bash, "--norc", "-c", ask], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes(capsys):
    (commands,) = (action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction))
    assert completions(capsys, "slimvec", "") == list(commands.choices)
    assert completions(capsys, "slimvec", "comp") == ["compress", "compress-model", "completion"]
    assert completions(capsys, "slimvec", "neighbors", "a.slim", "--j") == ["--json"]
    assert completions(capsys, "slimvec", "demo", "--method", "i") == ["iiq"]
    assert completions(capsys, "slimvec", "completion", "z") == ["zsh"]
    assert completions(capsys, "slimvec", "info", "tab") == []  # bash falls back on files


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_name_every_option_and_parse(shell, capsys):
    script = printed(capsys, "completion", shell)
    (commands,) = (action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction))
    for name, command in commands.choices.items():
        assert name in script
        for action in command._actions:
            for option in action.option_strings:
                assert (option if shell != "fish" else option.lstrip("-")) in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)
