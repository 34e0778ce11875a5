"""The commands in the pages people read: each is understood, and works, or says why it is not run."""

import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
from PIL import Image

from paddle_cifar import cli
from tests import readme_commands as readme
from tests.conftest import ROOT, SMALL_RUN
from tests.readme_commands import ENGLISH, PAGES, Run

COMMANDS = list(dict.fromkeys(command for page in PAGES for command in readme.commands(readme.text_of(page))))
EXECUTED = [command for command in COMMANDS if isinstance(readme.fate(command), Run)]
# In the normal suite: at once, and in this process.
AT_ONCE = (
    "python main.py --recipe quick --dataset synthetic",
    "python main.py train --help",
    "python main.py stats",
    "python main.py models",
)


def test_every_command_is_run_or_has_a_reason_why_not():
    assert len(COMMANDS) > 40
    assert not [command for command in COMMANDS if readme.fate(command) is None]
    used = [readme.fate(command) for command in COMMANDS]
    assert not [beginning for beginning, how in readme.FATES.items() if not any(how is one for one in used)]


def test_what_counts_as_a_command():
    text = "`A_B=x python a` `pythons`\n```bash\npip x && .venv/bin/rm -r y\n```\n`python` `rm z` `python a`"
    assert readme.commands(text) == ["python a", "pip x", "rm -r y"]
    assert readme.fate("python main.py dance") is readme.FATES["python main.py"]
    assert readme.fate("rm -r y") is None


@pytest.mark.parametrize("command", COMMANDS)
def test_the_program_it_belongs_to_understands_it(command, monkeypatch):
    words = shlex.split(command.replace("<run>", "a"))
    if "main.py" in words:
        readme.check_arguments(words[words.index("main.py") + 1 :])
    if words[:3] == ["python", "-m", "paddle.distributed.launch"]:
        from paddle.distributed.launch.context.args_envs import parse_args

        monkeypatch.setattr(sys, "argv", words[2:])
        launch, unknown = parse_args()
        assert launch.training_script == "main.py" and not unknown
    if words[0] == "visualdl":
        from visualdl.server.args import parse_args

        monkeypatch.setattr(sys, "argv", words)
        assert parse_args()["logdir"]
    if words[1].startswith("benchmarks/"):  # its own docstring says how it is called
        assert command in (ROOT / words[1]).read_text(encoding="utf-8")
    for word in words:
        if re.search(r"^(tests|notebooks|benchmarks)/|\.(py|txt)$", word):
            assert (ROOT / word).exists(), word


@pytest.mark.parametrize("name", sorted(readme.sub_commands()))
def test_the_example_in_help_is_a_command_of_its_own(name):
    words = shlex.split(readme.sub_commands()[name].epilog.removeprefix("example: "))
    assert words[:2] == ["python", "main.py"] and (words[2] == name or name == "train")
    readme.check_arguments(words[2:])


@pytest.mark.parametrize("page", PAGES)
def test_every_flag_is_known(page):
    known = {option for parser in readme.sub_commands().values() for option in parser._option_string_actions}
    others = {word for command in COMMANDS if "main.py" not in command for word in command.split()}
    launcher = {"--master", "--nnodes", "--host", "--nproc_per_node"}
    assert readme.flags(readme.text_of(page)) <= known | others | launcher


@pytest.mark.parametrize("command", [command for command in EXECUTED if command in AT_ONCE])
def test_it_works_at_once(command, capsys):
    how = readme.fate(command)
    try:
        assert cli.main(readme.cheap(command, how)[2:]) == 0
    except SystemExit as end:  # argparse's --help
        assert end.code == 0
    assert capsys.readouterr().out


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with what the commands speak of: two runs, an unfinished one, and pictures."""
    folder = tmp_path_factory.mktemp("workplace")
    for arguments in (
        [*SMALL_RUN, "--name", "a", "--epochs", "2"],
        ["evaluate", "--run", "outputs/a", "--logits"],
    ):
        run([sys.executable, str(ROOT / "main.py"), *arguments], folder)
    shutil.copytree(folder / "outputs/a", folder / "outputs/b")
    unfinished = shutil.copytree(folder / "outputs/a", folder / "outputs/unfinished")
    (unfinished / "result.json").unlink()
    max((unfinished / "checkpoints").glob("*.safetensors")).unlink()
    (folder / "photos").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    for name in ("cat.jpg", "dog.png", "photos/one.png"):
        Image.fromarray(pixels).save(folder / name)
    return folder


def run(words, folder, timeout=600):
    """Run a command in a folder; it must end with exit code 0."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout
    )
    assert process.returncode == 0, process.stderr[-2000:]
    return process.stdout


@pytest.mark.slow
@pytest.mark.parametrize("command", EXECUTED)
def test_it_works(command, workplace, tmp_path):
    shutil.copytree(workplace, tmp_path, dirs_exist_ok=True)
    words = readme.cheap(command, readme.fate(command))
    if "onnx" in words and not importlib.util.find_spec("paddle2onnx"):
        pytest.skip("needs paddle2onnx")
    if words[0] == "visualdl":
        return serves_a_page(words, tmp_path)
    words = [str(ROOT / word) if word.endswith(".py") else word for word in words]
    before = {path.parent.name for path in tmp_path.glob("outputs/*/result.json")}
    run([sys.executable, *words[1:]], tmp_path)
    if "main.py" in command and (words[2].startswith("-") or "--resume" in words):
        finished = {path.parent.name for path in tmp_path.glob("outputs/*/result.json")} - before
        assert len(finished) == 1, "a training ends with a result"
        config = json.loads((tmp_path / "outputs" / finished.pop() / "config.json").read_text())
        assert config["dataset"] == "synthetic"
    return None


def serves_a_page(words, folder):
    """Start VisualDL as told, on a free port; ask for its page; stop it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = shutil.which("visualdl", path=os.path.dirname(sys.executable))
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(
            [program, *words[1:], "--port", str(port)],
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        for _ in range(120):
            time.sleep(0.5)
            assert server.poll() is None, (folder / "log").read_text()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/app/index", timeout=5) as answer:
                    assert answer.status == 200 and b"VisualDL" in answer.read()
                    return
            except OSError:
                continue
        raise AssertionError("no page after a minute")
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


@pytest.mark.slow
@pytest.mark.parametrize("block", readme.python_blocks(readme.text_of(ENGLISH)))
def test_the_python_examples_work(block, workplace):
    from paddle_cifar.prediction.pretrained import PACKAGED

    block = block.replace("<run>", "a")
    if not PACKAGED.exists():
        block = block.replace("Classifier.pretrained()", 'Classifier.from_run("outputs/a")')
    *lines, last = block.rstrip().splitlines()
    assert run(
        [sys.executable, "-c", "\n".join([*lines, f"print({last.partition('  #')[0]})"])], workplace
    ).strip()
