"""Slopes of a function of the class scores by the ranking feature, with the backend's own gradients."""

from collections.abc import Callable
from math import prod
from typing import Any

import keras
import numpy as np

from engine.architecture.layers import MIXING
from engine.network.build import Cut, Network, wire
from engine.network.model_runner import Forward, plain_graph
from engine.network.pipeline import map_threaded
from engine.network.pruned_tail import PASSES
from engine.orders.evidence import Evidence

Tensor = Any
Objective = Callable[[Tensor, Tensor], Tensor]  # scores before the softmax (n, classes), labels (n,) -> (n,)
Sloped = Callable[..., Any]  # features, directions, labels, what else crosses the cut -> (n, channels)


def cross_entropy(scores: Tensor, labels: Tensor) -> Tensor:
    """The loss of each image: (n,)."""
    wanted = keras.ops.one_hot(labels, scores.shape[-1])
    return -keras.ops.sum(wanted * keras.ops.log_softmax(scores, axis=-1), axis=-1)


def odds(scores: Tensor, labels: Tensor) -> Tensor:
    """The label's score minus the log of the sum of the other scores' exponentials: (n,)."""
    wanted = keras.ops.one_hot(labels, scores.shape[-1])
    others = keras.ops.where(wanted > 0, -1e30, scores)
    return keras.ops.sum(wanted * scores, axis=-1) - keras.ops.logsumexp(others, axis=-1)


def slopes(
    material: Evidence,
    objective: Objective,
    rows: np.ndarray,
    labels: np.ndarray,
    direction: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> "list[np.ndarray]":
    """For the images `rows` in batches: Σ positions direction·∂objective/∂feature, (n, channels) each.

    `direction` makes the directions (n, channels, positions) of a batch from the numbers of its images, counted from
    the first of `rows`, and from their features.
    """
    store = material.store
    model = tail_model(material.network, material.at, [array.shape[1:] for array in store.others])
    forward = Forward(model, 3 + len(store.others), material.halved, call=sloped(model, objective))
    size = forward.fitting(material.batch, more=3 * store.base.size)

    def batch(part: np.ndarray) -> np.ndarray:
        features = store.values[:, rows[part]].transpose(1, 0, 2)
        others = [store.take(array, rows[part]) for array in store.others]
        for values in store.values:
            store.release(values)
        return forward([features, direction(part, features), labels[part].astype("int32"), *others])[0]

    parts = (np.arange(start, min(start + size, len(rows))) for start in range(0, len(rows), size))
    found = []
    for each in map_threaded(batch, parts, forward.threads):
        material.check()
        found.append(each.astype("float64"))
    return found


def tail_model(network: Network, at: Cut, others: list[tuple[int, ...]]) -> Any:
    """From the feature (n, channels, positions) and what else crosses the cut to the scores before the softmax."""
    *space, channels = at.base.shape
    features = keras.Input((channels, prod(space)))
    feature = keras.layers.Reshape((*space, channels))(keras.layers.Permute((2, 1))(features))
    crossing = [keras.Input(shape) for shape in others]
    known = dict(zip(at.crossing, [feature, *crossing], strict=True))
    name = before_softmax(network)
    return keras.Model([features, *crossing], wire(network.spec, network.layers, known, [name])[name])


def before_softmax(network: Network) -> str:
    """The layer whose output the last softmax takes; the output itself where the network ends in none."""
    last = network.layer(network.spec.output)
    while last.kind in PASSES or last.kind == "Identity":
        last = network.layer(last.inputs[0])
    mixing = last.kind == "Softmax" or (last.kind == "Activation" and last.config["activation"] in MIXING)
    return last.inputs[0] if mixing else network.spec.output


def sloped(model: Any, objective: Objective) -> Sloped:
    """The backend's own way to the slopes of `objective` along directions."""
    ways = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
    return ways[keras.backend.backend()](model, objective)


def _tensorflow(model: Any, objective: Objective) -> Sloped:
    import tensorflow as tf

    def call(features: Tensor, directions: Tensor, labels: Tensor, *others: Tensor) -> Tensor:
        with tf.GradientTape() as tape:
            tape.watch(features)
            total = tf.reduce_sum(objective(model([features, *others], training=False), labels))
        return tf.reduce_sum(directions * tape.gradient(total, features), axis=2)

    features, *others = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs]
    return plain_graph(call, [features, features, tf.TensorSpec((None,), "int32"), *others])


def _jax(model: Any, objective: Objective) -> Sloped:
    import jax

    def total(features: Tensor, weights: tuple[Tensor, Tensor], labels: Tensor, others: Tensor) -> Tensor:
        scores, _ = model.stateless_call(*weights, [features, *others], training=False)
        return keras.ops.sum(objective(scores, labels))

    def along(weights: Tensor, features: Tensor, directions: Tensor, labels: Tensor, *others: Tensor) -> Any:
        return (directions * jax.grad(total)(features, weights, labels, list(others))).sum(axis=2)

    variables = model.trainable_variables, model.non_trainable_variables
    weights = tuple([each.value for each in held] for held in variables)
    compiled = jax.jit(along)
    return lambda *arrays: compiled(weights, *arrays)


def _torch(model: Any, objective: Objective) -> Sloped:
    import torch

    def call(*arrays: np.ndarray) -> Tensor:
        features, directions, labels, *others = map(keras.ops.convert_to_tensor, arrays)
        with torch.enable_grad():
            features.requires_grad_(True)
            total = objective(model([features, *others], training=False), labels).sum()
            (found,) = torch.autograd.grad(total, features)
        return keras.ops.convert_to_numpy((directions * found).sum(dim=2))

    return call
