"""Rules for the shapes of layers that work on images."""

from engine.files.step import Shape, Step, batched


def convolved(step: Step) -> Shape:
    """Conv2D, DepthwiseConv2D and SeparableConv2D."""
    shape, config = step.image(), step.config
    strides, dilation, groups = config["strides"], config["dilation_rate"], config.get("groups", 1)
    if max(strides) > 1 and max(dilation) > 1:
        raise step.refused("has both strides and dilation, which Keras does not run.")
    if shape[2] % groups or config.get("filters", 0) % groups:
        raise step.outside("groups")
    if step.kind != "Conv2D" and strides[0] != strides[1]:
        raise step.outside("strides")
    rows, columns = (
        _windows(shape[i], config["kernel_size"][i], strides[i], dilation[i], config["padding"]) for i in (0, 1)
    )
    return rows, columns, config.get("filters") or shape[2] * config["depth_multiplier"]


def transposed(step: Step) -> Shape:
    shape, config = step.image(), step.config
    if max(config["dilation_rate"]) > 1:
        raise step.outside("dilation_rate")
    rows, columns = (
        shape[i] * stride + (max(kernel - stride, 0) if config["padding"] == "valid" else 0)
        for i, (kernel, stride) in enumerate(zip(config["kernel_size"], config["strides"], strict=True))
    )
    return rows, columns, config["filters"]


def pooled(step: Step) -> Shape:
    shape, size, padding = step.image(), step.config["pool_size"], step.config["padding"]
    strides = step.config["strides"] or size
    rows, columns = (_windows(shape[i], size[i], strides[i], 1, padding) for i in (0, 1))
    return rows, columns, shape[2]


def globally_pooled(step: Step) -> Shape:
    channels = step.image()[2]
    return (1, 1, channels) if step.config["keepdims"] else (channels,)


def pooled_in_order(step: Step) -> Shape:
    """GlobalMaxPooling1D and GlobalAveragePooling1D: over the first of two axes."""
    shape = step.single()
    if len(shape) != 2:
        raise step.refused(f"is fed with shape {batched(shape)}, expected (None, steps, channels).")
    return (1, shape[1]) if step.config["keepdims"] else (shape[1],)


def bordered(step: Step) -> Shape:
    """ZeroPadding2D and Cropping2D."""
    rows, columns, channels = step.image()
    sign, edges = (1, step.config["padding"]) if step.kind == "ZeroPadding2D" else (-1, step.config["cropping"])
    return rows + sign * sum(edges[0]), columns + sign * sum(edges[1]), channels


def enlarged(step: Step) -> Shape:
    rows, columns, channels = step.image()
    return rows * step.config["size"][0], columns * step.config["size"][1], channels


def _windows(size: int, kernel: int, stride: int, dilation: int, padding: str) -> int:
    """How many windows fit along one axis."""
    if padding == "same":
        return -(-size // stride)
    return (size - dilation * (kernel - 1) - 1) // stride + 1
