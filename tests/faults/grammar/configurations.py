"""Changes to the configuration of a model file, each told in words so that a finding can be understood."""

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any

from engine.architecture.layers import ALIASES, LAYERS

Config = dict[str, Any]
Path = tuple[Any, ...]
Change = Callable[[random.Random, Config], str]
# settings that some layer has, or that some Keras reads, put where they may not belong
STRANGERS: dict[str, tuple[Any, ...]] = {
    "trainable": (0, 1, None, "yes", False, True),
    "dtype": (
        "float64",
        "float16",
        "int32",
        "float32",
        None,
        {"class_name": "DTypePolicy", "config": {"name": "float32"}},
    ),
    "input_shape": ([8, 7, 3], [None, 8, 7, 3], None, 7),
    "batch_input_shape": ([None, 8, 7, 3], [1, 8, 7, 3], None),
    "batch_shape": ([None, 8, 7, 3], [None, 7, 8, 3], [2, 8, 7, 3], None),
    "build_input_shape": ([None, 8, 7, 3], [None, 9, 9, 3], None, 5),
    "shape": ([8, 7, 3], None, [None, None, 3]),
    "batch_size": (None, 1, 3),
    "input_dim": (3, None),
    "input_dtype": ("float32", "int32"),
    "data_format": ("channels_first", "channels_last", None, "other"),
    "sparse": (True, False, None, 0),
    "ragged": (True, False, None),
    "optional": (True, False, None, 1),
    "groups": (1, 2, 1.0, None),
    "axis": (-1, 1, 3, [3], [1, 2], 3.0, None, "3"),
    "activation": ("relu", None, "linear", "softmax", {"class_name": "ReLU", "config": {"max_value": 1.0}}),
    "activity_regularizer": (None, {"class_name": "L2", "config": {"l2": 0.1}}),
    "kernel_initializer": ("zeros", None, {"class_name": "Zeros", "config": {}}),
    "momentum": (0.5, None, 2, "x"),
    "fused": (True, False, None),
    "renorm": (False, True),
    "rms_scaling": (False, True),
    "synchronized": (False, True),
    "keepdims": (True, False, None, 0),
    "seed": (None, 1, 1.5, "x"),
    "noise_shape": (None, [None, 1, 1]),
    "autocast": (True, False),
    "stateful": (False, True),
    "weights": (None, [1]),
    "implementation": (1, 2),
    "depth_multiplier": (1, 2),
    "output_padding": (None, [0, 0], 1, [1, 1]),
    "use_bias": (True, False, 1, 0, None),
    "alpha": (0.1, 1.0),
    "name": ("other", None, 5, "a/b", ""),
    "module": ("keras.layers", None, "keras", "keras.src.layers.core.dense"),
    "registered_name": (None, "Conv2D", "Functional"),
    "shared_object_id": (1, 2, None),
    "build_config": ({"input_shape": [None, 8, 7, 3]}, {"input_shape": [None, 4]}, {}, None),
    "compile_config": (None, {}),
    "inbound_nodes": ([], [[]], None),
    "quantization_config": (None, {}),
    "quantization_mode": (None, "int8"),
    "lora_rank": (None, 1),
    "node_index": (0,),
    "call_config": ({},),
    "mask": (None,),
}
ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    3,
    1.0,
    0.5,
    -0.0,
    1e30,
    2**31,
    "",
    "same",
    "valid",
    [],
    {},
    [1, 1],
)


def nodes(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value inside, with the keys and places that lead to it."""
    yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from nodes(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from nodes(item, (*path, index))


def held(config: Any, path: Path) -> Any:
    for step in path:
        config = config[step]
    return config


def layers_in(config: Any) -> list[Config]:
    """Every description of a layer, those of models inside included."""
    return [item for path, item in nodes(config) if path and isinstance(item, dict) and "class_name" in item
            and isinstance(path[-1], int) and path[-2] == "layers"]  # fmt: skip


def somewhere(rng: random.Random, config: Config) -> Path:
    """A path to a value that has to do with the answers."""
    found = [path for path, _ in nodes(config) if path]
    return rng.choice([path for path in found if not any(str(step).endswith(UNREAD) for step in path)])


# what a model is trained with: of no account for its answers, and not looked at here
UNREAD = ("_initializer", "_regularizer", "_constraint", "compile_config")


def value_changed(rng: random.Random, config: Config) -> str:
    path = somewhere(rng, config)
    parent, key = held(config, path[:-1]), path[-1]
    before = parent[key]
    parent[key] = near(rng, before)
    return f"{shown(path)}: {brief(before)} -> {brief(parent[key])}"


def near(rng: random.Random, value: Any) -> Any:
    """Something like `value` that is not it, or something else altogether."""
    if rng.random() < 0.12:
        return copy.deepcopy(rng.choice(ODD))
    return copy.deepcopy(rng.choice(likenesses(rng, value)))


def likenesses(rng: random.Random, value: Any) -> tuple[Any, ...]:
    if isinstance(value, bool):
        return (not value, int(value), float(value), str(value), None, [value])
    if isinstance(value, int):
        numbers = (value + 1, value - 1, -value, value * 2, value + 2**32)
        return (*numbers, float(value), str(value), [value], [value, value], None, value + 0.5, bool(value))
    if isinstance(value, float):
        numbers = (value + 1, -value, value / 2, 0.0, int(value))
        array = {"class_name": "__numpy__", "config": {"value": value, "dtype": "float32"}}
        return (*numbers, str(value), [value], None, bool(value), {"type": "ndarray", "value": value}, array)
    if isinstance(value, str):
        function = {"class_name": "function", "config": value, "module": "builtins", "registered_name": value}
        words = (
            value.upper(),
            value.capitalize(),
            value + "_1",
            f" {value}",
            value + "\0",
            "",
            "relu",
            "same",
            "float32",
        )
        return (*words, None, [value], {"class_name": value, "config": {}}, function)
    if isinstance(value, list):
        if value and rng.random() < 0.4:
            place = rng.randrange(len(value))
            return ([*value[:place], near(rng, value[place]), *value[place + 1 :]],)
        longer = (value[::-1], value[:-1], value[1:], value + value[-1:], [value], value[0] if value else None)
        return (*longer, None, {"class_name": "__tuple__", "items": value}, {"type": "tuple", "items": value})
    if isinstance(value, dict):
        return (None, {}, [value], value | {"config": {}}, next(iter(value.values()), None))
    return (0, 1, False, True, "", [], {}, 1.0, "linear", [1, 2])


def key_removed(rng: random.Random, config: Config) -> str:
    path = somewhere(rng, config)
    del held(config, path[:-1])[path[-1]]
    return f"{shown(path)} removed"


def key_added(rng: random.Random, config: Config) -> str:
    """A setting where it does not belong, or a second word for one that is there."""
    item = rng.choice([*layers_in(config), config])
    place = item.get("config") if rng.random() < 0.8 and isinstance(item.get("config"), dict) else item
    key = rng.choice(list(STRANGERS))
    place[key] = copy.deepcopy(rng.choice(STRANGERS[key]))
    where = "of" if place is item else "in the config of"
    return f"{key}={brief(place[key])} put {where} {brief(item.get('class_name'))} {brief(name_of(item))}"


def key_renamed(rng: random.Random, config: Config) -> str:
    path = somewhere(rng, config)
    parent = held(config, path[:-1])
    if not isinstance(parent, dict):
        return key_removed(rng, config)
    other = rng.choice((*STRANGERS, path[-1].upper(), path[-1] + "s", *parent))
    parent[other] = parent.pop(path[-1])
    return f"{shown(path)} renamed {other}"


def value_copied(rng: random.Random, config: Config) -> str:
    """A value put in the place of another one under the same key."""
    path = somewhere(rng, config)
    others = [other for other, _ in nodes(config) if other and other[-1] == path[-1] and other != path]
    if not others:
        return value_changed(rng, config)
    other = rng.choice(others)
    held(config, path[:-1])[path[-1]] = copy.deepcopy(held(config, other))
    return f"{shown(path)} taken from {shown(other)}"


def class_changed(rng: random.Random, config: Config) -> str:
    item = rng.choice([*layers_in(config), config])
    before = item["class_name"]
    pool = [
        kind
        for kind in (*LAYERS, *ALIASES, "Functional", "Model", "Sequential", "Lambda", "Flattened", "GaussianNoise")
    ]
    item["class_name"] = rng.choice(pool)
    return f"class {before} of {brief(name_of(item))} -> {item['class_name']}"


def layer_renamed(rng: random.Random, config: Config) -> str:
    """One of the names of a layer, here and there: in its config, beside it, or where it feeds another."""
    item = rng.choice(layers_in(config) or [config])
    others = [name_of(other) for other in layers_in(config)]
    fresh, before = rng.choice([*others, "fresh", "fresh/name"]), name_of(item)
    which = rng.choice(("config", "outside", "both"))
    if which != "outside" and isinstance(item.get("config"), dict):
        item["config"]["name"] = fresh
    if which != "config" and "name" in item:
        item["name"] = fresh
    return f"name of {brief(before)} -> {brief(fresh)} ({which})"


def moved(rng: random.Random, config: Config) -> str:
    lists = [
        item
        for path, item in nodes(config)
        if isinstance(item, list) and len(item) > 1 and path and path[-1] == "layers"
    ]
    if not lists:
        return value_changed(rng, config)
    chosen = rng.choice(lists)
    chosen.insert(rng.randrange(len(chosen)), chosen.pop(rng.randrange(len(chosen))))
    return "a layer moved in its list"


def layer_dropped(rng: random.Random, config: Config) -> str:
    lists = [item for path, item in nodes(config) if isinstance(item, list) and item and path and path[-1] == "layers"]
    if not lists:
        return value_changed(rng, config)
    chosen = rng.choice(lists)
    gone = chosen.pop(rng.randrange(len(chosen)))
    return f"layer {brief(name_of(gone))} dropped"


def wired_otherwise(rng: random.Random, config: Config) -> str:
    """A reference to a layer's output, [name, node, tensor, ...], changed in one place; or a call said twice."""
    found = [(path, item) for path, item in nodes(config) if isinstance(item, list) and 2 <= len(item) <= 4
             and isinstance(item[0], str) and isinstance(item[1], int) and path and path[-1] != "config"]  # fmt: skip
    calls = [
        item for path, item in nodes(config) if path and path[-1] == "inbound_nodes" and isinstance(item, list) and item
    ]
    if calls and rng.random() < 0.25:
        call = rng.choice(calls)
        call.append(copy.deepcopy(call[0]))
        return "a call of a layer said twice"
    if not found:
        return value_changed(rng, config)
    path, item = rng.choice(found)
    place = rng.randrange(len(item))
    names = [name_of(other) for other in layers_in(config)]
    item[place] = rng.choice(names) if place == 0 else near(rng, item[place])
    return f"{shown(path)} -> {brief(item)}"


def called_otherwise(rng: random.Random, config: Config) -> str:
    """An argument beside the inputs of a call."""
    calls = [item for path, item in nodes(config) if isinstance(item, dict) and ("kwargs" in item or "args" in item)]
    key, value = rng.choice(
        (("training", True), ("training", False), ("training", None), ("mask", None), ("training", 0), ("alpha", 0.5))
    )
    if calls:
        call = rng.choice(calls)
        if not isinstance(call.get("kwargs"), dict):
            call["kwargs"] = {}
        call["kwargs"][key] = value
        return f"a call with {key}={value}"
    old = [
        item for path, item in nodes(config) if isinstance(item, list) and len(item) == 4 and isinstance(item[3], dict)
    ]
    if not old:
        return value_changed(rng, config)
    rng.choice(old)[3][key] = value
    return f"a call with {key}={value}"


def input_changed(rng: random.Random, config: Config) -> str:
    """What an input layer says of its images, of a model inside the model too."""
    found = [
        item["config"]
        for item in layers_in(config)
        if item["class_name"] == "InputLayer" and isinstance(item.get("config"), dict)
    ]
    if not found:
        return value_changed(rng, config)
    place = rng.choice(found)
    key = rng.choice([key for key in place if "shape" in key] or ["batch_shape"])
    way, before = rng.randrange(6), place.get(key)
    if way == 0:
        place["dtype"] = rng.choice(("int32", "float16", "float64", "uint8", "bool", "bfloat16", None, 5))
        return f"input dtype={place['dtype']}"
    if not isinstance(before, list) or len(before) < 2:
        return value_changed(rng, config)
    sizes = list(before)
    index = rng.randrange(len(sizes))
    if way == 1:
        sizes.append(1)
    elif way == 2:
        sizes.pop()
    elif way == 3:
        sizes[index] = None
    elif way == 4 and isinstance(sizes[index], int):
        sizes[index] += rng.choice((-1, 1))
    else:
        sizes.reverse()
    place[key] = sizes
    return f"input {key}: {before} -> {sizes}"


CHANGES: tuple[Change, ...] = (
    value_changed, value_changed, value_changed, value_changed, key_removed, key_added, key_added, key_added,
    key_renamed, value_copied, class_changed, layer_renamed, moved, layer_dropped, wired_otherwise, wired_otherwise,
    called_otherwise, input_changed, input_changed,
)  # fmt: skip


def name_of(item: Config) -> Any:
    inner = item.get("config")
    return item.get("name") or (inner.get("name") if isinstance(inner, dict) else None)


def shown(path: Path) -> str:
    return "/".join(map(str, path))


def brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def changed(rng: random.Random, config: Config) -> str:
    """Change `config` in one way, which is told."""
    return rng.choice(CHANGES)(rng, config)
