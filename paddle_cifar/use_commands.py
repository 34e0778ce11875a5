"""What the commands do that use a trained network: predict, pack, export, demo. As in ``commands.py``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paddle_cifar.config import EXPORT_FORMATS, TrainConfig
from paddle_cifar.environment import import_paddle
from paddle_cifar.errors import UsageError, unknown_name
from paddle_cifar.report import LANGUAGES

if TYPE_CHECKING:
    from paddle_cifar.prediction.classifier import Classifier


def run_predict(given: dict[str, Any]) -> None:
    """Print the classes of pictures; exit code 1 when one of them could not be read."""
    paths, top, as_json = given.pop("pictures"), given.pop("top"), given.pop("json")
    run, sheet = given.pop("run"), given.pop("sheet")
    dataclasses.replace(TrainConfig(), **given)
    import_paddle(given.get("threads", 0))
    from paddle_cifar.prediction.classifier import check_top
    from paddle_cifar.prediction.predict import predict_files, print_answers
    from paddle_cifar.prediction.sheet import check_sheet

    check_top(top)
    if sheet:
        check_sheet(Path(sheet), paths)
    print_answers(
        predict_files(classifier_of(run, given), paths, top), as_json, Path(sheet) if sheet else None
    )


def run_pack(given: dict[str, Any]) -> None:
    """Write a run's weights as one small file and print what they reach."""
    folder, to = Path(given.pop("run")), Path(given.pop("to"))
    if to.suffix != ".safetensors":
        raise UsageError(f"--to {to}: the name must end in .safetensors")
    dataclasses.replace(TrainConfig(), **given)
    import_paddle(given.get("threads", 0))
    from paddle_cifar.evaluation import summary_line
    from paddle_cifar.prediction.pretrained import pack_run

    evaluation = pack_run(folder, to, given)["evaluation"]
    print(f"{evaluation['images']:,} test images of {evaluation['dataset']}: {summary_line(evaluation)}")
    print(f"saved in {to}: {to.stat().st_size / 1e6:.2f} MB")


def run_export(given: dict[str, Any]) -> None:
    """Write a network for a server, and check it."""
    run, format, to = given.pop("run"), given.pop("format"), given.pop("to")
    if format not in EXPORT_FORMATS:
        raise unknown_name("format", format, EXPORT_FORMATS)
    dataclasses.replace(TrainConfig(), **given)
    import_paddle(given.get("threads", 0))
    from paddle_cifar.export.export import export
    from paddle_cifar.report.paths import shown

    folder = Path(to) if to else Path("outputs/pretrained" if run is None else run) / f"export-{format}"
    # What is exported is the network in float32 on Paddle's kernels: that is what the check compares with.
    plain = {**given, "device": "cpu", "engine": "paddle", "precision": "float32"}
    exported = export(classifier_of(run, plain), format, folder)
    print(f"saved in {shown(folder)}: {', '.join(file.name for file in exported.files)}")
    print(
        f"checked: logits within {exported.difference:.1e} of the network's; input uint8 (N, 3, 32, 32), RGB"
    )


def run_demo(given: dict[str, Any]) -> None:
    """Serve the page with which pictures are classified."""
    run, host, port = given.pop("run"), given.pop("host"), given.pop("port")
    language = given.pop("lang")
    if language not in LANGUAGES:
        raise unknown_name("language", language, LANGUAGES)
    dataclasses.replace(TrainConfig(), **given)
    import_paddle(given.get("threads", 0))
    from paddle_cifar.demo.server import serve

    serve(classifier_of(run, given), host, port, language)


def classifier_of(run: str | None, overrides: dict[str, Any]) -> Classifier:
    """The classifier of a run, or without one the pretrained one."""
    from paddle_cifar.prediction.classifier import Classifier

    return Classifier.pretrained(**overrides) if run is None else Classifier.from_run(run, **overrides)
