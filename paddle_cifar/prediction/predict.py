"""``python main.py predict``: pictures in, classes out; one that cannot be read does not stop the others."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from paddle_cifar.errors import RunError
from paddle_cifar.prediction.classifier import Classifier, Guess
from paddle_cifar.prediction.images import find_images, read_image
from paddle_cifar.prediction.sheet import MOST, write_sheet

READ_AT_ONCE = 64  # so that the first answer does not wait for a whole folder


class Answer(NamedTuple):
    """What became of one picture: its ``image``, uint8 (3, 32, 32), and guesses, or else an ``error``."""

    file: str
    image: np.ndarray | None = None
    guesses: Sequence[Guess] = ()
    notices: Sequence[str] = ()
    error: str = ""


def predict_files(classifier: Classifier, paths: Sequence[str], top: int = 5) -> Iterator[Answer]:
    """The answer for each picture of ``paths``, files or folders, in their order."""
    for several in _in_parts(paths):
        readable = [answer.image for answer in several if answer.image is not None]
        found = iter(classifier.predict(np.stack(readable), top) if readable else [])
        for answer in several:
            yield answer if answer.error else answer._replace(guesses=next(found))


def _in_parts(paths: Sequence[str]) -> Iterator[list[Answer]]:
    """Pictures that were read. The first alone, at once; then many at a time."""
    part: list[Answer] = []
    size = 1
    for path in paths:
        for answer in _read(Path(path)):
            part.append(answer)
            if len(part) == size:
                yield part
                part, size = [], READ_AT_ONCE
    if part:
        yield part


def _read(path: Path) -> Iterator[Answer]:
    try:
        files = find_images(path)
    except RunError as error:
        yield Answer(str(path), error=str(error))
        return
    for file in files:
        try:
            yield Answer(str(file), *_picture(file))
        except RunError as error:
            yield Answer(str(file), error=str(error))


def _picture(file: Path) -> tuple[np.ndarray, Sequence[Guess], Sequence[str]]:
    image, notices = read_image(file)
    return image, (), notices


def print_answers(answers: Iterator[Answer], as_json: bool, sheet: Path | None) -> None:
    """Print each answer as soon as it is known (JSON: all at the end), and write the contact sheet.

    Raises:
        RunError: afterwards, when some of the pictures failed.
    """
    seen = []
    for answer in answers:
        seen.append(answer)
        if answer.error:
            print(f"error: {_printable(' '.join(answer.error.split()))}", file=sys.stderr)
        for notice in answer.notices:
            print(f"notice: {_printable(answer.file)} {notice}", file=sys.stderr)
        if not as_json and not answer.error:
            print(_lines(answer), flush=True)
    if as_json:
        print(json.dumps([_as_json(answer) for answer in seen], indent=2, allow_nan=False))
    failed = sum(bool(answer.error) for answer in seen)
    if sheet is not None and failed < len(seen):
        write_sheet(
            [(answer.file, answer.image, answer.guesses[0]) for answer in seen if not answer.error], sheet
        )
        first = f", the first {MOST} pictures" if len(seen) - failed > MOST else ""
        print(f"saved in {sheet}{first}", file=sys.stderr if as_json else sys.stdout)
    if failed:
        raise RunError(
            f"{failed} of {len(seen)} {'picture' if len(seen) == 1 else 'pictures'} could not be read"
        )


def _lines(answer: Answer) -> str:
    rows = [
        f"  {100 * guess.probability:5.1f} %  {guess.name} ({guess.superclass})" for guess in answer.guesses
    ]
    return "\n".join([_printable(answer.file), *rows])


def _printable(text: str) -> str:
    """What has no shape as an escape: a file's name is not to steer the terminal, nor to look like a line."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _as_json(answer: Answer) -> dict[str, Any]:
    if answer.error:
        return {"file": answer.file, "error": answer.error}
    predictions = [
        {
            "class": guess.name,
            "superclass": guess.superclass,
            "label": guess.label,
            "probability": round(guess.probability, 6),
        }
        for guess in answer.guesses
    ]
    return {"file": answer.file, "predictions": predictions, "notices": list(answer.notices)}
