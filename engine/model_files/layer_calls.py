"""How layers of a functional model are joined, as Keras 2 and Keras 3 write it. Only plain tensors may be passed."""

from typing import Any, NamedTuple

from engine.architecture.layers import MERGING, RENAMED
from engine.file_safety.refusal import FileRefused, quoted

NO_MODEL = "has a 'model_config' that does not describe a Keras model."
ODD_FEED = "has a layer that is fed with something else than another layer's output."
ODD_CALL = "has a layer that is called with arguments beside its inputs (training=True?), not supported."
MODELS = ("Model", "Functional", "Sequential")
# what calls take beside their inputs; Keras 3 drops `training` where a layer has no use for it, Keras 2 refuses it
TRAINED = (
    "Dropout", "SpatialDropout2D", "GaussianDropout", "AlphaDropout", "GaussianNoise", "BatchNormalization",
    "RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast", "RandomBrightness",
    "RandomHeight", "RandomWidth", *MODELS,
)  # fmt: skip
MASKED = ("BatchNormalization", "Softmax", "GlobalAveragePooling1D", *MODELS)


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
    kind = RENAMED.get(data["class_name"], data["class_name"])
    found = [_new_call(kind, call) if isinstance(call, dict) else _old_call(kind, call) for call in calls]
    if not all(found):
        raise FileRefused(NO_MODEL)
    return found


def _old_call(kind: str, call: Any) -> list[Source]:
    """Keras 2: a list of [name, node, tensor, keyword arguments]."""
    if isinstance(call, list) and call and isinstance(call[0], str):
        raise FileRefused(ODD_FEED)
    if not isinstance(call, list):
        raise FileRefused(NO_MODEL)
    for item in call:
        for extra in item[3:] if isinstance(item, list) else ():
            _refuse_arguments(kind, extra, (None, False))
    return [read_history(item) for item in call]


def _refuse_arguments(kind: str, given: Any, training: tuple[bool | None, ...]) -> None:
    """Raises FileRefused for what a call passes beside tensors and could change the result, or Keras does not take.

    `training`: values of that argument that change nothing.
    """
    words = given if isinstance(given, dict) else {}
    if any(value is not None for key, value in words.items() if key != "training"):
        raise FileRefused(ODD_CALL)
    if not any(words.get("training") is value for value in training):
        raise FileRefused(ODD_CALL)
    known = {"training"} if kind in TRAINED or True in training else set()
    if kind in MASKED:
        known |= {"mask"}
    odd = next((key for key in words if key not in known), None)
    if odd is not None:
        raise FileRefused(f"has a {quoted(kind)} layer that is called with {quoted(odd)}, which Keras does not take.")


def _new_call(kind: str, call: dict[str, Any]) -> list[Source]:
    """Keras 3: the only argument is a tensor with its history; of a merging layer, and of a model, a list of such.

    What a call of Keras 3 says of training counts in training only: where a model predicts or is evaluated, Keras
    passes training=False to each of its layers in the place of that.
    """
    args = call.get("args")
    if not isinstance(args, list):
        raise FileRefused(NO_MODEL)
    _refuse_arguments(kind, call.get("kwargs"), (None, False, True))
    if len(args) != 1:
        raise FileRefused(ODD_CALL)
    listed = isinstance(args[0], list)
    if listed != (kind in MERGING) and kind not in MODELS:
        raise FileRefused(ODD_FEED)
    return [read_tensor(item) for item in (args[0] if listed else args)]


def read_tensor(item: Any) -> Source:
    """The layer that a tensor comes from, as Keras 3 writes it."""
    if not isinstance(item, dict) or item.get("class_name") != "__keras_tensor__":
        raise FileRefused(ODD_FEED)
    config = item.get("config")
    return read_history(config.get("keras_history") if isinstance(config, dict) else None)
