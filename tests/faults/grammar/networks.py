"""A grammar of networks: descriptions, as plain data, of what any Keras can build.

A description is `{"kind": "Functional" or "Sequential", "name": ..., "layers": [...]}`; a layer has `kind`, `name`,
`config` (what its constructor takes, in the words of Keras 3), `inputs` (names), and `model` where it is one itself.
To have another layer made, add a rule to ONE_INPUT or MERGES.
"""

import random
from collections.abc import Callable
from typing import Any

from engine.architecture.layers import LAYERS, checked
from engine.architecture.shapes import output_shape
from engine.file_safety.refusal import FileRefused

Description = dict[str, Any]
Shape = tuple[int, ...]
Rule = Callable[[random.Random, Shape], dict[str, Any]]
ACTIVATIONS = (
    "linear", "relu", "relu", "relu", "elu", "selu", "softplus", "softsign", "tanh", "sigmoid", "exponential",
    "softmax",
)  # fmt: skip
NEW_ACTIVATIONS = (
    "relu6", "leaky_relu", "celu", "silu", "gelu", "mish", "hard_sigmoid", "hard_silu", "log_sigmoid", "hard_tanh",
    "squareplus", "sparse_plus", "sparse_sigmoid", "soft_shrink", "hard_shrink", "tanh_shrink", "log_softmax",
)  # fmt: skip


def pair(rng: random.Random, *sizes: int) -> Any:
    """One number for both axes, or two."""
    return rng.choice(sizes) if rng.random() < 0.6 else [rng.choice(sizes), rng.choice(sizes)]


def padding(rng: random.Random) -> str:
    return rng.choice(("valid", "same"))


def activation(rng: random.Random) -> str:
    return rng.choice((*ACTIVATIONS, *NEW_ACTIVATIONS) if rng.random() < 0.5 else ACTIVATIONS)


def convolution(rng: random.Random, shape: Shape) -> dict[str, Any]:
    config = {
        "filters": rng.choice((2, 3, 4)),
        "kernel_size": pair(rng, 1, 2, 3),
        "padding": padding(rng),
        "activation": activation(rng),
        "use_bias": rng.random() < 0.8,
    }
    how = rng.random()
    if how < 0.3:
        config["strides"] = pair(rng, 1, 2)
    elif how < 0.4:
        config["dilation_rate"] = 2
    elif how < 0.45 and shape[-1] % 2 == 0:
        config |= {"groups": 2, "filters": 4}
    return config


def depthwise(rng: random.Random, shape: Shape) -> dict[str, Any]:
    return {
        "kernel_size": rng.choice((1, 2, 3)),
        "strides": rng.choice((1, 1, 2)),
        "padding": padding(rng),
        "depth_multiplier": rng.choice((1, 2)),
        "activation": activation(rng),
        "use_bias": rng.random() < 0.7,
    }


def separable(rng: random.Random, shape: Shape) -> dict[str, Any]:
    return depthwise(rng, shape) | {"filters": rng.choice((2, 3))}


def transposed(rng: random.Random, shape: Shape) -> dict[str, Any]:
    return {
        "filters": rng.choice((2, 3)),
        "kernel_size": pair(rng, 1, 2, 3),
        "strides": pair(rng, 1, 2),
        "padding": padding(rng),
        "activation": activation(rng),
    }


def pooling(rng: random.Random, shape: Shape) -> dict[str, Any]:
    config: dict[str, Any] = {"pool_size": pair(rng, 1, 2, 3), "padding": padding(rng)}
    return config | ({"strides": pair(rng, 1, 2)} if rng.random() < 0.5 else {})


def global_pooling(rng: random.Random, shape: Shape) -> dict[str, Any]:
    return {"keepdims": True} if rng.random() < 0.3 else {}


def normalization(rng: random.Random, shape: Shape) -> dict[str, Any]:
    config = {"epsilon": rng.choice((1e-3, 1e-5, 0.01)), "center": rng.random() < 0.8, "scale": rng.random() < 0.8}
    return config | ({"axis": len(shape)} if rng.random() < 0.2 else {})


def group_normalization(rng: random.Random, shape: Shape) -> dict[str, Any]:
    return {"groups": rng.choice((-1, 1, shape[-1])), "epsilon": rng.choice((1e-3, 0.01))}


def scaling(rng: random.Random, shape: Shape) -> dict[str, Any]:
    if rng.random() < 0.5:
        return {"scale": 1 / 255, "offset": rng.choice((0.0, -0.5))}
    return {"scale": [round(rng.uniform(0.01, 1), 3) for _ in range(shape[-1])], "offset": 0.5}


def statistics(rng: random.Random, shape: Shape) -> dict[str, Any]:
    if rng.random() < 0.4:
        return {}
    return {
        "mean": [round(rng.uniform(0, 100), 2) for _ in range(shape[-1])],
        "variance": [round(rng.uniform(1, 900), 2) for _ in range(shape[-1])],
    }


def edges(word: str, *sizes: int) -> Rule:
    def rule(rng: random.Random, shape: Shape) -> dict[str, Any]:
        ways = (rng.choice(sizes), [rng.choice(sizes) for _ in "rc"], [[rng.choice(sizes) for _ in "be"] for _ in "rc"])
        return {word: rng.choice(ways)}

    return rule


def target(rng: random.Random, shape: Shape) -> dict[str, Any]:
    sizes = list(shape)
    rng.shuffle(sizes)
    if rng.random() < 0.5:
        sizes[rng.randrange(len(sizes))] = -1
    elif rng.random() < 0.4:
        sizes.append(1)
    return {"target_shape": sizes}


def turned(rng: random.Random, shape: Shape) -> dict[str, Any]:
    return {"dims": rng.sample(range(1, len(shape) + 1), len(shape))}


def rectified(rng: random.Random, shape: Shape) -> dict[str, Any]:
    ways: tuple[dict[str, Any], ...] = (
        {}, {"max_value": 6.0}, {"negative_slope": 0.1}, {"threshold": 0.5}, {"max_value": 4.0, "threshold": 0.1},
    )  # fmt: skip
    return dict(rng.choice(ways))


def one_of(**ways: tuple[Any, ...]) -> Rule:
    return lambda rng, shape: {key: rng.choice(values) for key, values in ways.items()}


ONE_INPUT: dict[str, Rule] = {
    "Conv2D": convolution,
    "DepthwiseConv2D": depthwise,
    "SeparableConv2D": separable,
    "Conv2DTranspose": transposed,
    "Dense": lambda rng, shape: {"units": rng.choice((2, 3, 5)), "activation": activation(rng)},
    "Flatten": one_of(),
    "Reshape": target,
    "Permute": turned,
    "Dropout": one_of(rate=(0.2, 0.5)),
    "SpatialDropout2D": one_of(rate=(0.2, 0.5)),
    "GaussianDropout": one_of(rate=(0.2,)),
    "AlphaDropout": one_of(rate=(0.2,)),
    "GaussianNoise": one_of(stddev=(0.1, 1.0)),
    "Identity": one_of(),
    "BatchNormalization": normalization,
    "LayerNormalization": normalization,
    "GroupNormalization": group_normalization,
    "Activation": lambda rng, shape: {"activation": activation(rng)},
    "ReLU": rectified,
    "LeakyReLU": one_of(negative_slope=(0.1, 0.3)),
    "ELU": one_of(alpha=(0.5, 1.0)),
    "PReLU": lambda rng, shape: {"shared_axes": [1, 2]} if len(shape) == 3 and rng.random() < 0.5 else {},
    "Softmax": lambda rng, shape: {"axis": rng.choice((-1, len(shape)))},
    "MaxPooling2D": pooling,
    "AveragePooling2D": pooling,
    "GlobalMaxPooling2D": global_pooling,
    "GlobalAveragePooling2D": global_pooling,
    "ZeroPadding2D": edges("padding", 0, 1, 2),
    "Cropping2D": edges("cropping", 0, 1),
    "UpSampling2D": lambda rng, shape: {"size": pair(rng, 1, 2), "interpolation": rng.choice(("nearest", "bilinear"))},
    "Rescaling": scaling,
    "Normalization": statistics,
    "RandomFlip": one_of(mode=("horizontal",)),
    "ActivityRegularization": one_of(l1=(0.1,)),
}
MERGES: dict[str, Rule] = {
    "Add": one_of(),
    "Subtract": one_of(),
    "Multiply": one_of(),
    "Average": one_of(),
    "Maximum": one_of(),
    "Minimum": one_of(),
    "Concatenate": lambda rng, shape: {"axis": rng.choice((-1, -1, 1, len(shape)))},
}
# what Keras 2.3.1 has not, or calls by another name
NEWER = {"GroupNormalization", "LayerNormalization", "Identity", "Rescaling", "Normalization", "RandomFlip"}


class Graph:
    """A functional model in the making."""

    def __init__(self, rng: random.Random, name: str, shape: Shape, old: bool) -> None:
        self.rng, self.name, self.old = rng, name, old
        self.layers: list[dict[str, Any]] = []
        self.shapes: dict[str, Shape] = {}
        self.last = f"{name}_input"
        self._put(self.last, {"kind": "InputLayer", "config": {"shape": list(shape)}, "inputs": []}, shape)

    def grow(self, merging: bool, depth: int) -> None:
        """Add a layer of some kind that fits; where none does, none is added."""
        roll = self.rng.random()
        if merging and roll < 0.2 and self._merge():
            return
        if depth and roll < 0.28:
            self._nest(depth - 1)
            return
        kinds = [kind for kind in ONE_INPUT if not (self.old and kind in NEWER)]
        for _ in range(10):
            kind = self.rng.choice(("Conv2D", "Conv2D", "BatchNormalization", *kinds))
            start = self.rng.choice(list(self.shapes)) if merging and self.rng.random() < 0.15 else self.last
            if self.add(kind, ONE_INPUT[kind], [start]):
                return

    def add(self, kind: str, rule: Rule, inputs: list[str], most: int = 200) -> bool:
        """Add a layer if it fits what it is fed with."""
        try:
            config = rule(self.rng, self.shapes[inputs[0]])
            if self.old:
                config = in_old_words(kind, config)
            shape = output_shape(kind, known(kind), filled(kind, config), [self.shapes[name] for name in inputs])
        except (FileRefused, IndexError, KeyError):
            return False
        if len(shape) > 4 or max(shape) > most:
            return False
        if self.rng.random() < 0.1:
            config["trainable"] = False
        name = f"{self.name}_{kind.lower()}_{len(self.layers)}"
        self._put(name, {"kind": kind, "config": config, "inputs": inputs}, shape)
        self.last = name
        return True

    def finish(self) -> None:
        """Lead to classes, and drop what does not lead there."""
        while len(self.shapes[self.last]) > 1:
            ends = ["Flatten"] + (["GlobalAveragePooling2D"] if len(self.shapes[self.last]) == 3 else [])
            self.add(self.rng.choice(ends), one_of(), [self.last], most=2**20)
        self.add("Dense", one_of(units=(4,), activation=("softmax", "linear")), [self.last])

    def description(self) -> Description:
        wanted = {self.last}
        for layer in reversed(self.layers):
            if layer["name"] in wanted:
                wanted.update(layer["inputs"])
        layers = [layer for layer in self.layers if layer["name"] in wanted]
        return {"kind": "Functional", "name": self.name, "layers": layers, "output": self.last}

    def _put(self, name: str, layer: dict[str, Any], shape: Shape) -> None:
        self.layers.append(layer | {"name": name})
        self.shapes[name] = shape

    def _merge(self) -> bool:
        here = self.shapes[self.last]
        others = [name for name, shape in self.shapes.items() if shape == here and name != self.last]
        if not others:
            return False
        kind = self.rng.choice(list(MERGES))
        count = 2 if kind == "Subtract" or len(others) < 2 else self.rng.choice((2, 2, 3))
        return self.add(kind, MERGES[kind], [self.last, *self.rng.sample(others, count - 1)])

    def _nest(self, depth: int) -> None:
        """A model inside the model."""
        shape = self.shapes[self.last]
        name = f"{self.name}_inner{len(self.layers)}"
        inner = model(self.rng, name, shape, self.old, depth, self.rng.randint(1, 3))
        out = inner.pop("shape")
        self._put(name, {"kind": inner["kind"], "model": inner, "inputs": [self.last]}, out)
        self.last = name


def model(rng: random.Random, name: str, shape: Shape, old: bool, depth: int, size: int) -> Description:
    """A model of about `size` layers, and with `shape` that of its output."""
    chain = rng.random() < 0.4
    graph = Graph(rng, name, shape, old)
    for _ in range(size):
        graph.grow(not chain, depth)
    found = graph.description() | {"shape": graph.shapes[graph.last]}
    return found | {"kind": "Sequential"} if chain else found


def network(rng: random.Random, old: bool = False) -> Description:
    """An image classifier with a convolution. `old`: one that Keras 2.3.1 can build."""
    chain = rng.random() < 0.35
    channels = rng.choice((1, 2, 3, 3))
    graph = Graph(rng, "net", (rng.randint(5, 9), rng.randint(5, 9), channels), old)
    for _ in range(rng.randint(0, 2)):
        graph.grow(not chain, 0)
    while not graph.add("Conv2D", convolution, [graph.last]):
        graph = Graph(rng, "net", (8, 7, channels), old)
    for _ in range(rng.randint(0, 6)):
        graph.grow(not chain, 2)
    graph.finish()
    found = graph.description()
    if not any(layer["kind"] == "Conv2D" for layer in found["layers"]):
        return network(rng, old)
    return found | {"kind": "Sequential"} if chain else found


def known(kind: str) -> str:
    return "Identity" if kind in ("RandomFlip", "ActivityRegularization") else kind


def filled(kind: str, config: dict[str, Any]) -> dict[str, Any]:
    """The settings with those that the constructor would fill in."""
    words = {"alpha": "negative_slope"} if kind == "LeakyReLU" else {}
    allowed = {words.get(key, key): value for key, value in config.items()}
    return checked(kind, known(kind), allowed if known(kind) == kind else {}) if known(kind) in LAYERS else allowed


def in_old_words(kind: str, config: dict[str, Any]) -> dict[str, Any]:
    """The settings as Keras 2.3.1 calls them. Raises KeyError for what it has not."""
    if config.get("activation") in NEW_ACTIVATIONS or config.get("groups", 1) != 1 or config.get("keepdims"):
        raise KeyError(kind)
    if config.get("interpolation") == "bilinear":  # computed in another way since
        raise KeyError(kind)
    if kind == "LeakyReLU":
        return {"alpha": config["negative_slope"]}
    return config
