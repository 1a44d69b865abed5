"""A process with a real Keras of its own, which makes model files and answers for model files: KERAS_PROCESS.py.

It reads requests and writes replies, a JSON text a line. It runs with Keras 3 and, under an old Python, with 2.3.1: so
it imports nothing of this project. It is given only files that the check itself has made.
"""

import json
import os
import sys
import warnings

import numpy as np


def single_thread():
    """One thread, so that sums are made in one order."""
    if keras.__version__ < "3":
        tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
        return
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.threading.set_intra_op_parallelism_threads(1)
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)


def build(description):
    """A Keras model from a description."""
    layers = [layer for layer in description["layers"]]
    if description["kind"] == "Sequential":
        model = keras.models.Sequential(name=description["name"])
        shape = layers[0]["config"]["shape"]
        if OLD and len(layers) > 1 and "model" not in layers[1]:  # Keras 2 writes the shape with the first layer only
            layers[1]["config"]["input_shape"] = shape
        elif OLD:
            model.add(keras.layers.InputLayer(input_shape=tuple(shape), name=layers[0]["name"]))
        else:
            model.add(keras.Input(shape, name=layers[0]["name"]))
        for layer in layers[1:]:
            model.add(made(layer))
        return model
    tensors = {}
    for layer in layers:
        if layer["kind"] == "InputLayer":
            tensors[layer["name"]] = keras.layers.Input(tuple(layer["config"]["shape"]), name=layer["name"])
        else:
            fed = [tensors[name] for name in layer["inputs"]]
            tensors[layer["name"]] = made(layer)(fed if len(fed) > 1 else fed[0])
    return keras.models.Model(tensors[layers[0]["name"]], tensors[description["output"]], name=description["name"])


def made(layer):
    if "model" in layer:
        return build(layer["model"])
    config = {key: tupled(value) for key, value in layer["config"].items()}
    return getattr(keras.layers, layer["kind"])(name=layer["name"], **config)


def tupled(value):
    return tuple(tupled(item) for item in value) if isinstance(value, list) else value


def scatter(model, seed):
    """Give every weight numbers of its own, so that two that were swapped show."""
    rng = np.random.RandomState(seed)
    held = []
    # Keras 2 lists all trainable weights first in `model.weights`, but gets and sets them layer by layer
    weights = [weight for layer in model.layers for weight in layer.weights] if OLD else model.weights
    for weight, value in zip(weights, model.get_weights()):  # noqa: B905  unknown to Python 3.7
        positive = any(word in getattr(weight, "path", weight.name) for word in ("variance", "gamma"))
        fresh = rng.uniform(0.5, 1.5, value.shape) if positive else rng.uniform(-0.6, 0.7, value.shape)
        held.append(fresh.astype(value.dtype) if value.dtype.kind == "f" else value)
    model.set_weights(held)


def make(request):
    model = build(request["description"])
    scatter(model, request["seed"])
    for path in request["paths"]:
        model.save(path)
    return {}


def answer(request):
    """What the model in a file says to the images that `pictures` makes for its input."""
    model = keras.models.load_model(request["path"], compile=False)
    shape = model.input_shape
    if not isinstance(shape, (tuple, list)) or len(shape) != 4 or None in shape[1:]:
        raise ValueError("is no network on images of one size: {!r}".format(shape))  # noqa: UP032
    images = pictures(shape[1:])
    outputs = model.predict(images) if OLD else np.asarray(keras.ops.convert_to_numpy(model(images, training=False)))
    np.save(request["answers"], outputs)
    return {"shape": list(shape[1:])}


def pictures(shape):
    """Three images of bytes, and three of fractions: in networks with exponentials the first overflow."""
    found = np.random.RandomState(1).randint(0, 256, (6, *shape)).astype(np.float32)
    found[3:] /= 255
    return found


def reply_to(request):
    try:
        return {"make": make, "answer": answer}[request["job"]](request)
    except MemoryError:
        raise
    except Exception as error:  # whatever Keras raises is its refusal
        return {"refused": (type(error).__name__ + ": " + str(error))[:2000]}
    finally:
        keras.backend.clear_session()


if __name__ == "__main__":
    REPLIES = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no reply
    sys.path.pop(0)  # the folder of this file
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.simplefilter("ignore")
    import keras

    OLD = keras.__version__ < "3"
    if OLD:
        import tensorflow as tf
    single_thread()
    REPLIES.write(json.dumps({"keras": keras.__version__}) + "\n")
    for line in sys.stdin:
        REPLIES.write(json.dumps(reply_to(json.loads(line))) + "\n")
