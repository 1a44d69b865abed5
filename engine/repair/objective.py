"""What tuning makes small: the cross-entropy of the scores before the last softmax or sigmoid."""

from collections.abc import Callable
from typing import Any

import keras

from engine.architecture.graph import DROPOUT
from engine.architecture.layers import MIXING
from engine.network.build import Network

Tensor = Any
Objective = Callable[[Tensor, Tensor, Tensor], Tensor]  # scores (n, classes), labels (n,), weights (n,) -> one number


def scores_layer(network: Network) -> tuple[str, str]:
    """The layer whose output the last softmax or sigmoid takes, and which of the two; "" where there is none.

    Without one the network's own output is taken for such scores.
    """
    last = network.layer(network.spec.output)
    while last.kind in DROPOUT:
        last = network.layer(last.inputs[0])
    function = "softmax" if last.kind == "Softmax" else str(last.config.get("activation", ""))
    if last.kind in ("Softmax", "Activation") and function in (*MIXING, "sigmoid"):
        return last.inputs[0], "sigmoid" if function == "sigmoid" else "softmax"
    return network.spec.output, ""


def objective(function: str) -> Objective:
    """The mean cross-entropy over images, each counted with its weight."""
    losses = sigmoid_losses if function == "sigmoid" else softmax_losses
    return lambda scores, labels, weights: keras.ops.sum(losses(scores, labels) * weights) / keras.ops.sum(weights)


def softmax_losses(scores: Tensor, labels: Tensor) -> Tensor:
    """The loss of each image: (n,)."""
    wanted = keras.ops.one_hot(labels, scores.shape[-1])
    return -keras.ops.sum(wanted * keras.ops.log_softmax(scores, axis=-1), axis=-1)


def sigmoid_losses(scores: Tensor, labels: Tensor) -> Tensor:
    """The same for outputs that each say yes or no; a single one says whether it is class 1."""
    single = scores.shape[-1] == 1
    wanted = keras.ops.cast(labels[:, None], "float32") if single else keras.ops.one_hot(labels, scores.shape[-1])
    likely = wanted * keras.ops.log_sigmoid(scores) + (1 - wanted) * keras.ops.log_sigmoid(-scores)
    return -keras.ops.sum(likely, axis=-1)
