"""The page of the demo: its parts, and what it shows of an uploaded file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from paddle_cifar.demo.pictures import SHOWN, enlarged
from paddle_cifar.demo.words import WORDS, refusal
from paddle_cifar.errors import RunError
from paddle_cifar.prediction.cam import class_activation, overlay
from paddle_cifar.prediction.classifier import Classifier
from paddle_cifar.prediction.images import read_image


def build_page(gradio: ModuleType, classifier: Classifier, language: str, examples: Sequence[Path]) -> Any:
    """The page, a ``gradio.Blocks``; ``examples`` are picture files offered to be tried."""
    words = WORDS[language]
    with gradio.Blocks(title=words["title"], analytics_enabled=False) as page:
        heading = gradio.Markdown(f"# {words['title']}\n{words['intro']}")
        choice = gradio.Radio([("English", "en"), ("中文", "zh")], value=language, show_label=False)
        with gradio.Row():
            with gradio.Column():
                picture, invitation, tried = _what_is_given(gradio, words, examples)
            with gradio.Column():
                best, remark, small, where = _what_is_answered(gradio, words)

        def look(path: str | None, chosen: str) -> tuple[Any, ...]:
            return answer(classifier, path, chosen)

        def relabel(chosen: str) -> list[Any]:
            new = WORDS[chosen]
            labels = [gradio.update(label=new[key]) for key in ("picture", "guesses", "seen", "where")]
            return [f"# {new['title']}\n{new['intro']}", new["examples"], *labels]

        answered = ([picture, choice], [best, remark, small, where])
        private: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}
        picture.change(look, *answered, **private)
        tried.click(lambda number: str(examples[number]), tried, picture, **private)
        choice.change(relabel, choice, [heading, invitation, picture, best, small, where], **private).then(
            look, *answered, **private
        )
    return page


def _what_is_given(gradio: ModuleType, words: dict[str, str], examples: Sequence[Path]) -> tuple[Any, ...]:
    """The place to drop a picture, and the examples below it with what is said of them."""
    picture = gradio.Image(
        type="filepath",
        image_mode=None,
        sources=["upload", "webcam", "clipboard"],
        label=words["picture"],
        elem_id="picture",
        height=320,
    )
    _accept_uploads_only(picture)
    invitation = gradio.Markdown(words["examples"])
    tried = gradio.Dataset(
        components=[picture],
        samples=[[str(path)] for path in examples],
        type="index",
        show_label=False,
        elem_id="examples",
    )
    return picture, invitation, tried


def _what_is_answered(gradio: ModuleType, words: dict[str, str]) -> tuple[Any, ...]:
    """The bars of the classes, a remark, what the network sees, and where it looks."""
    best = gradio.Label(num_top_classes=5, label=words["guesses"], elem_id="guesses")
    remark = gradio.Markdown(elem_id="remark")
    # Lossless, and without Gradio's button for sharing it on another site.
    shown: dict[str, Any] = {"interactive": False, "height": SHOWN, "format": "png", "buttons": []}
    with gradio.Row():
        small = gradio.Image(label=words["seen"], elem_id="seen", **shown)
        where = gradio.Image(label=words["where"], elem_id="where", **shown)
    return best, remark, small, where


def answer(classifier: Classifier, path: str | None, language: str) -> tuple[Any, ...]:
    """What the page shows of an uploaded file: probabilities by class, a remark, and two pictures."""
    words = WORDS[language]
    if path is None:
        return None, "", None, None
    if not Path(path).exists():
        return None, words["gone"], None, None
    try:
        image, notices = read_image(Path(path))
    except RunError as error:
        reason = str(error).removeprefix(path).strip()
        return None, refusal(reason, language), None, None
    guesses = classifier.predict(image)[0]
    activation = overlay(image, class_activation(classifier, image, guesses[0].label))
    lines = [f"{words['superclass']} **{guesses[0].superclass.replace('_', ' ')}**"]
    lines += [words["first_frame"] for _ in notices]
    shares = {guess.name.replace("_", " "): guess.probability for guess in guesses}
    return shares, "\n\n".join(lines), enlarged(image.transpose(1, 2, 0)), enlarged(activation)


def _accept_uploads_only(picture: Any) -> None:
    """Take the uploaded file as it is: Gradio would decode it without limits, and fetch an address."""
    to_cache = picture.async_move_resource_to_block_cache

    async def only_files(path: Any) -> Any:
        if path is not None and "://" in str(path):
            raise RunError("addresses are not fetched; upload the picture")
        return await to_cache(path)

    picture.async_move_resource_to_block_cache = only_files
    picture.preprocess = lambda payload: payload and payload.path
