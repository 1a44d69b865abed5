"""The number type that each layer puts out, as Keras has it: float32, but for what comes before the first layer.

Images are turned into the type that the input layer names. Arithmetic in the graph keeps to it; a layer takes floats of
any width as float32, and whole numbers not at all, except for those that scale them.
"""

from engine.architecture.description import LayerSpec
from engine.file_safety.refusal import FileRefused, layer_line

WHOLE = ("uint8", "int32")
SCALING = ("Rescaling", "Normalization")  # layers that turn whole numbers into float32 themselves
KEEPING = ("Take", "Stack")


def number_types(layers: tuple[LayerSpec, ...]) -> dict[str, str]:
    """By layer name, the type of its output. Raises FileRefused where Keras would not compute it, or we not as it does."""
    types: dict[str, str] = {}
    for layer in layers:
        types[layer.name] = _type(layer, [types[name] for name in layer.inputs])
    return types


def _type(layer: LayerSpec, feeds: list[str]) -> str:
    if layer.kind in ("InputLayer", "Cast"):
        return str(layer.config.get("dtype", "float32"))
    if layer.kind == "Arithmetic":
        return _computed(layer, feeds[0])
    if layer.kind in KEEPING and len(set(feeds)) == 1:
        return feeds[0]
    odd = next((each for each in feeds if each in WHOLE and layer.kind not in SCALING), None)
    if odd is not None:
        raise _unfit(layer, odd)
    if len(feeds) > 1 and set(feeds) != {"float32"}:
        raise _unfit(layer, "float64")
    return "float32"


def _computed(layer: LayerSpec, feed: str) -> str:
    """What a number and a tensor of two types give."""
    constant = layer.config["type"]
    if feed not in WHOLE:
        return "float64" if constant == "float64" else feed
    if constant == "float64":
        return "float64"
    if constant in ("float", "float32") or (layer.config["function"] == "divide" and constant in ("int", "same")):
        return "float32"
    raise _unfit(layer, feed)


def _unfit(layer: LayerSpec, feed: str) -> FileRefused:
    return layer_line(
        layer.name, layer.kind, f"is fed with numbers of type {feed}, expected float32. Put a Rescaling layer in front."
    )
