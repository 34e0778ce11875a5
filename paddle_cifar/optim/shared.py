"""One gradient for all processes: the mean over the images of the whole batch."""

from __future__ import annotations

from typing import Any

import paddle
from paddle import nn

from paddle_cifar import distributed


class SharedGradients:
    """Lets a ``minimize`` see the gradients of all processes; does nothing where there is only one.

    Before an update everything travels in one message: gradients times the images they
    are the mean of, the number of those images, and the running statistics of norms. A
    process normalises by its own part of the batch, and everyone keeps the running statistics
    of the writer, so that weights, averages and checkpoints are the same in every process.
    (On GPUs norms see the whole batch, see :func:`synchronised_norms`.)

    Sharpness-aware minimisation takes its first step by the gradient of a process's own part (as
    Foret et al. 2020, arXiv:2010.01412, section 3 do on several devices) and shares that of the second pass.

    Args:
        stepper: the optimizer, or the loss scaler around it: its ``minimize`` is replaced.
        network: its gradients are shared, summed as one float32 message.
    """

    def __init__(self, stepper: Any, network: nn.Layer) -> None:
        self.network = network
        self.images = 0
        if not distributed.several():
            return
        network.register_forward_pre_hook(self._count)
        update = stepper.minimize

        def minimize(*arguments: Any, **options: Any) -> Any:
            self.share()
            return update(*arguments, **options)

        stepper.minimize = minimize

    def _count(self, network: nn.Layer, inputs: Any) -> None:
        self.images = inputs[0].shape[0]

    @paddle.no_grad()
    def share(self) -> None:
        """Replace gradients by their mean over all images, and norm statistics by the writer's."""
        parameters = [parameter for parameter in self.network.parameters() if not parameter.stop_gradient]
        statistics = untrained(self.network)
        mine = 1.0 if distributed.is_writer() else 0.0
        # A block that was left out at random has no gradient here, but may have one elsewhere.
        counts = [self.images, *(0.0 if parameter.grad is None else 1.0 for parameter in parameters)]
        message = paddle.concat(
            [paddle.to_tensor(counts, "float32")]
            + [
                paddle.zeros([parameter.size])
                if parameter.grad is None
                else (parameter.grad * float(self.images)).flatten()
                for parameter in parameters
            ]
            + [(statistic * mine).flatten() for statistic in statistics]
        )
        distributed.sum_in_place(message)
        sizes = [len(counts), *(tensor.size for tensor in (*parameters, *statistics))]
        counted, *parts = paddle.split(message, sizes)
        images, *present = counted.tolist()
        for parameter, part, anywhere in zip(parameters, parts, present, strict=False):
            if anywhere:
                gradient = part.scale(1 / images).reshape(parameter.shape)
                if parameter.grad is None:
                    parameter.grad = gradient
                else:
                    paddle.assign(gradient, parameter.grad)  # set_value of Paddle 2.6 goes by way of numpy
        for statistic, part in zip(statistics, parts[len(parameters) :], strict=True):
            paddle.assign(part.reshape(statistic.shape), statistic)


def untrained(network: nn.Layer) -> list[paddle.Tensor]:
    """What no gradient changes: running statistics of norms, which Paddle counts among parameters."""
    state = network.state_dict().values()
    return [value for value in state if value.stop_gradient and value.dtype == paddle.float32]


def synchronised_norms(network: nn.Layer, device: str) -> nn.Layer:
    """On several GPUs, batch norms that normalise by the whole batch; otherwise the network as it is.

    Paddle has them for GPUs only. Names and weights stay. Untested: no GPU was at hand.
    """
    if not distributed.several() or device == "cpu":
        return network
    return nn.SyncBatchNorm.convert_sync_batchnorm(network)
