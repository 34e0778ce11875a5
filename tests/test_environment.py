import builtins
import signal
import subprocess
import sys

import pytest

from paddle_cifar import cores, environment
from paddle_cifar.cores import available_cores, container_share
from paddle_cifar.errors import RunError
from tests.conftest import ROOT


def test_both_builds_stop_with_the_command_that_mends_it():
    with pytest.raises(RunError, match="pip uninstall -y paddlepaddle paddlepaddle-gpu"):
        environment.check_builds(["paddlepaddle", "paddlepaddle-gpu"])
    environment.check_builds(["paddlepaddle"])


def test_both_builds_are_seen_from_their_metadata(tmp_path):
    """As after installing one over the other, in a process of its own."""
    for name in ("paddlepaddle", "paddlepaddle_gpu"):
        folder = tmp_path / f"{name}-2.6.2.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 2.6.2\n"
        )
    code = f"""import sys; sys.path[:0] = [{str(ROOT)!r}, {str(tmp_path)!r}]
from paddle_cifar.cli import main; sys.exit(main(["--epochs", "1"]))"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (
        process.returncode == 1 and "pip uninstall -y" in process.stderr and "Traceback" not in process.stderr
    )


def test_no_paddle_stops_with_the_command_that_mends_it(monkeypatch):
    for name in [name for name in sys.modules if name == "paddle"]:
        monkeypatch.delitem(sys.modules, name)
    real_import = builtins.__import__

    def without_paddle(name, *arguments, **keywords):
        if name == "paddle":
            raise ModuleNotFoundError("No module named 'paddle'", name="paddle")
        return real_import(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without_paddle)
    with pytest.raises(RunError, match=r"pip install -r requirements-cpu\.txt"):
        environment.import_paddle()


def test_ctrl_c_while_paddle_is_imported_takes_effect_afterwards():
    """In the midst of it, the import fails as if the installation were broken."""
    before, finished = signal.getsignal(signal.SIGINT), False
    with pytest.raises(KeyboardInterrupt), environment._interrupts_afterwards():
        signal.raise_signal(signal.SIGINT)
        finished = True
    assert finished and signal.getsignal(signal.SIGINT) is before


class FakePaddle:
    """Stands for a Paddle with or without CUDA and GPUs."""

    def __init__(self, cuda, gpus):
        self.chosen = None
        self.device = self
        self.is_compiled_with_cuda = lambda: cuda
        self.cuda = type("cuda", (), {"device_count": staticmethod(lambda: gpus)})
        self.set_device = lambda name: setattr(self, "chosen", name)


@pytest.mark.parametrize(
    ("cuda", "gpus", "nvidia", "device", "chosen", "warning"),
    [
        (False, 0, False, "auto", "cpu", None),
        (True, 1, True, "auto", "gpu:0", None),
        (True, 1, True, "cpu", "cpu", None),
        (True, 0, False, "auto", "cpu", "finds no GPU"),
        (False, 0, True, "auto", "cpu", "CPU build"),
    ],
)
def test_device_and_warnings(monkeypatch, cuda, gpus, nvidia, device, chosen, warning):
    fake = FakePaddle(cuda, gpus)
    monkeypatch.setattr(environment, "import_paddle", lambda threads=0: fake)
    monkeypatch.setattr(environment, "has_nvidia_gpu", lambda: nvidia)
    name, notes = environment.choose_device(device)
    assert name == chosen == fake.chosen
    assert (warning is None and not notes) or warning in notes[0]


@pytest.mark.parametrize(
    ("cuda", "mend"), [(False, "pip uninstall -y paddlepaddle && "), (True, "nvidia-smi")]
)
def test_a_gpu_that_is_absent_stops(monkeypatch, cuda, mend):
    monkeypatch.setattr(environment, "import_paddle", lambda threads=0: FakePaddle(cuda, 0))
    with pytest.raises(RunError, match="--device gpu") as failure:
        environment.choose_device("gpu")
    assert mend in str(failure.value)


@pytest.mark.parametrize(
    "use",
    ["from paddle_cifar.environment import import_paddle; import_paddle()", "from paddle_cifar import train"],
)
def test_paddle_uses_every_core_without_being_told(use):
    code = f"import os; {use}; print(os.environ['OMP_NUM_THREADS'])"
    environment_without = {k: v for k, v in environment.os.environ.items() if k != "OMP_NUM_THREADS"}
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=environment_without
    )
    assert process.stdout.strip() == str(available_cores())
    assert process.stderr == "", "Paddle's start-up chatter is off"


@pytest.mark.parametrize(
    ("cpu", "avx2", "level"),
    [("AMD Ryzen 7", True, "5"), ("AMD FX-8350", False, None), ("Intel Core i5", True, None)],
)
def test_mkl_takes_its_avx2_path_on_amd_processors_that_have_it(monkeypatch, cpu, avx2, level):
    monkeypatch.setattr(environment, "cpu_name", lambda: cpu)
    monkeypatch.setattr(environment, "has_avx2", lambda: avx2)
    monkeypatch.setenv("MKL_DEBUG_CPU_TYPE", "")  # so that it is removed again afterwards
    monkeypatch.delenv("MKL_DEBUG_CPU_TYPE")
    environment.help_mkl()
    assert environment.os.environ.get("MKL_DEBUG_CPU_TYPE") == level


def test_threads_are_bounded_by_the_machine(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    environment.set_threads(3)
    assert environment.os.environ["OMP_NUM_THREADS"] == "3"
    with pytest.raises(RunError, match="--threads"):
        environment.import_paddle(4 * available_cores() + 1)


def test_precisions_a_cpu_does_not_have_are_refused():
    from paddle import nn

    from paddle_cifar.precision import amp_configs, choose_arithmetic

    layer = nn.Linear(2, 2)
    assert choose_arithmetic(layer, "cpu", "paddle", "auto")[:2] == ("paddle", "float32")
    with pytest.raises(RunError, match="fp16 needs a GPU"):
        choose_arithmetic(layer, "cpu", "auto", "fp16")
    with pytest.raises(RunError, match="--precision bf16"):
        choose_arithmetic(layer, "cpu", "paddle", "bf16")
    assert amp_configs("float32") is None


def test_float16_training_keeps_the_head_in_float32(monkeypatch):
    """As far as a machine without a GPU can show it: ``paddle.Model`` takes what it is told."""
    import paddle

    from paddle_cifar.precision import HEAD, amp_configs

    monkeypatch.setattr(paddle, "is_compiled_with_cuda", lambda: True)
    model = paddle.Model(paddle.nn.Linear(2, 2))
    optimizer = paddle.optimizer.SGD(parameters=model.parameters())
    model.prepare(optimizer, paddle.nn.CrossEntropyLoss(), amp_configs=amp_configs("fp16"))
    assert model._adapter._amp_level == "O1"
    assert set(model._adapter._amp_custom_lists["custom_black_list"]) == set(HEAD)


def test_float32_is_no_tf32():
    assert environment.os.environ["NVIDIA_TF32_OVERRIDE"] == "0"


@pytest.mark.parametrize(
    ("generation", "bf16", "asked", "chosen"),
    [
        (8, True, "auto", "bf16"),
        (7, False, "auto", "fp16"),
        (6, False, "auto", "float32"),
        (7, False, "bf16", "choose fp16"),
        (6, False, "fp16", "choose float32"),
        (7, False, "fp16", "fp16"),
        (6, False, "float32", "float32"),
    ],
)
def test_a_gpu_is_asked_for_what_it_has(monkeypatch, generation, bf16, asked, chosen):
    """Paddle only warns, computes in float32, and result.json would say otherwise."""
    import paddle

    from paddle_cifar.precision import choose_arithmetic

    monkeypatch.setattr(paddle.device.cuda, "get_device_capability", lambda: (generation, 0))
    monkeypatch.setattr(paddle.amp, "is_bfloat16_supported", lambda: bf16)
    if chosen.startswith("choose"):
        with pytest.raises(RunError, match=f"--precision {asked} cannot be had on this GPU; {chosen}"):
            choose_arithmetic(paddle.nn.Linear(2, 2), "gpu:0", "auto", asked)
    else:
        assert choose_arithmetic(paddle.nn.Linear(2, 2), "gpu:0", "auto", asked)[:2] == ("paddle", chosen)


def test_bfloat16_logits_leave_the_network_as_float32():
    """numpy has no bfloat16: Paddle gives its bits as uint16."""
    import paddle

    from paddle_cifar.precision import _autocast

    class Halves(paddle.nn.Layer):
        def forward(self, x):
            return x.astype("bfloat16")

    network = Halves()
    _autocast(network, "bfloat16")
    logits = network(paddle.to_tensor([[-1.5, 0.5]]))
    assert logits.numpy().tolist() == [[-1.5, 0.5]]


def test_fp16_is_not_chosen_where_the_loss_cannot_be_scaled(monkeypatch):
    """A V100 has no bf16: the recipe with SAM runs in float32 there instead of stopping."""
    import paddle

    from paddle_cifar.precision import choose_arithmetic

    monkeypatch.setattr(paddle.device.cuda, "get_device_capability", lambda: (7, 0))
    monkeypatch.setattr(paddle.amp, "is_bfloat16_supported", lambda: False)
    layer = paddle.nn.Linear(2, 2)
    assert choose_arithmetic(layer, "gpu:0", "auto", "auto", scaled_loss=False)[1] == "float32"


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "max 100000"}, None),
        ({"cpu.max": "250000 100000"}, 2.5),
        ({"cpu/cpu.cfs_quota_us": "400000", "cpu/cpu.cfs_period_us": "100000"}, 4.0),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({"cpu.max": "nonsense"}, None),
        ({}, None),
    ],
)
def test_a_containers_share_of_the_host_is_known(tmp_path, files, cores):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert container_share(tmp_path) == cores


def test_there_are_no_more_threads_than_a_container_has_time_for(monkeypatch, tmp_path):
    monkeypatch.setattr(cores, "CGROUPS", tmp_path)
    here = available_cores()
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert available_cores() == 1
    (tmp_path / "cpu.max").write_text("100000000 100000\n")
    assert available_cores() == here, "a thousand cores that are not there"
