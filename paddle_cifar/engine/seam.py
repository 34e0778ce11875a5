"""Where the engine meets a network: `Layer.__call__` and the names in `paddle` and `paddle.nn.functional`.

The network's own forward runs unchanged. While it does, a call of a layer or function that has a fast path
goes there, and everything else gets real tensors. Nothing about the network itself is changed.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

import paddle
from paddle import nn
from paddle.nn import functional

from paddle_cifar.engine.activation import Activation, enter, holds_activation, in_place, real
from paddle_cifar.engine.dnnl import DnnlError
from paddle_cifar.engine.functions import FUNCTIONS
from paddle_cifar.engine.layers import LAYERS

paddle_call = nn.Layer.__call__
# .element is the type between layers while a network runs on the engine in this thread.
_running = threading.local()


def current() -> int | None:
    """oneDNN's number for the type between layers; None where no network runs on the engine."""
    return getattr(_running, "element", None)


def call_layer(layer: nn.Layer, *inputs: Any, **options: Any) -> Any:
    """What every `layer(...)` in the process goes through once a network was sped up."""
    element = current()
    if element is None:
        switch = layer.__dict__.get("_engine")
        if switch is not None:
            return switch.run(layer, inputs, options)
        return paddle_call(layer, *inputs, **options)
    if layer._forward_pre_hooks or layer._forward_post_hooks:  # they are shown real tensors
        return real(with_real_output(layer, real(inputs), real(options)))
    fast = _fast_path(type(layer))
    if fast is not None and len(inputs) == 1 and not options:
        image = enter(inputs[0], element)
        if isinstance(image, Activation):
            result = _attempt(fast, layer, image)
            if result is not NotImplemented:
                return result
        inputs = real(inputs)
    elif not _passes(layer):
        inputs, options = real(inputs), real(options)
    return paddle_call(layer, *inputs, **options)


def _attempt(fast: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
    """A fast path's result, NotImplemented too where oneDNN has no code for the shape or type."""
    try:
        return fast(*inputs, **options)
    except DnnlError:
        return NotImplemented


@functools.cache
def _fast_path(kind: type) -> Callable[..., Any] | None:
    """That of a layer's class, or of the class whose forward it inherits."""
    for known, fast in LAYERS.items():
        if issubclass(kind, known) and kind.forward is known.forward:
            return fast
    return None


def _passes(layer: nn.Layer) -> bool:
    """Whether a layer may see an Activation: not Paddle's own ones with parameters, which reach straight
    for Paddle's kernels, nor what is derived from them.
    """
    return bool(layer._sub_layers) or not layer._parameters or not _is_paddles(type(layer))


@functools.cache
def _is_paddles(kind: type) -> bool:
    return any(each.__module__.startswith("paddle.") for each in kind.__mro__ if each is not nn.Layer)


def with_real_output(layer: nn.Layer, inputs: Any, options: Any) -> Any:
    """Call a layer so that its own hooks, and its caller, are given real tensors."""
    handle = layer.register_forward_post_hook(lambda _, __, output: real(output))
    layer._forward_post_hooks.move_to_end(handle._hook_id, last=False)
    try:
        return paddle_call(layer, *inputs, **options)
    finally:
        handle.remove()


def _routed(name: str, function: Callable[..., Any], fast: Callable[..., Any] | None) -> Callable[..., Any]:
    known = {"name", "inplace"} | set(inspect.signature(fast).parameters) if fast else set()

    @functools.wraps(function)
    def call(*inputs: Any, **options: Any) -> Any:
        if not (holds_activation(inputs) or holds_activation(options.values())):
            return function(*inputs, **options)
        if fast is not None and inputs and holds_activation(inputs[:1]) and options.keys() <= known:
            result = _attempt(fast, *inputs, **options)
            if result is not NotImplemented:
                return result
        if name.endswith("_") and holds_activation(inputs[:1]):
            raise in_place(name)
        return function(*real(inputs), **real(options))

    return call


@functools.cache
def _routes() -> list[tuple[Any, str, Any, Any]]:
    """(namespace, name, Paddle's function, ours) for every public function that takes tensors."""
    found = []
    for namespace in (functional, paddle):
        for name, value in vars(namespace).items():
            if isinstance(value, types.FunctionType) and not name.startswith("_"):
                found.append((namespace, name, value, _routed(name, value, FUNCTIONS.get(name))))
    return found + ([] if _yields_to_others() else _yielding_operators())


def _yields_to_others() -> bool:
    """Whether `tensor + stranger` lets the stranger's `__radd__` try; Paddle 2.6 raises instead."""
    try:
        return paddle.zeros([1]).__add__(object()) is NotImplemented
    except Exception:
        return False


def _yielding_operators() -> list[tuple[Any, str, Any, Any]]:
    """A tensor's binary operators that leave an Activation on their right to its own operators."""

    def yielding(operator: Callable[..., Any]) -> Callable[..., Any]:
        def call(tensor: paddle.Tensor, other: Any) -> Any:
            return NotImplemented if isinstance(other, Activation) else operator(tensor, other)

        return call

    names = [f"__{name}__" for name in ("add", "sub", "mul", "truediv")]
    operators = [(name, getattr(paddle.Tensor, name)) for name in names]
    return [(paddle.Tensor, name, operator, yielding(operator)) for name, operator in operators]


@contextlib.contextmanager
def routed(element: int) -> Iterator[None]:
    """Run a network's forward in here."""
    for namespace, name, _, ours in _routes():
        setattr(namespace, name, ours)
    _running.element = element
    try:
        yield
    finally:
        _running.element = None
        for namespace, name, theirs, _ in _routes():
            setattr(namespace, name, theirs)


def install() -> None:
    """Let `Layer.__call__` go through here; networks without the switch notice nothing."""
    nn.Layer.__call__ = call_layer
