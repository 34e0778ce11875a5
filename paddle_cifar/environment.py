"""The machine and the Paddle on it: threads, devices, versions, and what can be wrong with an installation.

Paddle is imported through :func:`import_paddle` only, because three things must
happen before its libraries are loaded:

* Paddle sets itself to one OpenMP thread unless ``OMP_NUM_THREADS`` is set.
* Its bundled MKL falls back to SSE on AMD processors, three times slower, unless told that AVX2 is there.
* ``import paddle`` before ``numpy.random`` breaks paddlepaddle 2.6.2 with numpy 2.
"""

from __future__ import annotations

import contextlib
import io
import os
import platform
import shutil
import signal
import sys
import warnings
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType

from paddle_cifar import distributed
from paddle_cifar.cores import available_cores
from paddle_cifar.engine.cpu import has_avx2
from paddle_cifar.errors import RunError, UsageError

INSTALL_CPU = "pip install -r requirements-cpu.txt"
INSTALL_GPU = "pip install -r requirements.txt"
# Never one build over the other.
SWITCH_TO_CPU = f"pip uninstall -y paddlepaddle-gpu && {INSTALL_CPU}"
SWITCH_TO_GPU = f"pip uninstall -y paddlepaddle && {INSTALL_GPU}"


def installed_builds() -> list[str]:
    """Which of the two Paddle distributions are installed (they share one folder, so at most one may be)."""
    builds = []
    for name in ("paddlepaddle", "paddlepaddle-gpu"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            metadata.version(name)
            builds.append(name)
    return builds


def check_builds(builds: list[str]) -> None:
    """Stop when both builds are installed: each overwrites files of the other."""
    if len(builds) > 1:
        raise RunError(
            "paddlepaddle and paddlepaddle-gpu are both installed and overwrite each other; run: "
            f"pip uninstall -y paddlepaddle paddlepaddle-gpu && {INSTALL_CPU} "
            "(or requirements.txt for a GPU)"
        )


def set_threads(threads: int) -> None:
    """Set the number of OpenMP threads (0: all cores, or this process's share of them).

    Has an effect only before Paddle is imported.
    """
    share = max(1, available_cores() // distributed.local_ranks())
    os.environ["OMP_NUM_THREADS"] = str(threads or share)


def help_mkl() -> None:
    """Point Paddle's MKL to its AVX2 code on an AMD processor that has it; a value the user set is kept."""
    if cpu_name().startswith("AMD") and has_avx2():
        os.environ.setdefault("MKL_DEBUG_CPU_TYPE", "5")


def import_paddle(threads: int = 0) -> ModuleType:
    """Import Paddle with all cores in use and its start-up chatter off.

    Raises RunError, with the command that mends it, when Paddle is missing,
    broken, or installed twice.
    """
    check_builds(installed_builds())
    if threads > (most := 4 * available_cores()):
        raise UsageError(f"--threads is {threads}; more than {most} only get into each other's way here")
    if "paddle" not in sys.modules:
        # Paddle's launcher, having imported Paddle, passes its one thread on.
        if threads or "OMP_NUM_THREADS" not in os.environ or distributed.several():
            set_threads(threads)
        help_mkl()
        os.environ.setdefault("GLOG_minloglevel", "2")
        # From Ampere on Paddle multiplies float32 in TF32, 10 bits, which Muon's later rounds do not bear.
        os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")
    import numpy.random  # noqa: F401  before paddle, see the module's docstring

    warnings.filterwarnings("ignore", module=r"paddle\..*", category=UserWarning)
    warnings.filterwarnings("ignore", message="No ccache found", category=UserWarning)
    try:
        # The first: "PLEASE USE OMP_NUM_THREADS WISELY".
        with contextlib.redirect_stderr(io.StringIO()), _interrupts_afterwards():
            import paddle
    except ModuleNotFoundError as error:
        if error.name != "paddle":
            missing = f"Paddle needs the missing package '{error.name}'"
            raise RunError(f"{missing}; run: pip install {error.name}") from error
        raise RunError(f"Paddle is not installed; run: {INSTALL_CPU} (with a GPU: {INSTALL_GPU})") from error
    except ImportError as error:
        reason = str(error).splitlines()[0]
        raise RunError(f"Paddle cannot be imported ({reason}); run: {INSTALL_CPU}") from error
    paddle.disable_signal_handler()  # Paddle's own prints a C++ dump at SIGTERM
    return paddle


@contextlib.contextmanager
def _interrupts_afterwards() -> Iterator[None]:
    """Let Ctrl-C take effect at the end: in the midst of an import it looks like a broken installation."""
    came: list[int] = []
    try:
        previous = signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    except ValueError:  # not in the main thread, where no Ctrl-C arrives
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        if came:
            raise KeyboardInterrupt


def python_path() -> str:
    """The PYTHONPATH with which a process of its own finds this package, installed or not."""
    root = Path(__file__).resolve().parents[1]
    return os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH"))))


def has_nvidia_gpu() -> bool:
    """Whether an NVIDIA driver is on the machine, seen without Paddle."""
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def choose_device(device: str) -> tuple[str, list[str]]:
    """Resolve ``auto|cpu|gpu`` to Paddle's device name, and say what looks wrong.

    Returns:
        ("cpu" or "gpu:<number>", warnings). Raises RunError when a GPU is asked for and absent.
    """
    paddle = import_paddle()
    gpu_build = paddle.device.is_compiled_with_cuda()
    gpus = paddle.device.cuda.device_count() if gpu_build else 0
    if device == "gpu" and not gpus:
        mend = "see whether nvidia-smi lists it" if gpu_build else SWITCH_TO_GPU
        raise RunError(f"--device gpu: Paddle sees no GPU here; use --device cpu, or: {mend}")
    notes = []
    if gpu_build and not gpus:
        notes.append(
            f"Paddle's GPU build finds no GPU and runs on the CPU; the build for it: {SWITCH_TO_CPU}"
        )
    if not gpu_build and has_nvidia_gpu():
        notes.append(f"this machine has an NVIDIA GPU but Paddle's CPU build; to use it: {SWITCH_TO_GPU}")
    chosen = f"gpu:{distributed.OWN_GPU}" if gpus and device != "cpu" else "cpu"
    paddle.device.set_device(chosen)
    return chosen, notes


def cpu_name() -> str:
    """The processor's name, e.g. ``AMD EPYC`` or ``Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz``."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    name = platform.processor() or platform.machine()
    # Windows says "AMD64 Family 23 ...": for an Intel processor it says "Intel64 Family ...".
    return name.replace("AMD64", "AMD", 1)


def machine_summary(device: str) -> dict[str, object]:
    """Processor, cores, memory (GB), operating system and GPU, for result.json."""
    summary: dict[str, object] = {
        "cpu": cpu_name(),
        "cores": available_cores(),
        "threads": int(os.environ.get("OMP_NUM_THREADS", "1")),
        "os": f"{platform.system()} {platform.machine()}",
    }
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        summary["memory_gb"] = round(memory_bytes / 2**30, 1)
    if device.startswith("gpu"):
        summary["gpu"] = import_paddle().device.cuda.get_device_name()
    return summary


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a result."""
    import numpy

    from paddle_cifar import __version__

    paddle = import_paddle()
    build = (installed_builds() or ["paddle"])[0]
    return {
        "python": platform.python_version(),
        build: paddle.__version__,
        "numpy": numpy.__version__,
        "paddle_cifar": __version__,
    }
