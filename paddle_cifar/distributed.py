"""Several processes that train one network, as ``python -m paddle.distributed.launch`` starts them.

They speak through Paddle's own collectives: NCCL on GPUs, gloo on CPUs. The plan:

* Every process draws the whole batch of a step and trains on its part of it (``data/loader.py``), so
  what is learnt from does not depend on their number. ``--batch-size`` counts the images of all.
* Gradients are summed, weighted by images, in one message just before the update
  (``optim/shared.py``). Not by ``paddle.DataParallel``, as ``paddle.Model`` would do it by itself:
  that calls the network past the engine's switch, and knows nothing of parts of unequal size.
* Weights are never sent: all begin with the same ones and make the same steps.
* Figures, and the wish to stop, are those of all after each step (``callbacks/shared.py``).
* The first process, the writer, opens the run's folder and reads and writes everything in it; the
  others are told what they need (``rendezvous.py``) and print nothing but errors. So machines need
  not share a disk, except that each needs the data set.

With one process every function here returns at once. Nothing is imported until it is needed.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from paddle_cifar.errors import RunError, UsageError

if TYPE_CHECKING:
    import paddle

# As the launcher set them. Read once: `start` hides the count from paddle.Model.
RANK = int(os.environ.get("PADDLE_TRAINER_ID", "0"))
RANKS = int(os.environ.get("PADDLE_TRAINERS_NUM", "1"))
OWN_GPU = int(os.environ.get("FLAGS_selected_gpus", "0").split(",")[0] or 0)  # noqa: SIM112

PATIENCE_SECONDS = 1800
SIOCGIFADDR = 0x8915  # "give me the address of an interface", linux/sockios.h
ARRIVED, GAVE_UP = "paddle_cifar/arrived", "paddle_cifar/gave_up"  # counters in the launcher's store


def several() -> bool:
    """Whether this process is one of several."""
    return RANKS > 1


def is_writer() -> bool:
    """Whether this is the one process that prints, and writes the run's folder."""
    return RANK == 0


def local_ranks() -> int:
    """How many of the processes are on this machine and share its cores."""
    return int(os.environ.get("PADDLE_LOCAL_SIZE", str(RANKS)))


def refuse(command: str) -> None:
    """UsageError when a command that is for one process was started as several."""
    if several():
        raise UsageError(f"`{command}` runs in one process; start it without paddle.distributed.launch")


def start(device: str) -> None:
    """Meet the other processes, to train on ``device`` (as ``--device``); once, after Paddle was imported.

    Raises RunError when they cannot be reached.
    """
    if not several():
        return
    import paddle.distributed as dist

    if not is_writer():
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  for as long as the process lives
    address = os.environ.get("PADDLE_CURRENT_ENDPOINT", "").rpartition(":")[0]
    if interface := interface_of(address):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", interface)
    if device == "cpu":  # a GPU build would meet through NCCL, which carries nothing that lies on a CPU
        os.environ["PADDLE_DISTRI_BACKEND"] = "gloo"
    _together(dist.init_parallel_env)
    # paddle.Model would wrap the network in DataParallel (see above); it counts processes by this variable.
    os.environ["PADDLE_TRAINERS_NUM"] = "1"


def interface_of(address: str) -> str:
    """The network interface with an IPv4 address of this machine; empty when there is none.

    Left to itself, gloo takes the one the machine's name resolves to: on Debian and Ubuntu
    the loopback, which other machines cannot reach.
    """
    if sys.platform != "linux":
        return ""
    import fcntl
    import socket

    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        wanted = socket.inet_aton(address)
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):  # an interface without an address
                answer = fcntl.ioctl(probe, SIOCGIFADDR, name.encode().ljust(256, b"\0"))
                if answer[20:24] == wanted:  # struct ifreq: name, then a sockaddr_in
                    return name
    return ""


def wait_for_all() -> None:
    """Wait, half an hour at most, until every process has come here.

    To be called where some may be minutes behind, with a download for one: gloo itself waits for 30 s.
    RunError when one does not come.
    """
    if not several():
        return
    from paddle.base import core

    store, deadline = core.create_or_get_global_tcp_store(), time.monotonic() + PATIENCE_SECONDS

    def wait() -> None:
        store.add(ARRIVED, 1)
        while store.add(ARRIVED, 0) < RANKS:
            if store.add(GAVE_UP, 0) or time.monotonic() > deadline:
                raise RuntimeError("it did not come to the start of the training")
            time.sleep(0.1)

    _together(wait)


def give_up() -> None:
    """Tell those in :func:`wait_for_all` that this process fails and will not come."""
    if several():
        from paddle.base import core

        with contextlib.suppress(RuntimeError, OSError):  # perhaps the store has gone with the writer
            core.create_or_get_global_tcp_store().add(GAVE_UP, 1)


def total(values: Sequence[float]) -> list[float]:
    """The sums over all processes of numbers each of them has; the same bits everywhere."""
    if not several():
        return list(values)
    import numpy as np
    import paddle

    tensor = paddle.to_tensor(np.asarray(values, np.float64))
    sum_in_place(tensor)
    return [float(value) for value in tensor.numpy()]


def sum_in_place(tensor: paddle.Tensor) -> None:
    """Replace a tensor of any shape by its sum over all processes; the same bits everywhere."""
    if several():
        import paddle.distributed as dist

        _together(lambda: dist.all_reduce(tensor))


def from_writer(make: Callable[[], Any]) -> Any:
    """The JSON value that ``make`` returns in the writer, told to all; so is a RunError raised in there."""
    if not several():
        return make()

    def packed() -> bytes:
        try:
            return json.dumps({"value": make()}).encode()
        except RunError as error:
            return json.dumps({"error": str(error), "usage": isinstance(error, UsageError)}).encode()

    told = json.loads(bytes_from_writer(packed))
    if "error" in told:
        raise (UsageError if told["usage"] else RunError)(told["error"])
    return told["value"]


def bytes_from_writer(make: Callable[[], bytes]) -> bytes:
    """The bytes that ``make`` returns in the writer, in every process."""
    if not several():
        return make()
    import numpy as np
    import paddle
    import paddle.distributed as dist

    data = np.frombuffer(make() if is_writer() else b"", np.uint8)
    length = int(total([data.size])[0])
    tensor = paddle.to_tensor(data if is_writer() else np.zeros(length, np.uint8))
    _together(lambda: dist.broadcast(tensor, src=0))
    return tensor.numpy().tobytes()


def _together(call: Callable[[], Any]) -> None:
    """A call that all processes make; when one of them has gone, Paddle's many lines become one."""
    try:
        call()
    except (RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())[-200:]
        raise RunError(
            f"another of the {RANKS} processes has ended or cannot be reached; its own message is in its "
            f"log/workerlog.<N>; go on with the same command and --resume auto (Paddle: {reason})"
        ) from error
