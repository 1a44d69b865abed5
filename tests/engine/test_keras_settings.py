"""The table of settings against the constructors of the installed Keras, and what calls say of training."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = [
    pytest.mark.keras,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras with NumPy 2
]
keras = pytest.importorskip("keras")

from engine.architecture.layers import ALIASES, LAYERS, OWN  # noqa: E402
from engine.model_files.keras_rules import TRAINING, settings_of, settings_of_keras_3  # noqa: E402
from engine.model_files.layer_calls import MASKED, TRAINED  # noqa: E402
from engine.network.build import build  # noqa: E402
from engine.sandbox.model_file import read_model  # noqa: E402

SETTINGS_SINCE = (3, 15)  # the Keras that the table is about; older ones lack a few settings
version = tuple(int(part) for part in keras.__version__.split(".")[:2])
this_keras = pytest.mark.skipif(version < SETTINGS_SINCE, reason="the table is about Keras 3.15")
KINDS = [kind for kind in (*LAYERS, *TRAINING) if kind not in OWN]
NEEDED: dict[str, dict[str, Any]] = {  # what constructors want to be told
    "InputLayer": {"batch_shape": [None, 8, 6, 3]},
    "Conv2D": {"filters": 1, "kernel_size": 1},
    "DepthwiseConv2D": {"kernel_size": 1},
    "SeparableConv2D": {"filters": 1, "kernel_size": 1},
    "Conv2DTranspose": {"filters": 1, "kernel_size": 1},
    "Dense": {"units": 1},
    "Reshape": {"target_shape": [1]},
    "Permute": {"dims": [1]},
    "Activation": {"activation": "relu"},
    "AveragePooling2D": {"pool_size": 2},
    "Rescaling": {"scale": 1.0, "offset": 0.0},
    **{kind: {"rate": 0.1} for kind in ("Dropout", "SpatialDropout2D", "GaussianDropout", "AlphaDropout")},
    "GaussianNoise": {"stddev": 0.1},
    **{kind: {"factor": 0.1} for kind in ("RandomRotation", "RandomContrast", "RandomBrightness")},
    "RandomZoom": {"height_factor": 0.1},
    "RandomTranslation": {"height_factor": 0.1, "width_factor": 0.1},
}


def takes(kind: str, word: str) -> bool:
    """Whether Keras makes a layer of this kind from a configuration with this setting, whatever its value."""
    config = copy.deepcopy(NEEDED.get(kind, {})) | {word: NEEDED.get(kind, {}).get(word)}
    if kind == "InputLayer" and word in ("shape", "input_shape", "batch_input_shape"):
        config = {word: [8, 6, 3]}
    try:
        getattr(keras.layers, kind).from_config(config)
    except (TypeError, ValueError) as error:
        return not any(
            words in str(error) for words in ("nrecognized keyword", "unexpected keyword", "multiple values")
        )
    return True


@this_keras
@pytest.mark.filterwarnings("ignore:Argument `input_shape`:UserWarning", "ignore:Do not pass an:UserWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_in_the_table_is_taken_by_keras(kind: str) -> None:
    known = settings_of_keras_3(kind, module=True)
    assert [word for word in known if not takes(kind, word)] == []
    assert [word for word in settings_of(kind) if word not in known and takes(kind, word)] == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_that_keras_writes_is_in_the_table(kind: str) -> None:
    written = getattr(keras.layers, kind).from_config(copy.deepcopy(NEEDED.get(kind, {}))).get_config()
    assert set(written) - set(settings_of_keras_3(kind, module=True)) == set()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "InputLayer"])
def test_the_table_of_call_arguments_is_that_of_keras(kind: str) -> None:
    layer = getattr(keras.layers, kind).from_config(copy.deepcopy(NEEDED.get(kind, {})))
    assert layer._call_has_mask_arg == (kind in MASKED)
    assert layer._call_has_training_arg or kind not in TRAINED
    assert ALIASES.get(kind, kind) == kind


def called_in_training() -> Any:
    """A network whose calls say training=True: Keras writes that by itself for RandomFlip."""
    start = keras.Input((8, 6, 3))
    tensor = keras.layers.RandomFlip("horizontal")(start)
    tensor = keras.layers.Conv2D(4, 3, activation="relu")(tensor, training=True)
    tensor = keras.layers.BatchNormalization()(tensor, training=True)
    tensor = keras.layers.GaussianNoise(1.0)(tensor, training=True)
    tensor = keras.layers.Dropout(0.5)(tensor, training=True)
    inner = keras.Sequential([keras.Input((6, 4, 4)), keras.layers.AlphaDropout(0.5), keras.layers.Flatten()])
    return keras.Model(start, keras.layers.Dense(5)(inner(tensor, training=True)))


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5:UserWarning")
def test_training_in_a_call_of_keras_3_changes_no_answer(suffix: str, tmp_path: Path) -> None:
    model = called_in_training()
    rng = np.random.default_rng(4)
    model.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in model.get_weights()])
    path = tmp_path / f"net{suffix}"
    model.save(path)
    images = rng.integers(0, 256, (9, 8, 6, 3)).astype("float32")
    held = read_model(path)
    answers = build(held.spec, held.arrays).model(images, training=False)
    again = keras.models.load_model(path, compile=False)
    for theirs in (again.predict(images, verbose=0), again(images, training=False)):
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(answers), keras.ops.convert_to_numpy(theirs), rtol=1e-5, atol=1e-3
        )
