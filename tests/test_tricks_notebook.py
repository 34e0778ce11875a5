"""The second notebook runs in quick mode, may be run again, and is stored with what it printed and drew."""

import copy
import re
import shutil
from datetime import datetime

import pytest

from paddle_cifar.ablation.studies import STUDIES
from tests.conftest import ROOT

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
NOTEBOOK = ROOT / "notebooks" / "tricks_and_ablations.ipynb"


def execute(folder, monkeypatch, again=()):
    """Run the notebook in a copy of the project, then the cells that hold these words again, in this order.

    Returns the code cells with their outputs, the repeated ones last.
    """
    monkeypatch.setenv("QUICK", "1")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "paddle_cifar", folder / "paddle_cifar", ignore=ignored)
    shutil.copy(ROOT / "main.py", folder)
    (folder / "notebooks").mkdir()
    (folder / "home").mkdir()  # what HOME names: IPython warns when it is not there
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    for words in again:
        (cell,) = [cell for cell in notebook.cells if cell.cell_type == "code" and words in cell.source]
        notebook.cells.append(copy.deepcopy(cell))
    place = {"metadata": {"path": str(folder / "notebooks")}}
    nbclient.NotebookClient(notebook, timeout=600, resources=place).execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(cells):
    return [output for cell in cells for output in cell.outputs]


def text(cells):
    return "".join(output.get("text", "") for output in outputs(cells))


def pictures(cells):
    return sum("image/png" in output.get("data", {}) for output in outputs(cells))


def tables(cells):
    found = [output.get("data", {}).get("text/markdown", "") for output in outputs(cells)]
    return "\n".join(found)


def check(cells, images):
    """What holds on every data set: figures and tables are there, and figures are possible ones."""
    assert pictures(cells) == 15
    values = re.findall(r"(?:accuracy|weights|single view) (\d\.\d{4})", text(cells))
    assert len(values) == 8 and all(0 < float(value) <= 1 for value in values)
    assert f"one image of these {images:,}" in text(cells)
    rows = [line for line in tables(cells).splitlines() if line.startswith("|") and "±" in line]
    assert len(rows) == 2 and all("lenet" in row for row in rows), (
        "the ablation table: two rows, two seeds each"
    )


def test_it_runs_from_top_to_bottom_and_cells_again_in_another_order(tmp_path, monkeypatch):
    again = ("lesson.study_chart", "ablate(study)", "VIEWS[", "build_schedule(", "load_datasets(config")
    cells = execute(tmp_path, monkeypatch, again)
    first, repeated = cells[: -len(again)], cells[-len(again) :]
    check(first, images=600)
    assert "of synthetic" in text(first) and str(tmp_path) not in str(outputs(cells))
    assert pictures(repeated) == 3 and tables(repeated).strip() in tables(first)
    results = list(tmp_path.glob("outputs/ablation-notebook-synthetic-quick/*/result.json"))
    again_from = repeated[1].metadata["execution"]["iopub.status.busy"].replace("Z", "+00:00")
    trained = [path.stat().st_mtime for path in results]
    assert len(trained) == 4 and max(trained) < datetime.fromisoformat(again_from).timestamp(), "once only"


@pytest.mark.slow
@pytest.mark.real_data
def test_it_runs_on_the_real_archive(tmp_path, monkeypatch, real_archive):
    monkeypatch.setenv("CIFAR100_FILE", real_archive)
    cells = execute(tmp_path, monkeypatch)
    check(cells, images=3840)
    assert "50,000 training images, 10,000 test images of cifar100" in text(cells)


def test_it_is_stored_with_the_outputs_of_one_run_on_the_stand_in():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [output for output in outputs(cells) if output.output_type == "error"]
    assert not [output for output in outputs(cells) if output.get("name") == "stderr"]
    check(cells, images=600)
    assert "of synthetic" in text(cells), "pictures of CIFAR-100 are not ours to publish"
    stored = NOTEBOOK.read_text(encoding="utf-8")
    assert len(stored) < 1.5e6
    assert not [path for path in ("/home/", "/root/", "/work/", "/tmp/", "Users") if path in stored]


def test_it_imports_the_package_and_defines_nothing():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert code[0].splitlines()[0] == "QUICK = False"
    assert not any("\ndef " in "\n" + cell or "\nclass " in "\n" + cell for cell in code)


def test_commands_and_study_rows_in_its_prose_exist():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    commands = re.findall(r"python main\.py ablate --study (\w+)(?: --only((?: \"[^\"]+\")+))?", prose)
    assert len(commands) >= 4
    for study, only in commands:
        labels = [row.label for row in STUDIES[study].rows]
        assert set(re.findall(r'"([^"]+)"', only)) <= set(labels)
