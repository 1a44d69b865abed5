"""Which layers can be pruned, which one by default, and which output ranks its channels."""

from typing import Any

import pytest

from engine.architecture.description import LayerSpec, ModelSpec
from engine.architecture.graph import (
    check_classifier,
    default_layer,
    output_shapes,
    prunable,
    ranking_feature,
    refuse_layer,
)
from engine.architecture.layers import checked
from engine.file_safety.refusal import FileRefused


def net(*layers: tuple[str, str, str | list[str], dict[str, Any]]) -> ModelSpec:
    """Layers as (name, class, what feeds it, settings) behind an image input called x."""
    specs = [LayerSpec("x", "InputLayer", {"shape": [16, 12, 3]}, ())]
    for name, kind, feeds, settings in layers:
        inputs = (feeds,) if isinstance(feeds, str) else tuple(feeds)
        specs.append(LayerSpec(name, kind, checked(name, kind, settings), inputs))
    return ModelSpec("h5", "3", tuple(specs), specs[-1].name, ())


def conv(name: str, feeds: str, **settings: Any) -> tuple[str, str, str, dict[str, Any]]:
    return name, "Conv2D", feeds, {"filters": 4, "kernel_size": 3, "padding": "same", **settings}


LAB = net(
    conv("conv_1", "x"),
    ("pool_1", "MaxPooling2D", "conv_1", {}),
    conv("conv_3", "pool_1", activation="relu"),
    ("pool_3", "MaxPooling2D", "conv_3", {}),
    ("flat_1", "Flatten", "pool_3", {}),
    ("fc_1", "Dense", "flat_1", {"units": 8}),
    conv("conv_4", "pool_3"),
    ("flat_2", "Flatten", "conv_4", {}),
    ("fc_2", "Dense", "flat_2", {"units": 8}),
    ("add_1", "Add", ["fc_1", "fc_2"], {}),
    ("output", "Dense", "add_1", {"units": 5}),
)


def test_the_labs_net() -> None:
    assert default_layer(LAB) == "conv_3"
    assert ranking_feature(LAB, "conv_3") == "pool_3"
    assert ranking_feature(LAB, "conv_1") == "pool_1"
    assert ranking_feature(LAB, "conv_4") == "conv_4"
    assert set(prunable(LAB).values()) == {None}
    assert check_classifier(LAB.layers, LAB.output)["output"] == (5,)


def chain(*kinds: tuple[str, dict[str, Any]]) -> ModelSpec:
    layers = [conv("c", "x")]
    for index, (kind, settings) in enumerate(kinds):
        layers.append((f"l{index}", kind, layers[-1][0], settings))
    return net(*layers)


@pytest.mark.parametrize(
    ("kinds", "feature"),
    [
        ([("BatchNormalization", {}), ("ReLU", {}), ("Dropout", {"rate": 0.5}), ("AveragePooling2D", {})], "l3"),
        ([("ReLU", {}), ("GlobalAveragePooling2D", {}), ("Dense", {"units": 5})], "l1"),
        ([("Activation", {"activation": "tanh"}), ("SpatialDropout2D", {"rate": 0.1}), ("Flatten", {})], "l1"),
        ([("Activation", {"activation": "softmax"}), ("MaxPooling2D", {})], "c"),
        ([("Softmax", {}), ("MaxPooling2D", {})], "c"),
        ([("LayerNormalization", {}), ("ReLU", {})], "c"),
        ([("GroupNormalization", {"groups": 2}), ("ReLU", {})], "c"),
        ([("LeakyReLU", {}), ("ELU", {}), ("PReLU", {}), ("GlobalMaxPooling2D", {})], "l3"),
        ([("ZeroPadding2D", {}), ("ReLU", {})], "c"),
        ([("Reshape", {"target_shape": [-1]})], "c"),
        ([("GaussianNoise", {"stddev": 1}), ("Identity", {}), ("Rescaling", {"scale": 2})], "l1"),
    ],
)
def test_the_chain_of_the_ranking_feature(kinds: list[tuple[str, dict[str, Any]]], feature: str) -> None:
    assert ranking_feature(chain(*kinds), "c") == feature


def test_a_branch_ends_the_chain() -> None:
    spec = net(
        conv("c", "x"),
        ("relu", "ReLU", "c", {}),
        ("a", "MaxPooling2D", "relu", {}),
        ("b", "MaxPooling2D", "relu", {}),
        ("sum", "Add", ["a", "b"], {}),
    )
    assert ranking_feature(spec, "c") == "relu"


def test_a_layer_that_is_fed_twice_by_one_ends_the_chain() -> None:
    spec = net(conv("c", "x"), ("double", "Add", ["c", "c"], {}), ("relu", "ReLU", "double", {}))
    assert ranking_feature(spec, "c") == "c"


def test_the_default_is_on_every_path_where_one_is() -> None:
    residual = net(
        conv("stem", "x"),
        conv("inner", "stem"),
        ("sum", "Add", ["stem", "inner"], {}),
        conv("last", "sum", groups=2),
        ("flat", "Flatten", "last", {}),
    )
    assert default_layer(residual) == "inner", "of the one on every path more convolutions are behind it than up to it"
    beside = net(conv("a", "x"), conv("b", "x"), ("sum", "Add", ["a", "b"], {}), ("flat", "Flatten", "sum", {}))
    assert default_layer(beside) == "b"


REFUSED = {
    "depthwise": ("DepthwiseConv2D", {}, "is depthwise: each channel has one input only"),
    "separable": ("SeparableConv2D", {"filters": 4}, "is separable: two convolutions in one"),
    "transposed": ("Conv2DTranspose", {"filters": 4}, "is a transposed convolution"),
    "grouped": ("Conv2D", {"filters": 4, "groups": 2}, "is grouped (2 groups)"),
    "softmax": ("Conv2D", {"filters": 4, "activation": "softmax"}, "ends in softmax, which mixes the channels"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_pruned_says_why_and_what_can(what: str) -> None:
    kind, settings, words = REFUSED[what]
    spec = net(conv("a", "x"), conv("b", "a"), ("odd", kind, "b", {"kernel_size": 3, **settings}))
    assert prunable(spec) == {"a": None, "b": None, "odd": words}
    assert default_layer(spec) == "b"
    with pytest.raises(FileRefused) as caught:
        refuse_layer(spec, "odd")
    assert str(caught.value) == f"layer 'odd' cannot be pruned: it {words}. Layers that can: 'a', 'b'."


def test_layers_that_are_no_convolution_or_not_there() -> None:
    refuse_layer(LAB, "conv_4")
    with pytest.raises(FileRefused, match="layer 'pool_3' cannot be pruned: it is no convolution but a MaxPooling2D"):
        refuse_layer(LAB, "pool_3")
    with pytest.raises(
        FileRefused, match=r"has no layer 'conv_9'\. Layers that can be pruned: 'conv_1', 'conv_3', 'conv_4'"
    ):
        refuse_layer(LAB, "conv_9")


def test_nothing_that_can_be_pruned() -> None:
    spec = net(("odd", "DepthwiseConv2D", "x", {"kernel_size": 3}), ("flat", "Flatten", "odd", {}))
    with pytest.raises(FileRefused, match="has no convolution whose channels can be pruned"):
        default_layer(spec)


def test_shapes() -> None:
    spec = net(
        conv("valid", "x", padding="valid", strides=2),
        conv("dilated", "valid", padding="valid", dilation_rate=2),
        ("up", "Conv2DTranspose", "dilated", {"filters": 6, "kernel_size": 5, "strides": 3}),
        ("pad", "ZeroPadding2D", "up", {"padding": [[1, 2], [0, 3]]}),
        ("pool", "AveragePooling2D", "pad", {"pool_size": 2, "strides": 3, "padding": "same"}),
        ("turned", "Permute", "pool", {"dims": [3, 1, 2]}),
        ("flat", "Reshape", "turned", {"target_shape": [-1, 2]}),
    )
    assert list(output_shapes(spec.layers).values()) == [
        (16, 12, 3), (7, 5, 4), (3, 1, 4), (11, 5, 6), (14, 8, 6), (5, 3, 6), (6, 5, 3), (45, 2),
    ]  # fmt: skip
