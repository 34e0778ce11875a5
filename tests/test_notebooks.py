import shutil

import pytest

from tests.conftest import ROOT

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
NOTEBOOK = ROOT / "notebooks" / "cifar100_resnet.ipynb"


def test_it_runs_from_top_to_bottom_in_quick_mode(tmp_path, monkeypatch):
    """In a copy of the project, so that its outputs do not land in the checkout."""
    monkeypatch.setenv("QUICK", "1")
    shutil.copytree(ROOT / "paddle_cifar", tmp_path / "paddle_cifar")
    (tmp_path / "notebooks").mkdir()
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(tmp_path / "notebooks")}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    text = "".join(output.get("text", "") for output in outputs)
    assert "acc_top1" in text and (tmp_path / "outputs" / "notebook" / "final.pdparams").exists()


def test_it_never_redefines_training_and_names_no_private_path():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert code[0].splitlines()[0] == "QUICK = False"
    assert not any("\ndef " in "\n" + cell or "\nclass " in "\n" + cell for cell in code)
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert not [path for path in ("/home/", "/root/", "/work/", "/tmp/", "Users") if path in text]
