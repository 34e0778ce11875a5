import io
import json

import numpy as np
import pytest
from PIL import Image

FIGURES = (
    "loss accuracy other_accuracies confusion_20_superclasses confusion_100_classes precision_recall roc "
    "reliability most_confused highest_loss images_highest_loss"
).split()


@pytest.fixture
def log(reported):
    from visualdl import LogReader

    return LogReader(file_path=str(reported / "outputs/first/vdl/report-first/vdlrecords.report.log"))


def test_every_figure_is_an_image(log):
    assert sorted(log.get_tags()["image"]) == sorted(f"report/{name}" for name in FIGURES)
    for name in FIGURES:
        (record,) = log.get_data("image", f"report/{name}")
        pixels = np.asarray(Image.open(io.BytesIO(record.image.encoded_image_string)).convert("RGB"))
        assert min(pixels.shape[:2]) > 200 and pixels.std() > 10, name


def test_scores_and_embeddings(log, reported):
    scores = json.loads((reported / "outputs/first/report.json").read_text())["scores"]
    assert log.get_data("scalar", "score/mAP")[0].value == pytest.approx(scores["mAP"], abs=1e-6)
    points = log.get_data("embeddings", "penultimate_layer")[0].embeddings
    assert list(points.label_meta) == ["superclass", "class", "prediction", "file"]
    assert len(points.embeddings) == 100 and len(points.embeddings[0].vectors) == 84
    assert all(len(point.label) == 4 for point in points.embeddings)


def test_the_graph_is_that_of_the_network(reported):
    graph = json.loads((reported / "outputs/first/vdl/report-first/vdlgraph.report.log").read_text())
    assert "conv2d" in json.dumps(graph).lower()


def test_the_training_log_is_left_alone_and_a_second_report_replaces_the_first(reported, trained):
    for run in ("first", "second"):
        folder = reported / "outputs" / run / "vdl"
        assert (folder / "vdlrecords.run.log").read_bytes() == (
            trained / "outputs/first/vdl/vdlrecords.run.log"
        ).read_bytes()
        assert [path.name for path in folder.iterdir() if path.is_dir()] == [f"report-{run}"]
        assert len(list((folder / f"report-{run}").iterdir())) == 2


def test_hyper_parameters_of_a_comparison(reported):
    from visualdl import LogReader

    path = reported / "outputs/comparison/vdl/second/vdlrecords.compare.log"
    log = LogReader(file_path=str(path))
    (record,) = log.get_data("hyper_parameters", "hparam")
    values = {info.name: info for info in record.hparam.hparamInfos}
    assert values["lr"].float_value == pytest.approx(0.02) and values["model"].string_value == "lenet"
    assert {info.name for info in record.hparam.metricInfos} == set(log.get_tags()["scalar"])
