"""How layers of a functional model are joined, as Keras 2 and Keras 3 write it. Only plain tensors may be passed."""

from typing import Any

from engine.files.finding import Finding, layer_line

NO_MODEL = "has a 'model_config' that does not describe a Keras model."
ODD_FEED = "has a layer that is fed with something else than another layer's output."
ODD_CALL = "has a layer that is called with arguments beside its inputs (training=True?), not supported."


def ends(value: Any) -> list[str]:
    """Layer names from `input_layers` or `output_layers`: one [name, node, tensor], or several in a list or dict."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        raise Finding(NO_MODEL)
    if len(value) == 3 and isinstance(value[0], str):
        value = [value]
    return [_history(item) for item in value]


def _history(item: Any) -> str:
    """The layer of a [name, node, tensor] reference."""
    if not isinstance(item, list) or not item or not isinstance(item[0], str) or item[2:3] not in ([], [0]):
        raise Finding(NO_MODEL)
    return item[0]


def sources(data: dict[str, Any]) -> list[str]:
    """The layers that feed a layer of a functional model."""
    name, kind, calls = data.get("name"), data.get("class_name"), data.get("inbound_nodes")
    if not isinstance(calls, list):
        raise Finding(NO_MODEL)
    if len(calls) > 1:
        raise layer_line(str(name), str(kind), f"is used {len(calls)} times; layers used twice are not supported.")
    if not calls:
        return []
    found = _new_call(calls[0]) if isinstance(calls[0], dict) else _old_call(calls[0])
    if not found:
        raise Finding(NO_MODEL)
    return found


def _old_call(call: Any) -> list[str]:
    """Keras 2: a list of [name, node, tensor, keyword arguments]."""
    if isinstance(call, list) and call and isinstance(call[0], str):
        return _operation_call(call)
    if not isinstance(call, list):
        raise Finding(NO_MODEL)
    if any(_arguments(item[3:]) for item in call if isinstance(item, list)):
        raise Finding(ODD_CALL)
    return [_history(item) for item in call]


def _operation_call(call: list[Any]) -> list[str]:
    """Keras 2, x + y: the reference to x, which carries that to y among its keyword arguments."""
    words = dict(call[3]) if len(call) == 4 and isinstance(call[3], dict) else {}
    other = words.pop("y", None)
    if other is None or _arguments([words]):
        raise Finding(ODD_FEED)
    return [_history(call), _history(other)]


def _arguments(extra: Any) -> bool:
    """Whether a call passes anything beside tensors that could change its result."""
    values = [value for item in extra if isinstance(item, dict) for value in item.values()]
    return any(value is not None and value is not False for value in values)


def _new_call(call: dict[str, Any]) -> list[str]:
    """Keras 3: tensors with their history, as arguments or in one list."""
    args, kwargs = call.get("args"), call.get("kwargs")
    if not isinstance(args, list):
        raise Finding(NO_MODEL)
    if _arguments([kwargs]):
        raise Finding(ODD_CALL)
    if len(args) == 1 and isinstance(args[0], list):
        args = args[0]
    return [_tensor(item) for item in args]


def _tensor(item: Any) -> str:
    if not isinstance(item, dict) or item.get("class_name") != "__keras_tensor__":
        raise Finding(ODD_FEED)
    config = item.get("config")
    return _history(config.get("keras_history") if isinstance(config, dict) else None)
