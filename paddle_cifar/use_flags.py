"""The flags of the commands that use a trained network: predict, export, demo, pack."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from paddle_cifar.config import EXPORT_FORMATS

MACHINE_FLAGS = ("device", "engine", "precision", "threads", "debug")
PREDICT_FLAGS = ("batch_size", *MACHINE_FLAGS, "tta")
PACK_FLAGS = ("data_file", "batch_size", *MACHINE_FLAGS, "limit_steps")

RUN_OR_PRETRAINED: dict[str, Any] = {
    "metavar": "PATH",
    "help": "folder of the run, outputs/<name> [the pretrained weights]",
}


def add_use_commands(
    command: Callable[[str, str, Sequence[str]], argparse.ArgumentParser],
) -> argparse.ArgumentParser:
    """Add the commands; returns demo's parser, which takes ``--lang`` like others.

    Args:
        command: adds one, given its name, its help, and the fields of TrainConfig that are its flags.
    """
    predict = command("predict", "say what pictures show", PREDICT_FLAGS)
    predict.add_argument("pictures", nargs="+", metavar="PICTURE", help="files, or folders of pictures")
    predict.add_argument("--top", type=int, default=5, metavar="INT", help="classes named for each [5]")
    predict.add_argument("--json", action="store_true", help="print JSON, and nothing else, to stdout")
    predict.add_argument("--sheet", metavar="PATH", help="also draw the pictures and answers into this PNG")
    export = command("export", "write a network for servers: Paddle's inference model or ONNX", ("debug",))
    formats = "|".join(EXPORT_FORMATS)
    export.add_argument("--format", default="paddle", metavar=formats, help="what to write [paddle]")
    export.add_argument("--to", metavar="PATH", help="folder to write [export-<format>, in the run's folder]")
    demo = command("demo", "serve a page that says what a picture shows (needs Gradio)", MACHINE_FLAGS)
    demo.add_argument("--host", default="127.0.0.1", help="address to listen at [127.0.0.1]")
    demo.add_argument("--port", type=int, default=7860, metavar="INT", help="port to listen at [7860]")
    for sub in (predict, export, demo):
        sub.add_argument("--run", **RUN_OR_PRETRAINED)
    pack = command("pack", "write a run's weights as one small file, with what they reach", PACK_FLAGS)
    pack.add_argument("--run", required=True, metavar="PATH", help="folder of the run, outputs/<name>")
    pack.add_argument("--to", required=True, metavar="PATH", help="file to write, ending in .safetensors")
    return demo
