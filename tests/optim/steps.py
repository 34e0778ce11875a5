"""Drive an optimizer with given gradients, as ``paddle.Model`` would."""

import numpy as np
import paddle


def parameters(network):
    """The trainable ones by name; Paddle lists running statistics too."""
    return {name: p for name, p in network.named_parameters() if not p.stop_gradient}


def random_gradients(network, steps, seed=0, scale=1.0):
    """A float64 array (steps, *shape) for each parameter."""
    rng = np.random.default_rng(seed)
    return {
        name: scale * rng.normal(size=(steps, *parameter.shape))
        for name, parameter in parameters(network).items()
    }


def drive(optimizer, network, gradients, first=0):
    """Make a step with each of the gradients from ``first`` on; returns the weights in float64."""
    for step in range(first, len(next(iter(gradients.values())))):
        loss = paddle.zeros([])
        for name, parameter in parameters(network).items():
            loss = loss + (parameter * paddle.to_tensor(gradients[name][step].astype("float32"))).sum()
        loss.backward()
        optimizer.minimize(loss)
        network.clear_gradients()
    return weights(network)


def weights(network):
    return {name: parameter.numpy().astype(np.float64) for name, parameter in parameters(network).items()}
