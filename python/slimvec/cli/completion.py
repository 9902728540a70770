"""``slimvec completion bash``: a script by which a shell completes commands, options and their choices."""

from __future__ import annotations

import argparse
from typing import Any

_BASH = """\
_slimvec() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} choices=
  case "${{COMP_WORDS[1]}} $before" in
{choices}
    *) case "$word,${{COMP_WORDS[1]}}" in
{options}
    esac ;;
  esac
  [ "$COMP_CWORD" -gt 1 ] || choices={commands!r}
  COMPREPLY=($(compgen -W "$choices" -- "$word"))
}}
complete -o default -F _slimvec slimvec
"""
_ZSH = "autoload -Uz bashcompinit && bashcompinit\n"


def add_command(commands: Any, parser: argparse.ArgumentParser) -> None:
    """Add the command, which knows the others through ``parser``."""
    completion = commands.add_parser(
        "completion",
        help="print a script that completes commands and options in a shell",
        description='In ~/.bashrc: eval "$(slimvec completion bash)"; in ~/.zshrc: eval "$(slimvec completion zsh)"; '
        "in ~/.config/fish/config.fish: slimvec completion fish | source",
    )
    completion.add_argument("shell", choices=sorted(_SCRIPTS))
    completion.set_defaults(run=lambda options: print(_SCRIPTS[options.shell](parser), end=""))


def _commands(parser: argparse.ArgumentParser) -> dict[str, list[argparse.Action]]:
    """Return the arguments of each command."""
    (found,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return {name: command._actions for name, command in found.choices.items()}


def _choices(action: argparse.Action) -> list[str]:
    return [str(choice) for choice in action.choices or ()]


def _bash(parser: argparse.ArgumentParser) -> str:
    commands = _commands(parser)
    choices, options = [], []
    for name, actions in commands.items():
        for action in actions:
            if action.option_strings and action.nargs != 0:
                pattern = "|".join(f'"{name} {option}"' for option in action.option_strings)
                choices.append(f'    {pattern}) choices="{" ".join(_choices(action))}" ;;')
        words = " ".join(option for action in actions for option in action.option_strings)
        options.append(f'      -*,{name}) choices="{words}" ;;')
        plain = [choice for action in actions if not action.option_strings for choice in _choices(action)]
        if plain:
            options.append(f'      *,{name}) choices="{" ".join(plain)}" ;;')
    return _BASH.format(choices="\n".join(choices), options="\n".join(options), commands=" ".join(commands))


def _zsh(parser: argparse.ArgumentParser) -> str:
    return _ZSH + _bash(parser)


def _fish(parser: argparse.ArgumentParser) -> str:
    lines = []
    for name, actions in _commands(parser).items():
        lines.append(f"complete -c slimvec -n __fish_use_subcommand -a {name}")
        for action in actions:
            spelt = [f"-l {one[2:]}" if one.startswith("--") else f"-s {one[1:]}" for one in action.option_strings]
            values = [f"-x -a '{' '.join(_choices(action))}'"] if _choices(action) else []
            takes = ["-r"] if action.option_strings and action.nargs != 0 and not values else []
            if spelt or values:
                seen = f"'__fish_seen_subcommand_from {name}'"
                lines.append(" ".join(["complete -c slimvec -n", seen, *spelt, *takes, *values]))
    return "\n".join(lines) + "\n"


_SCRIPTS = {"bash": _bash, "zsh": _zsh, "fish": _fish}
