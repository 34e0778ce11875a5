"""The main notebook: runs, can be run again and in any order, finds its data, and is stored with outputs."""

import json
import shutil

import pytest

from tests.conftest import ROOT
from tests.data.archives import good_members, packed

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
NOTEBOOK = ROOT / "notebooks" / "cifar100_resnet.ipynb"
PRIVATE = ("/home/", "/root/", "/work/", "/tmp/", "Users")
RUN = "outputs/notebook-quick-synthetic"


class Session:
    """The notebook in a kernel of its own; cells are run by their ids."""

    def __init__(self, folder):
        self.notebook = nbformat.read(NOTEBOOK, as_version=4)
        self.cells = {cell.id: (index, cell) for index, cell in enumerate(self.notebook.cells)}
        self.code = [cell.id for cell in self.notebook.cells if cell.cell_type == "code"]
        for id in self.code:  # what is stored says nothing about this run
            self.cells[id][1].outputs = []
        self.client = nbclient.NotebookClient(
            self.notebook, timeout=300, resources={"metadata": {"path": str(folder)}}
        )

    def run(self, *ids):
        """Run cells in this order; the text of their outputs."""
        for id in ids:
            index, cell = self.cells[id]
            self.client.execute_cell(cell, index)
        return "".join(text_of(self.cells[id][1]) for id in ids)

    def figures(self):
        return sum(
            "image/png" in each.get("data", {}) for id in self.code for each in self.cells[id][1].outputs
        )


def text_of(cell):
    """What the outputs of a cell say, pictures aside."""
    return "".join(
        output.get("text", "")
        + "".join(text for kind, text in output.get("data", {}).items() if "text" in kind)
        for output in cell.outputs
    )


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A copy of the project, so that the notebook's outputs do not land in the checkout; in quick mode."""
    monkeypatch.setenv("QUICK", "1")
    (tmp_path / "home").mkdir()
    return copy_project(tmp_path / "project")


def copy_project(folder):
    shutil.copytree(ROOT / "paddle_cifar", folder / "paddle_cifar")
    (folder / "notebooks").mkdir()
    return folder


def test_it_runs_from_top_to_bottom_and_again_out_of_order(project):
    session = Session(project / "notebooks")
    with session.client.setup_kernel():
        text = session.run(*session.code)
        assert session.figures() == 12
        assert "data set: synthetic" in text and "acc_top1" in text and "[report.html](../outputs" in text
        assert "nothing to resume: starting a new run" in text
        assert (project / RUN / "report.html").exists()
        assert json.loads((project / RUN / "result.json").read_text())["acc_top1"] > 0.2  # of 100 classes
        # Some of it again, from the middle; then fit on top of a fit, and a run that is finished already.
        session.run("history", "find-data", "config")
        again = session.run("train")
        assert "finished already" in again and "Epoch" not in again
        assert "step 20/20" in session.run("fit")
        session.cells["fit"][1].source = "model.fit(train_loader, eval_loader, epochs=1, verbose=2)"
        assert "step 20/20" in session.run("fit", "evaluate-save", "evaluate", "picture")


@pytest.mark.slow
def test_after_a_restart_the_training_goes_on(project):
    cells = ("quick", "setup", "paddle", "find-data", "config", "train")
    session = Session(project / "notebooks")
    with session.client.setup_kernel():
        session.run(*cells)
    # As a kernel that died in the last epoch leaves it: neither a result nor that epoch's checkpoint.
    accuracy = json.loads((project / RUN / "result.json").read_text())["acc_top1"]
    (project / RUN / "result.json").unlink()
    max((project / RUN / "checkpoints").glob("*.safetensors")).unlink()
    session = Session(project / "notebooks")
    with session.client.setup_kernel():
        text = session.run(*cells)
    assert "resuming" in text and "Epoch 5/5" in text and "Epoch 4/5" not in text
    resumed = json.loads((project / RUN / "result.json").read_text())
    # Not the same bits: the engine chooses its kernels by the clock.
    assert resumed["epochs"] == 5 and resumed["acc_top1"] == pytest.approx(accuracy, abs=0.1)


def test_it_finds_the_data_set_that_ai_studio_mounts(tmp_path, monkeypatch):
    """Started from the home folder, the project below ~/work: as AI Studio does it."""
    monkeypatch.setenv("QUICK", "1")
    home = tmp_path / "home"
    (home / "data" / "data76994").mkdir(parents=True)
    packed(home / "data" / "data76994" / "cifar-100-python.tar.gz", good_members())
    copy_project(home / "work" / "resnets")
    session = Session(home)
    with session.client.setup_kernel():
        text = session.run("quick", "setup", "paddle", "find-data", "load-data", "class-sheet", "mean-std")
    assert "found      ~/data/data76994/cifar-100-python.tar.gz" in text
    assert "data set: cifar100" in text and "(12, 3, 32, 32)" in text
    assert session.figures() == 1
    assert not [path for path in PRIVATE if path in text]


@pytest.mark.slow
@pytest.mark.real_data
def test_quick_mode_trains_on_the_real_archive_where_there_is_one(project, real_archive, monkeypatch):
    monkeypatch.setenv("CIFAR100_FILE", real_archive)
    session = Session(project / "notebooks")
    with session.client.setup_kernel():
        text = session.run(*session.code)
    assert "found      $CIFAR100_FILE" in text and "(50000, 3, 32, 32)" in text
    result = json.loads((project / "outputs" / "notebook-quick-cifar100" / "result.json").read_text())
    assert result["dataset"] == "cifar100" and result["acc_top1"] > 0.05


def test_it_never_redefines_training_and_names_no_private_path():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert code[0].splitlines()[0] == "QUICK = False"
    assert not any("\ndef " in "\n" + cell or "\nclass " in "\n" + cell for cell in code)
    said = "".join(cell.source + (text_of(cell) if "outputs" in cell else "") for cell in notebook.cells)
    assert not [path for path in PRIVATE if path in said.replace("~/work/", "")]


def test_it_is_stored_with_the_outputs_of_one_run_from_top_to_bottom():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert not [
        output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"
    ]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 12
    assert "data set: synthetic" in "".join(map(text_of, code))  # no picture out of the real data set
    assert NOTEBOOK.stat().st_size < 1_500_000
