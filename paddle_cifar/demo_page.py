"""The page of the demo: its parts, and what it shows of an uploaded file."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from paddle_cifar.cam import class_activation, overlay
from paddle_cifar.classifier import Classifier
from paddle_cifar.demo_words import WORDS
from paddle_cifar.errors import RunError
from paddle_cifar.images import read_image

SHOWN = 256  # pixels of a picture's side on the page
KEPT_SECONDS = 600


def build_page(gradio: ModuleType, classifier: Classifier, language: str) -> Any:
    """The page, a ``gradio.Blocks``."""
    words = WORDS[language]
    with gradio.Blocks(
        title=words["title"], analytics_enabled=False, delete_cache=(KEPT_SECONDS, KEPT_SECONDS)
    ) as page:
        heading = gradio.Markdown(f"# {words['title']}\n{words['intro']}")
        choice = gradio.Radio([("English", "en"), ("中文", "zh")], value=language, show_label=False)
        with gradio.Row():
            picture = gradio.Image(
                type="filepath",
                image_mode=None,
                sources=["upload", "webcam", "clipboard"],
                label=words["picture"],
                elem_id="picture",
                height=320,
            )
            _accept_uploads_only(picture)
            with gradio.Column():
                best = gradio.Label(num_top_classes=5, label=words["guesses"], elem_id="guesses")
                remark = gradio.Markdown(elem_id="remark")
                # Lossless, and without Gradio's button for sharing it on another site.
                shown: dict[str, Any] = {
                    "interactive": False,
                    "height": SHOWN,
                    "format": "png",
                    "buttons": [],
                }
                with gradio.Row():
                    small = gradio.Image(label=words["seen"], elem_id="seen", **shown)
                    where = gradio.Image(label=words["where"], elem_id="where", **shown)

        def look(path: str | None, chosen: str) -> tuple[Any, ...]:
            return answer(classifier, path, chosen)

        def relabel(chosen: str) -> list[Any]:
            new = WORDS[chosen]
            labels = [gradio.update(label=new[key]) for key in ("picture", "guesses", "seen", "where")]
            return [gradio.update(value=f"# {new['title']}\n{new['intro']}"), *labels]

        answered = ([picture, choice], [best, remark, small, where])
        private: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}
        picture.change(look, *answered, **private)
        choice.change(relabel, choice, [heading, picture, best, small, where], **private).then(
            look, *answered, **private
        )
    return page


def answer(classifier: Classifier, path: str | None, language: str) -> tuple[Any, ...]:
    """What the page shows of an uploaded file: probabilities by class, a remark, and two pictures."""
    words = WORDS[language]
    if path is None:
        return None, "", None, None
    try:
        image, notices = read_image(Path(path))
    except RunError as error:
        reason = str(error).removeprefix(path).strip()
        return None, f"{words['refused']} {reason}", None, None
    guesses = classifier.predict(image)[0]
    activation = overlay(image, class_activation(classifier, image, guesses[0].label))
    lines = [f"{words['superclass']} **{guesses[0].superclass.replace('_', ' ')}**"]
    lines += [words["first_frame"] for _ in notices]
    shares = {guess.name.replace("_", " "): guess.probability for guess in guesses}
    return shares, "\n\n".join(lines), enlarged(image.transpose(1, 2, 0)), enlarged(activation)


def enlarged(image: np.ndarray) -> np.ndarray:
    """uint8 (32, 32, 3) with every pixel as a square: (256, 256, 3)."""
    times = SHOWN // image.shape[0]
    return np.ascontiguousarray(image.repeat(times, axis=0).repeat(times, axis=1))


def _accept_uploads_only(picture: Any) -> None:
    """Take the uploaded file as it is: Gradio would decode it without limits, and fetch an address."""
    to_cache = picture.async_move_resource_to_block_cache

    async def only_files(path: Any) -> Any:
        if path is not None and "://" in str(path):
            raise RunError("addresses are not fetched; upload the picture")
        return await to_cache(path)

    picture.async_move_resource_to_block_cache = only_files
    picture.preprocess = lambda payload: payload and payload.path
