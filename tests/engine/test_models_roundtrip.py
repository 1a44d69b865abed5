"""Nets that Keras writes, opened by us, give exactly Keras's own outputs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.sandbox.model_file import read_model

keras = pytest.importorskip("keras")
network = pytest.importorskip("engine.network.build")
layers = keras.layers
pytestmark = [
    pytest.mark.keras,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras with NumPy 2
]

IMAGE = (16, 12, 3)
NETS: dict[str, Callable[[], "keras.Model"]] = {}


def net(make):
    NETS[make.__name__] = make
    return make


def sequential(*inner, image=IMAGE):
    return keras.Sequential([keras.Input(image), *inner])


def classified(x):
    return layers.Dense(5, activation="softmax")(layers.Flatten()(x))


@net
def plain_sequential():
    return sequential(layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten(), layers.Dense(5))


@net
def sequential_built_late():
    model = keras.Sequential([layers.Conv2D(4, 3), layers.ReLU(), layers.Flatten(), layers.Dense(5)])
    model.build((None, *IMAGE))
    return model


@net
def without_bias():
    return sequential(layers.Conv2D(4, 3, use_bias=False), layers.Flatten(), layers.Dense(5, use_bias=False))


@net
def two_branches_as_in_the_lab():
    start = keras.Input(IMAGE)
    x = layers.MaxPooling2D()(layers.Conv2D(6, 3, activation="relu")(start))
    y = layers.Conv2D(8, 2, activation="relu")(x)
    x, y = layers.Dense(7)(layers.Flatten()(x)), layers.Dense(7)(layers.Flatten()(y))
    return keras.Model(start, layers.Dense(5, activation="softmax")(layers.ReLU()(layers.Add()([x, y]))))


@net
def skip_connection():
    start = keras.Input(IMAGE)
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(start)
    y = layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same")(x))
    return keras.Model(start, classified(layers.Activation("relu")(layers.Add()([x, y]))))


@net
def skip_connection_with_a_plus_sign():
    start = keras.Input(IMAGE)
    x = layers.Conv2D(4, 3, padding="same")(start)
    return keras.Model(start, classified(x + layers.Conv2D(4, 3, padding="same")(x)))


@net
def every_merge():
    start = keras.Input(IMAGE)
    a, b, c = (layers.Conv2D(4, 3)(start) for _ in range(3))
    x = layers.Subtract()([layers.Add()([a, b, c]), layers.Multiply()([a, b])])
    x = layers.Average()([x, layers.Maximum()([a, c]), layers.Minimum()([b, c])])
    return keras.Model(start, classified(layers.Concatenate()([x, a])))


@net
def concatenated_rows():
    start = keras.Input(IMAGE)
    x = layers.Conv2D(4, 3)(start)
    return keras.Model(start, classified(layers.Concatenate(axis=1)([x, layers.Conv2D(4, 3)(start)])))


@net
def batch_normalised():
    return sequential(
        layers.Conv2D(4, 3, strides=2, use_bias=False),
        layers.BatchNormalization(epsilon=2e-3),
        layers.ReLU(max_value=6),
        layers.Conv2D(4, 2),
        layers.BatchNormalization(scale=False),
        layers.BatchNormalization(center=False),
        layers.GlobalAveragePooling2D(),
        layers.Dense(5, activation="softmax"),
    )


@net
def batch_normalised_dense():
    return sequential(
        layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(6), layers.BatchNormalization(), layers.Dense(5)
    )


@net
def other_normalisations():
    return sequential(
        layers.Conv2D(4, 3),
        layers.LayerNormalization(),
        layers.Conv2D(6, 3),
        layers.LayerNormalization(axis=[1, 2, 3], center=False),
        layers.GroupNormalization(groups=3),
        layers.Flatten(),
        layers.Dense(5),
    )


@net
def global_max_pooling():
    return sequential(layers.Conv2D(4, 3), layers.GlobalMaxPooling2D(), layers.Dense(5))


@net
def pooling_that_keeps_axes():
    return sequential(
        layers.Conv2D(4, 3), layers.GlobalAveragePooling2D(keepdims=True), layers.Flatten(), layers.Dense(5)
    )


@net
def every_pooling():
    return sequential(
        layers.Conv2D(4, 3),
        layers.MaxPooling2D(3, strides=1, padding="same"),
        layers.AveragePooling2D((2, 1), strides=(1, 2)),
        layers.MaxPooling2D(2, padding="same"),
        layers.Flatten(),
        layers.Dense(5),
    )


@net
def identity_in_use():
    return sequential(
        layers.RandomFlip("horizontal"),
        layers.RandomRotation(0.1),
        layers.GaussianNoise(0.3),
        layers.Conv2D(4, 3),
        layers.SpatialDropout2D(0.3),
        layers.GaussianDropout(0.2),
        layers.AlphaDropout(0.2),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.ActivityRegularization(0.1),
        layers.Dense(5),
    )


@net
def activations_as_layers():
    return sequential(
        layers.Conv2D(4, 3),
        layers.LeakyReLU(negative_slope=0.2),
        layers.Conv2D(4, 3),
        layers.ELU(alpha=0.7),
        layers.Conv2D(4, 3),
        layers.PReLU(alpha_initializer="random_normal"),
        layers.Conv2D(4, 3),
        layers.PReLU(shared_axes=[1, 2], alpha_initializer="random_normal"),
        layers.ReLU(negative_slope=0.1, threshold=0.2),
        layers.Flatten(),
        layers.Dense(5),
        layers.Softmax(),
    )


@net
def activation_layer_inside_a_convolution():
    return sequential(
        layers.Conv2D(4, 3, activation=layers.LeakyReLU(negative_slope=0.1)), layers.Flatten(), layers.Dense(5)
    )


@net
def depthwise_and_separable():
    return sequential(
        layers.Conv2D(4, 3),
        layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu"),
        layers.SeparableConv2D(6, 3, padding="same", depth_multiplier=2),
        layers.Flatten(),
        layers.Dense(5),
    )


@net
def dilated():
    return sequential(layers.Conv2D(4, 3, dilation_rate=2), layers.Conv2D(6, 1), layers.Flatten(), layers.Dense(5))


@net
def transposed():
    return sequential(
        layers.Conv2D(4, 3, strides=2),
        layers.Conv2DTranspose(3, 3, strides=2, activation="relu"),
        layers.Conv2DTranspose(2, 2, strides=3, padding="same"),
        layers.Flatten(),
        layers.Dense(5),
    )


@net
def borders():
    return sequential(
        layers.ZeroPadding2D(((1, 2), (3, 0))),
        layers.ZeroPadding2D(1),
        layers.Conv2D(4, 3),
        layers.Cropping2D(((1, 0), (2, 1))),
        layers.UpSampling2D((2, 1)),
        layers.UpSampling2D(2, interpolation="bilinear"),
        layers.Flatten(),
        layers.Dense(5),
    )


@net
def reshaped():
    return sequential(
        layers.Conv2D(4, 3), layers.Permute((3, 1, 2)), layers.Reshape((-1, 7)), layers.Reshape((560,)), layers.Dense(5)
    )


@net
def dense_over_the_channels():
    return sequential(layers.Conv2D(4, 3), layers.Dense(6, activation="relu"), layers.Flatten(), layers.Dense(5))


@net
def rescaled():
    return sequential(layers.Rescaling(1 / 127.5, offset=-1), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(5))


@net
def rescaled_by_channel():
    return sequential(
        layers.Rescaling([0.1, 0.2, 0.3], offset=[1.0, 2.0, 3.0]),
        layers.Conv2D(4, 3),
        layers.Flatten(),
        layers.Dense(5),
    )


@net
def normalised_by_given_numbers():
    given = layers.Normalization(mean=[100.0, 110.0, 120.0], variance=[900.0, 1000.0, 1100.0])
    return sequential(given, layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(5))


@net
def normalised_by_learned_numbers():
    learned = layers.Normalization()
    learned.adapt(images(7, 30))
    return sequential(learned, layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(5))


@net
def nested_sequential():
    inner = keras.Sequential([layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU(), layers.Dropout(0.1)])
    return sequential(inner, layers.Flatten(), layers.Dense(5))


@net
def nested_functional():
    start = keras.Input(IMAGE)
    x = layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same")(start))
    inner = keras.Model(start, layers.Concatenate()([x, layers.Conv2D(2, 3, padding="same")(x)]), name="trunk")
    outer = keras.Input(IMAGE)
    return keras.Model(outer, classified(layers.Conv2D(4, 3)(inner(outer))))


@net
def nested_and_frozen():
    inner = keras.Sequential(
        [keras.Input(IMAGE), layers.Conv2D(4, 3), layers.BatchNormalization(), layers.Conv2D(4, 3)]
    )
    inner.trainable = False
    return sequential(inner, layers.BatchNormalization(), layers.Flatten(), layers.Dense(5))


@net
def nested_and_partly_frozen():
    inner = keras.Sequential(
        [keras.Input(IMAGE), layers.Conv2D(3, 3), layers.BatchNormalization(), layers.Conv2D(3, 3)]
    )
    inner.layers[0].trainable = False
    return sequential(inner, layers.Flatten(), layers.Dense(5))


@net
def nested_twice():
    deep = keras.Sequential([layers.Conv2D(4, 3), layers.BatchNormalization()], name="deep")
    middle = keras.Sequential([layers.Conv2D(3, 3), deep, layers.ReLU()], name="middle")
    return sequential(middle, layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(5))


@net
def frozen():
    model = sequential(layers.Conv2D(4, 3), layers.BatchNormalization(), layers.Flatten(), layers.Dense(5))
    model.trainable = False
    return model


@net
def one_colour():
    return sequential(layers.Conv2D(4, 3, activation="tanh"), layers.Flatten(), layers.Dense(5), image=(14, 14, 1))


@net
def compiled_and_trained():
    model = sequential(layers.Conv2D(4, 3, activation="relu"), layers.Flatten(), layers.Dense(5, activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images(3, 8) / 255, np.arange(8) % 5, verbose=0)
    return model


@net
def deep_with_many_names():
    start = x = keras.Input(IMAGE)
    for _ in range(14):
        x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(3, 3, padding="same")(x)))
    return keras.Model(start, classified(x))


@net
def squeeze_and_excite():
    start = keras.Input(IMAGE)
    x = layers.Conv2D(4, 3)(start)
    gate = layers.Dense(4, activation="sigmoid")(layers.Dense(2, activation="relu")(layers.GlobalAveragePooling2D()(x)))
    return keras.Model(start, classified(layers.Multiply()([x, layers.Reshape((1, 1, 4))(gate)])))


@net
def all_convolutional():
    return sequential(
        layers.Conv2D(4, 3), layers.Conv2D(5, 1), layers.GlobalAveragePooling2D(), layers.Activation("softmax")
    )


@net
def softmax_fused_into_a_convolution():
    return sequential(layers.Conv2D(4, 3), layers.Conv2D(5, 1, activation="softmax"), layers.GlobalAveragePooling2D())


ACTIVATIONS = (
    "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "silu", "gelu", "mish", "softplus", "softsign", "tanh",
    "sigmoid", "hard_sigmoid", "hard_silu", "exponential", "log_softmax", "log_sigmoid", "hard_tanh", "squareplus",
    "sparse_plus", "sparse_sigmoid", "soft_shrink", "hard_shrink", "tanh_shrink",
)  # fmt: skip


def images(seed: int, count: int, shape: tuple[int, ...] = IMAGE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape)).astype(np.float32)


def scatter(model: "keras.Model") -> None:
    """Give every weight a value of its own, so that two that were swapped show."""
    rng = np.random.default_rng(5)
    for weight in model.weights:
        if "float" in str(weight.dtype):
            low, high = (0.5, 1.5) if "variance" in weight.path else (-0.6, 0.7)
            weight.assign(rng.uniform(low, high, weight.shape))


def same_outputs(model: "keras.Model", path: Path) -> None:
    model.save(path)
    held = read_model(path)
    ours = network.build(held.spec, held.arrays).model
    given = images(1, 9, model.input_shape[1:])
    np.testing.assert_array_equal(np.asarray(ours(given, training=False)), np.asarray(model(given, training=False)))


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("name", NETS)
def test_gives_the_outputs_of_keras(name: str, suffix: str, tmp_path: Path) -> None:
    model = NETS[name]()
    if "learned" not in name:
        scatter(model)
    same_outputs(model, tmp_path / f"net{suffix}")


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gives_the_outputs_of_keras_with_activation(activation: str, tmp_path: Path) -> None:
    model = sequential(
        layers.Rescaling(1 / 255), layers.Conv2D(4, 3, activation=activation), layers.Flatten(), layers.Dense(5)
    )
    same_outputs(model, tmp_path / "net.keras")
