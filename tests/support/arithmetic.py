"""Networks as people write them: arithmetic in the graph, other number types, layers used twice, one output."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from tests.support.networks import CLASSES, SHAPE, pictures

NETS: dict[str, Callable[[], Any]] = {}
MIDDLE = np.array([103.0, 116.5, 123.7])


def net(build: Callable[[], Any]) -> Callable[[], Any]:
    NETS[build.__name__] = build
    return build


def conv(x: Any, name: str | None = None, **settings: Any) -> Any:
    return layers.Conv2D(8, 3, padding="same", name=name, **settings)(x)


def ended(start: Any, x: Any) -> Any:
    """The last convolution, and what makes classes of it."""
    x = layers.MaxPooling2D(2, name="pool")(conv(x, "last", activation="relu"))
    return keras.Model(start, layers.Dense(CLASSES, activation="softmax")(layers.Flatten()(x)))


def images(dtype: str = "float32") -> Any:
    return keras.Input(SHAPE, dtype=dtype)


@net
def divided() -> Any:
    start = images()
    return ended(start, start / 255.0)


@net
def constants_on_both_sides() -> Any:
    start = images()
    return ended(start, 2 * (1 - 255.0 / (start + 1.0)) + (0.5 + start) * 0.01 - -start / 300)


@net
def constants_for_each_channel() -> Any:
    start = images()
    x = (start - MIDDLE.astype("float32")) / ops.convert_to_tensor([[[[58.0, 57.0, 57.5]]]])
    return ended(start, x)


@net
def constants_of_double_precision() -> Any:
    start = images()
    return ended(start, ((start / 255) - MIDDLE / 255) / 0.225)


@net
def preprocessed_as_mobilenet() -> Any:
    start = images()
    return ended(start, keras.applications.mobilenet_v2.preprocess_input(start))


@net
def preprocessed_as_vgg() -> Any:
    start = images()
    return ended(start, keras.applications.vgg16.preprocess_input(start))


@net
def preprocessed_as_densenet() -> Any:
    start = images()
    return ended(start, keras.applications.densenet.preprocess_input(start))


@net
def colours_turned() -> Any:
    start = images()
    return ended(start, start[..., ::-1] / 255.0)


@net
def activations_as_functions() -> Any:
    start = images()
    x = ops.silu(conv(ops.relu6(ops.cast(start, "float32") / 30.0)))
    x = keras.activations.relu(ops.tanh(conv(x)) + ops.sigmoid(x), negative_slope=0.1, max_value=3)
    return ended(start, x)


@net
def residuals_as_sums() -> Any:
    start = images()
    a = ops.relu(layers.BatchNormalization()(conv(start / 127.5 - 1)))
    b = ops.relu(layers.BatchNormalization()(conv(a)))
    a, b = ops.relu(a + b), layers.BatchNormalization()(conv(a))
    return ended(start, ops.add(a, b) * a - ops.maximum(a, b) / (ops.minimum(a, b) * ops.minimum(a, b) + 1.5))


@net
def means_and_joins() -> Any:
    start = images()
    x = conv(start / 255.0)
    x = layers.MaxPooling2D(2)(ops.relu(conv(ops.concatenate([x, ops.sigmoid(x)], axis=-1), "last")))
    ends = [ops.mean(x, [1, 2]), ops.max(x, axis=(1, 2)), ops.reshape(x, (-1, 9 * 7 * 8))]
    return keras.Model(start, layers.Dense(CLASSES, activation="softmax")(ops.concatenate(ends, axis=-1)))


@net
def images_of_whole_numbers() -> Any:
    start = images("uint8")
    return ended(start, start / 255)


@net
def images_of_whole_numbers_scaled_by_a_layer() -> Any:
    start = images("uint8")
    return ended(start, layers.Rescaling(1 / 127.5, -1.0)(start))


@net
def images_of_whole_numbers_normalised() -> Any:
    start = images("int32")
    return ended(start, layers.Normalization(mean=[120.0, 110.0, 100.0], variance=[2000.0, 2100.0, 2500.0])(start))


@net
def images_of_double_precision() -> Any:
    start = images("float64")
    return ended(start, (start / 255.0 - 0.3) / 0.7)


@net
def images_of_double_precision_beside_the_convolution() -> Any:
    """What is computed in double precision is read behind the pruned layer too."""
    start = images("float64")
    scaled = (start / 255.0 - 0.3) / 0.7
    x = layers.MaxPooling2D(2, name="pool")(conv(scaled, "last", activation="relu"))
    x = layers.Concatenate()([x, layers.MaxPooling2D(2)(scaled * 0.1)])
    return keras.Model(start, layers.Dense(CLASSES, activation="softmax")(layers.Flatten()(x)))


@net
def one_axis_pooled() -> Any:
    start = images()
    x = layers.Reshape((-1, 8))(conv(start / 255.0, "last", activation="relu"))
    x = layers.Concatenate()([layers.GlobalAveragePooling1D()(x), layers.GlobalMaxPooling1D()(x)])
    return keras.Model(start, layers.Dense(CLASSES, activation="softmax")(x))


@net
def weightless_layers_used_twice() -> Any:
    start = images()
    relu, pool = layers.ReLU(), layers.MaxPooling2D(2)
    return ended(start, pool(relu(conv(pool(relu(conv(start / 255.0)))))))


@net
def layers_used_one_after_the_other() -> Any:
    start = images()
    again, norm, dense = layers.Conv2D(8, 3, padding="same"), layers.BatchNormalization(), layers.Dense(CLASSES)
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(start / 255.0)
    x = layers.ReLU()(norm(again(layers.ReLU()(norm(again(x))))))
    x = conv(x, "last", activation="relu")
    ends = [dense(layers.GlobalMaxPooling2D()(x)), dense(layers.GlobalAveragePooling2D()(x))]
    return keras.Model(start, layers.Softmax()(layers.Add()(ends)))


@net
def a_layer_used_at_several_depths() -> Any:
    """Its weights stand where Keras puts them: at its use that is furthest from the output."""
    start = images()
    again = layers.Conv2D(8, 3, padding="same", activation="relu")
    x = conv(start / 255.0)
    y = conv(again(conv(x)))
    return ended(start, layers.Add()([again(x), again(y)]))


@net
def residual_network() -> Any:
    """What is pruned lies beside a skip connection, with batch normalisation behind it."""
    start = images()
    x = layers.ReLU()(layers.BatchNormalization()(conv(start / 255.0)))
    for name in (None, "last"):
        y = layers.ReLU()(layers.BatchNormalization()(conv(x)))
        y = layers.BatchNormalization()(conv(y, name))
        x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(start, layers.Dense(CLASSES, activation="softmax")(x))


@net
def one_sigmoid() -> Any:
    start = images()
    x = layers.GlobalAveragePooling2D(name="pool")(conv(start / 255.0, "last", activation="relu"))
    return keras.Model(start, layers.Dense(1, activation="sigmoid")(x))


def weighted(build: Callable[[], Any], seed: int) -> Any:
    """A network with weights that suit scaled pixels, an idle channel each convolution, and various answers."""
    keras.utils.set_random_seed(seed)
    model, rng = build(), np.random.default_rng(seed)
    for layer in model.layers:
        weights = layer.get_weights()
        if isinstance(layer, layers.Conv2D):
            weights[1] = rng.normal(0, 0.1, weights[1].shape)
            weights[1][0] = -1000
        if isinstance(layer, layers.BatchNormalization):
            weights = [rng.uniform(0.5, 1.5, weight.shape) for weight in weights]
        layer.set_weights(weights)
    last = [layer for layer in model.layers if isinstance(layer, layers.Dense)][-1]
    kernel, _ = last.get_weights()
    before = [keras.Model(model.inputs, node.input_tensors[0]) for node in last._inbound_nodes]
    given = sum(each.predict(pictures(rng, 200).astype("float32"), verbose=0) for each in before)
    scores = given @ kernel
    kernel = kernel * (3 / np.maximum(scores.std(0), 1e-6))
    last.set_weights([kernel, -(given.mean(0) @ kernel) / len(before)])
    return model
