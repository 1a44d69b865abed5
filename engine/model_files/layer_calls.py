"""How layers of a functional model are joined, as Keras 2 and Keras 3 write it. Only plain tensors may be passed."""

from typing import Any, NamedTuple

from engine.file_safety.refusal import FileRefused

NO_MODEL = "has a 'model_config' that does not describe a Keras model."
ODD_FEED = "has a layer that is fed with something else than another layer's output."
ODD_CALL = "has a layer that is called with arguments beside its inputs (training=True?), not supported."


class Source(NamedTuple):
    """What a tensor comes from: a layer, and which of its uses, the first of which is 0."""

    layer: str
    use: int


def ends(value: Any) -> list[Source]:
    """References from `input_layers` or `output_layers`: one [name, node, tensor], or several in a list or dict."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        raise FileRefused(NO_MODEL)
    if len(value) == 3 and isinstance(value[0], str):
        value = [value]
    return [read_history(item) for item in value]


def read_history(item: Any) -> Source:
    """The layer of a [name, node, tensor] reference, and the number of the node: of the layer's use."""
    if not isinstance(item, list) or not item or not isinstance(item[0], str) or item[2:3] not in ([], [0]):
        raise FileRefused(NO_MODEL)
    use = item[1] if len(item) > 1 else 0
    if type(use) is not int or use < 0:
        raise FileRefused(NO_MODEL)
    return Source(item[0], use)


def sources(data: dict[str, Any]) -> list[list[Source]]:
    """What feeds a layer of a functional model, for each of its uses."""
    calls = data.get("inbound_nodes")
    if not isinstance(calls, list):
        raise FileRefused(NO_MODEL)
    found = [_new_call(call) if isinstance(call, dict) else _old_call(call) for call in calls]
    if not all(found):
        raise FileRefused(NO_MODEL)
    return found


def _old_call(call: Any) -> list[Source]:
    """Keras 2: a list of [name, node, tensor, keyword arguments]."""
    if isinstance(call, list) and call and isinstance(call[0], str):
        raise FileRefused(ODD_FEED)
    if not isinstance(call, list):
        raise FileRefused(NO_MODEL)
    if any(_arguments(item[3:]) for item in call if isinstance(item, list)):
        raise FileRefused(ODD_CALL)
    return [read_history(item) for item in call]


def _arguments(extra: Any) -> bool:
    """Whether a call passes anything beside tensors that could change its result."""
    values = [value for item in extra if isinstance(item, dict) for value in item.values()]
    return any(value is not None and value is not False for value in values)


def _new_call(call: dict[str, Any]) -> list[Source]:
    """Keras 3: tensors with their history, as arguments or in one list."""
    args, kwargs = call.get("args"), call.get("kwargs")
    if not isinstance(args, list):
        raise FileRefused(NO_MODEL)
    if _arguments([kwargs]):
        raise FileRefused(ODD_CALL)
    if len(args) == 1 and isinstance(args[0], list):
        args = args[0]
    return [read_tensor(item) for item in args]


def read_tensor(item: Any) -> Source:
    """The layer that a tensor comes from, as Keras 3 writes it."""
    if not isinstance(item, dict) or item.get("class_name") != "__keras_tensor__":
        raise FileRefused(ODD_FEED)
    config = item.get("config")
    return read_history(config.get("keras_history") if isinstance(config, dict) else None)
