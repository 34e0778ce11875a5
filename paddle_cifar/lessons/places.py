"""Where the notebook finds the data, said in a way that names no private path."""

from __future__ import annotations

import os
from pathlib import Path

from paddle_cifar.data.locate import VARIABLE, find_archive, usual_places


def look_for_archive() -> tuple[Path | None, list[str]]:
    """The archive of CIFAR-100 on this machine, and a line about every place that was looked at.

    Returns:
        The path, None where it would have to be downloaded; and the lines, in the order of the search.

    Raises:
        RunError: when the variable CIFAR100_FILE names a file that is not there.
    """
    if os.environ.get(VARIABLE):
        return find_archive(), [f"found      ${VARIABLE}"]
    places = usual_places()
    shown = {place: _shown(place) for place in places}
    lines = [f"not set    ${VARIABLE}"]
    lines += [f"{'found    ' if os.path.isfile(place) else 'not there'}  {shown[place]}" for place in places]
    if not any(name.startswith("~/data/") for name in shown.values()):
        lines.insert(2, "not there  ~/data/data*/ (AI Studio)")
    return next((place for place in places if os.path.isfile(place)), None), lines


def _shown(place: Path) -> str:
    """A path from the home or the working folder on."""
    home = Path.home()
    return f"~/{place.relative_to(home).as_posix()}" if place.is_relative_to(home) else place.as_posix()
