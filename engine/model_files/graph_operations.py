"""Arithmetic that a graph holds as layers of its own, as Keras 2 (TFOpLambda) and Keras 3 (operations) write it.

Each is a name from a list, the tensors that it is fed with, and constant numbers. What it becomes is a Keras layer
where there is one that computes the same, else one of `layers.OWN`, which the engine computes by calls of `keras.ops`.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from engine.file_safety.refusal import FileRefused, layer_line, quoted
from engine.model_files.layer_calls import NO_MODEL, Source, read_history, read_tensor

BINARY = {
    "Add": "add", "Subtract": "subtract", "Multiply": "multiply", "Maximum": "maximum", "Minimum": "minimum",
    "TrueDivide": "divide", "Divide": "divide",
}  # fmt: skip
TWO_TENSORS = {
    "add": "Add", "subtract": "Subtract", "multiply": "Multiply", "maximum": "Maximum", "minimum": "Minimum",
    "divide": "Divide",
}  # fmt: skip
ACTIVATIONS = {
    "Relu": "relu", "Relu6": "relu6", "Sigmoid": "sigmoid", "Silu": "silu", "Tanh": "tanh", "Selu": "selu",
    "Softplus": "softplus", "Softsign": "softsign", "HardSigmoid": "hard_sigmoid", "HardSilu": "hard_silu",
}  # fmt: skip
REDUCED = {"Mean": "Average", "Max": "Max"}
ACTIVATION_MODULE = "keras.src.activations.activations"
FUNCTIONS = {
    "__operators__.add": "Add", "math.add": "Add", "math.subtract": "Subtract", "math.multiply": "Multiply",
    "math.truediv": "TrueDivide", "math.divide": "TrueDivide", "math.maximum": "Maximum", "math.minimum": "Minimum",
    "math.negative": "Negative", "nn.bias_add": "BiasAdd", "nn.relu": "Relu", "nn.relu6": "Relu6",
    "math.sigmoid": "Sigmoid", "nn.sigmoid": "Sigmoid", "math.tanh": "Tanh", "nn.silu": "Silu", "nn.selu": "Selu",
    "math.softplus": "Softplus", "nn.softplus": "Softplus", "nn.softsign": "Softsign", "nn.softmax": "Softmax",
    "math.reduce_mean": "Mean", "math.reduce_max": "Max", "cast": "Cast", "concat": "Concatenate",
    "reshape": "Reshape", "__operators__.getitem": "GetItem",
}  # fmt: skip
WORDS = {"shape": "newshape", "keepdims": "keepdims", "slice_spec": "key"}  # Keras 2's words for those of Keras 3
CONSTANT = "_CONSTANT_VALUE"  # in the place of a layer's name


class Constant(NamedTuple):
    """A number or numbers of a file. `type`: Python's int or float, a number type, or "same" as the tensor's."""

    value: Any
    type: str


class Operation(NamedTuple):
    """A layer as it is built, and what feeds it."""

    kind: str
    config: dict[str, Any]
    sources: list[Source]


class Call(NamedTuple):
    """What an operation is called with: tensors and constants in their order, and settings by name."""

    name: str
    kind: str
    args: list[Any]
    settings: dict[str, Any]

    def refused(self) -> FileRefused:
        return layer_line(self.name, self.kind, "is called in a way that this program does not know.")

    def taken(self, *names: str) -> list[Any]:
        """The settings of these names, None where they are not there. Any other is refused."""
        odd = next((key for key, value in self.settings.items() if key not in names and value is not None), None)
        if odd is not None:
            raise layer_line(self.name, self.kind, f"has a setting {quoted(odd)} that this program does not know.")
        return [self.settings.get(name) for name in names]

    def tensor(self) -> list[Source]:
        """The only argument, a tensor."""
        if len(self.args) != 1 or not isinstance(self.args[0], Source):
            raise self.refused()
        return list(self.args)

    def tensors(self) -> list[Source]:
        """The tensors in the list that is the only argument."""
        if len(self.args) != 1 or not isinstance(self.args[0], list):
            raise self.refused()
        if not all(isinstance(item, Source) for item in self.args[0]):
            raise self.refused()
        return list(self.args[0])


def is_operation(data: dict[str, Any]) -> bool:
    """Whether a layer of a functional model is a call of a function on this list. `data` has a class and settings."""
    kind, module, config = data["class_name"], data.get("module"), data["config"]
    if kind in ("TFOpLambda", "SlicingOpLambda"):
        return isinstance(config.get("function"), str) and config["function"] in FUNCTIONS
    if data.get("registered_name") not in (None, kind):
        return False
    if module is None:
        only = kind in ONLY_OPERATIONS or (kind == "Reshape" and "newshape" in config)
        return only or (kind in BINARY and _called_with_two(data))
    if kind == "ReLU":
        return bool(module == ACTIVATION_MODULE)
    return kind in _KINDS and kind != "BiasAdd" and isinstance(module, str) and module.startswith("keras.src.ops.")


def _called_with_two(data: dict[str, Any]) -> bool:
    """Whether a class that is both a layer and an operation is called as the latter: x + y, not [x, y]."""
    calls = data.get("inbound_nodes")
    call = calls[0] if isinstance(calls, list) and len(calls) == 1 else None
    return isinstance(call, dict) and isinstance(call.get("args"), list) and len(call["args"]) == 2


def read_operation(name: str, data: dict[str, Any]) -> Operation:
    """The layer that an operation becomes. Raises FileRefused for arguments that are neither tensors nor numbers."""
    calls = data.get("inbound_nodes")
    if not isinstance(calls, list) or len(calls) != 1:
        raise FileRefused(NO_MODEL)
    kind, config = data["class_name"], data["config"]
    if kind in ("TFOpLambda", "SlicingOpLambda"):
        call = _function_call(name, FUNCTIONS[config["function"]], calls[0])
    else:
        call = _operation_call(name, kind, config, calls[0])
    return _KINDS[call.kind](call)


def _function_call(name: str, kind: str, call: Any) -> Call:
    """Keras 2: [layer, node, tensor, keyword arguments], or a list of such for a list of tensors."""
    several = isinstance(call, list) and bool(call) and isinstance(call[0], list)
    items = call if several else [call]
    if not all(isinstance(item, list) and len(item) == 4 and isinstance(item[3], dict) for item in items):
        raise FileRefused(NO_MODEL)
    words = {key: value for key, value in items[0][3].items() if key != "name"}
    if several:
        if any({key: value for key, value in item[3].items() if key != "name"} != words for item in items):
            raise FileRefused(NO_MODEL)
        return Call(name, kind, [[read_history(item) for item in items]], words)
    args: list[Any] = [Constant(call[2], "same") if call[0] == CONSTANT else read_history(call)]
    args += [_operand(words.pop(key)) for key in ("y", "bias") if key in words]
    return Call(name, kind, args, {WORDS.get(key, key): value for key, value in words.items()})


def _operand(value: Any) -> Source | Constant:
    """Keras 2: another tensor, or a constant."""
    if isinstance(value, list) and value and isinstance(value[0], str):
        return read_history(value)
    return Constant(value, "same")


def _operation_call(name: str, kind: str, config: dict[str, Any], call: Any) -> Call:
    """Keras 3: arguments by place and by name; settings are the operation's own."""
    if not isinstance(call, dict) or not isinstance(call.get("args"), list) or not isinstance(call.get("kwargs"), dict):
        raise FileRefused(NO_MODEL)
    words = dict(call["kwargs"])
    settings = {key: value for key, value in config.items() if key != "name"}
    args = list(call["args"])
    if kind == "GetItem":
        settings["key"] = args.pop() if len(args) == 2 else None
    for word in ("x", "x1", "x2", "xs"):
        args += [words.pop(word)] if word in words else []
    if any(value is not None for value in words.values()):
        raise layer_line(name, kind, "is called in a way that this program does not know.")
    return Call(name, kind, [_argument(value) for value in args], settings)


def _argument(value: Any) -> Any:
    if isinstance(value, list):
        return [_argument(item) for item in value]
    if not isinstance(value, dict):
        return Constant(value, type(value).__name__)
    held = value.get("config")
    if value.get("class_name") in ("__numpy__", "__tensor__") and isinstance(held, dict):
        return Constant(held.get("value"), str(held.get("dtype")))
    return read_tensor(value)


def _binary(call: Call) -> Operation:
    call.taken()
    function, args = BINARY.get(call.kind, "add"), call.args
    if len(args) != 2 or not any(isinstance(arg, Source) for arg in args):
        raise call.refused()
    if all(isinstance(arg, Source) for arg in args):
        return Operation(TWO_TENSORS[function], {}, list(args))
    turned = isinstance(args[1], Source)
    tensor, constant = (args[1], args[0]) if turned else args
    if not isinstance(constant, Constant):
        raise call.refused()
    return _arithmetic(call, function, constant, tensor, turned)


def _arithmetic(call: Call, function: str, constant: Constant, tensor: Source, turned: bool) -> Operation:
    value, depth = constant.value, 0
    while isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value, depth = value[0], depth + 1
    if depth > 3:  # more axes than images have: the result would have them too
        raise call.refused()
    config = {"function": function, "constant": value, "turned": turned, "type": constant.type, "axes": depth + 1}
    return Operation("Arithmetic", config, [tensor])


def _bias(call: Call) -> Operation:
    if call.taken("data_format")[0] not in (None, "NHWC"):
        raise call.refused()
    return _binary(call._replace(settings={}))


def _negative(call: Call) -> Operation:
    call.taken()
    return _arithmetic(call, "multiply", Constant(-1.0, "same"), call.tensor()[0], False)


def _activation(call: Call) -> Operation:
    call.taken()
    return Operation("Activation", {"activation": ACTIVATIONS[call.kind]}, call.tensor())


def _relu(call: Call) -> Operation:
    names = ("negative_slope", "max_value", "threshold")
    return Operation("ReLU", dict(zip(names, call.taken(*names), strict=True)), call.tensor())


def _softmax(call: Call) -> Operation:
    (axis,) = call.taken("axis")
    return Operation("Softmax", {"axis": -1 if axis is None else axis}, call.tensor())


def _reduced(call: Call) -> Operation:
    """The mean or maximum over all positions, which is global pooling."""
    axis, keepdims, initial = call.taken("axis", "keepdims", "initial")
    axes = axis if isinstance(axis, list) else [axis]
    places = {(1, 2): "2D", (-3, -2): "2D", (1,): "1D"}
    if initial is not None or not all(type(item) is int for item in axes) or tuple(sorted(axes)) not in places:
        raise layer_line(call.name, call.kind, f"has axis={quoted(axis)}, outside the allowed values.")
    kind = f"Global{REDUCED[call.kind]}Pooling{places[tuple(sorted(axes))]}"
    return Operation(kind, {"keepdims": bool(keepdims)}, call.tensor())


def _cast(call: Call) -> Operation:
    return Operation("Cast", {"dtype": call.taken("dtype")[0]}, call.tensor())


def _joined(call: Call) -> Operation:
    return Operation("Concatenate", {"axis": call.taken("axis")[0]}, call.tensors())


def _stacked(call: Call) -> Operation:
    return Operation("Stack", {"axis": call.taken("axis")[0]}, call.tensors())


def _reshaped(call: Call) -> Operation:
    """Every image to another shape; the images' own axis comes first."""
    (shape,) = call.taken("newshape")
    if not isinstance(shape, list) or shape[:1] != [-1] or -1 in shape[1:]:
        raise layer_line(call.name, call.kind, f"has shape={quoted(shape)}, outside the allowed values.")
    return Operation("Reshape", {"target_shape": shape[1:]}, call.tensor())


def _item(call: Call) -> Operation:
    """x[..., i] and x[..., start:stop:step]: one channel, or some of them."""
    (key,) = call.taken("key")
    if not isinstance(key, list) or len(key) != 2 or not _is_object(key[0], "__ellipsis__"):
        raise call.refused()
    if type(key[1]) is int:
        return Operation("Take", {"index": key[1]}, call.tensor())
    held = key[1].get("config", key[1]) if isinstance(key[1], dict) else None
    if not isinstance(held, dict) or key[1].get("class_name") not in (None, "__slice__"):
        raise call.refused()
    if not set(held) <= {"start", "stop", "step"}:
        raise call.refused()
    return Operation("Take", {word: held.get(word) for word in ("start", "stop", "step")}, call.tensor())


def _is_object(value: Any, name: str) -> bool:
    return isinstance(value, dict) and value.get("class_name") == name


_KINDS: Mapping[str, Callable[[Call], Operation]] = {
    **dict.fromkeys(BINARY, _binary),
    **dict.fromkeys(ACTIVATIONS, _activation),
    **dict.fromkeys(REDUCED, _reduced),
    "BiasAdd": _bias,
    "Negative": _negative,
    "ReLU": _relu,
    "Softmax": _softmax,
    "Cast": _cast,
    "Concatenate": _joined,
    "Stack": _stacked,
    "Reshape": _reshaped,
    "GetItem": _item,
}
# classes of Keras 3 that are no layers: a `.h5` file names them without a module
ONLY_OPERATIONS = {"TrueDivide", "Divide", "Negative", "Cast", "GetItem", "Stack", *ACTIVATIONS, *REDUCED}
