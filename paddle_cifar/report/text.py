"""The words of the report in English and Chinese; class names stay as CIFAR-100 has them."""

from __future__ import annotations

from typing import Any

from paddle_cifar.report.words_figures import FIGURE_WORDS
from paddle_cifar.report.words_page import PAGE_WORDS

WORDS = {**FIGURE_WORDS, **PAGE_WORDS}


class Text:
    """Looks words up: ``Text("zh")("epoch")`` is "轮次"; ``values`` fill the gaps in a sentence.

    Args:
        language: "en" or "zh".
    """

    def __init__(self, language: str = "en") -> None:
        self.language = language
        self._column = ("en", "zh").index(language)

    def __call__(self, key: str, **values: Any) -> str:
        return WORDS[key][self._column].format(**values)

    @staticmethod
    def name(name: str) -> str:
        """A class name for reading: no underscores."""
        return name.replace("_", " ")
