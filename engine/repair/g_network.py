"""G as one Keras model: images in, a score for each class and one more for "backdoored" out."""

from typing import Any

import keras
import numpy as np

from engine.architecture.description import ModelFile
from engine.architecture.graph import ends_in_sigmoid
from engine.repair.plain_keras import Shelf, image_input, scores

Tensor = Any


def g_model(b: ModelFile, b_prime: ModelFile, scale: float) -> Any:
    """G of two networks. The layers that both have alike are there once.

    Its highest score is G's answer: class N, one past the last, where B and B′ disagree; else theirs. Where B gives
    probabilities, G does: B's where they agree, all on class N elsewhere.
    """
    shelf = Shelf()
    shelf.taken |= {"images", "pixels"}
    images, pixels = image_input(b.spec, scale)
    first, second = (classes(scores(model.spec, model.arrays, pixels, shelf)) for model in (b, b_prime))
    agree = keras.ops.cast(keras.ops.equal(highest(first), highest(second)), "float32")  # (n, 1)
    if probable(b):
        found = keras.ops.concatenate([first * agree, 1.0 - agree], axis=-1)
    else:
        top = keras.ops.amax(first, axis=-1, keepdims=True)
        low = keras.ops.amin(first, axis=-1, keepdims=True)
        above = top + keras.ops.absolute(top) + 1.0
        found = keras.ops.concatenate([first, agree * (low - 1.0) + (1.0 - agree) * above], axis=-1)
    return keras.Model(images, found, name="g")


def highest(found: Tensor) -> Tensor:
    """The class (n, 1) with the highest of the scores (n, classes), the first one of several.

    Keras's own argmax cannot be exported to ONNX from TensorFlow: it looks at the bits of zeros.
    """
    number = found.shape[-1]
    top = keras.ops.amax(found, axis=-1, keepdims=True)
    places = keras.ops.where(keras.ops.equal(found, top), np.arange(number, dtype="float32"), float(number))
    return keras.ops.amin(places, axis=-1, keepdims=True)


def classes(found: Tensor) -> Tensor:
    """Scores (n, classes), also of a network with a single sigmoid output, which tells two classes apart."""
    return keras.ops.concatenate([1.0 - found, found], axis=-1) if found.shape[-1] == 1 else found


def probable(model: ModelFile) -> bool:
    """Whether a network's scores are between 0 and 1 and not all 0: those of a softmax, or of a sigmoid."""
    layers = {layer.name: layer for layer in model.spec.layers}
    last = layers[model.spec.output]
    while last.kind in ("Dropout", "Identity"):
        last = layers[last.inputs[0]]
    softmax = last.kind == "Softmax" or last.config.get("activation") == "softmax"
    return softmax or ends_in_sigmoid(model.spec.layers, model.spec.output)
