"""What a report may say about places: never where they are on this machine."""

from __future__ import annotations

import re
from pathlib import Path


def without_folders(command: str) -> str:
    """A command line in which absolute paths are reduced to their last name.

    >>> without_folders("python main.py --output /home/me/runs --lr=0.1 --data-file=C:\\\\x\\\\a.tar.gz")
    'python main.py --output runs --lr=0.1 --data-file=a.tar.gz'
    """

    def without_folder(quoted: re.Match) -> str:
        mark, word = quoted.groups()  # a word in quotes, which may have blanks
        return mark + re.sub(r"(^|=)(?:~|[A-Za-z]:)?[/\\](?:.*[/\\])?(?=[^/\\])", r"\1", word) + mark

    command = re.sub(r"(?<!\S)([\"'])(.*?)\1", without_folder, command)
    return re.sub(r"(?<![^\s=\"'])(?:~|[A-Za-z]:)?[/\\](?:[^\s\"']*[/\\])?(?=[^\s/\\\"'])", "", command)


def shown(path: Path) -> str:
    """A path relative to the working directory, or its last two names when it is elsewhere."""
    resolved = path.resolve()
    if resolved.is_relative_to(Path.cwd()):
        return resolved.relative_to(Path.cwd()).as_posix()
    return "/".join(resolved.parts[-2:])


def visualdl_command(folder: Path) -> str:
    """How to look at ``folder`` with VisualDL 2.5.3.

    The folder is given relative to the working directory: with an absolute one VisualDL mixes up the
    points and the labels of embeddings, which it keeps under one name then.
    """
    resolved = folder.resolve()
    inside = resolved.is_relative_to(Path.cwd())
    go_there = "" if inside else f"cd {resolved.parent} && "
    name = shown(folder) if inside else resolved.name
    return f"{go_there}visualdl --logdir {name} --language en --disable-telemetry"
