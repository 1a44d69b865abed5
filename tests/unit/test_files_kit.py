"""The lab's own networks, where they are at hand."""

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from engine.api.inspection import describe
from engine.architecture.description import ModelFile
from engine.architecture.graph import default_layer, prunable, ranking_feature
from engine.sandbox.model_file import read_model
from engine.sandbox.pruned_file import pruned_bytes

KIT = Path(os.environ.get("LAB3_KIT", "/nowhere"))
pytestmark = pytest.mark.skipif(not KIT.is_dir(), reason="LAB3_KIT names no folder with the lab's own inputs")
NETS = {"bd_net": "2.3.1", "bd_net_prime_2": "2.7.0", "bd_net_prime_10": "2.7.0", "fp_baseline": "3.15.1"}


@pytest.mark.parametrize("name", NETS)
def test_open_them(name: str) -> None:
    path = KIT / "models" / f"{name}.h5"
    held = read_model(path)
    assert held.spec.writer == NETS[name]
    assert default_layer(held.spec) == "conv_3" and ranking_feature(held.spec, "conv_3") == "pool_3"
    assert list(prunable(held.spec)) == ["conv_1", "conv_2", "conv_3", "conv_4"]
    with h5py.File(path) as file:
        for weight, array in zip(held.spec.weights, (a for held in held.arrays.values() for a in held), strict=True):
            numbers = file[f"model_weights/{weight.layer}/{weight.layer}"]
            stored = numbers.get(f"{weight.name}:0", numbers.get(weight.name))
            np.testing.assert_array_equal(array, stored[()])


def test_pruning_gives_the_labs_own_weights() -> None:
    """The published networks are bd_net with the channels at zero that they have at zero."""
    badnet = read_model(KIT / "models/bd_net.h5")
    for name, count in (("bd_net_prime_2", 45), ("bd_net_prime_10", 52)):
        published = read_model(KIT / "models" / f"{name}.h5")
        kernel, bias = published.arrays["conv_3"]
        gone = [channel for channel in range(60) if not kernel[..., channel].any() and not bias[channel]]
        assert len(gone) == count
        wanted = [array.copy() for array in badnet.arrays["conv_3"]]
        for array in wanted:
            array[..., gone] = 0
        for ours, theirs in zip(wanted, published.arrays["conv_3"], strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_b_prime_differs_from_b_in_the_pruned_numbers_only(tmp_path: Path) -> None:
    path = KIT / "models/bd_net.h5"
    before = np.frombuffer(path.read_bytes(), np.uint8)
    after = np.frombuffer(pruned_bytes(read_model(path), "conv_3", range(45)), np.uint8)
    assert len(before) == len(after)
    assert 0 < np.count_nonzero(before != after) <= 45 * (3 * 3 * 40 + 1) * 4
    assert not after[before != after].any()


def weights_of(name: str, path: Path) -> Path:
    """A weights-only file, as Keras's save_weights writes it."""
    with h5py.File(KIT / "models" / f"{name}.h5") as whole, h5py.File(path, "w") as file:
        for word, value in whole["model_weights"].attrs.items():
            file.attrs[word] = value
        for member in whole["model_weights"].values():
            whole.copy(member, file)
    return path


def settings(held: ModelFile) -> dict[str, tuple[str, Any, tuple[str, ...]]]:
    return {layer.name: (layer.kind, layer.config, layer.inputs) for layer in held.spec.layers}


@pytest.mark.parametrize("name", ["bd_net", "fp_baseline"])
def test_the_labs_net_from_weights_alone(name: str, tmp_path: Path) -> None:
    held = read_model(weights_of(name, tmp_path / "bd_weights.h5"))
    whole = read_model(KIT / "models" / f"{name}.h5")
    assert held.spec.format == "weights"
    assert held.spec.notes == ("holds weights only: taken for the lab's network, DeepID",)
    assert default_layer(held.spec) == "conv_3" and ranking_feature(held.spec, "conv_3") == "pool_3"
    assert settings(held) == settings(whole)
    for layer, arrays in whole.arrays.items():
        for ours, theirs in zip(held.arrays[layer], arrays, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    (tmp_path / "pruned.h5").write_bytes(pruned_bytes(held, "conv_3", [5]))
    assert not read_model(tmp_path / "pruned.h5").arrays["conv_3"][0][..., 5].any()


def test_describe_it() -> None:
    found = describe(KIT / "models/bd_net.h5")
    assert (found.refusal, found.kind, found.writer, found.classes) == (None, "model", "2.3.1", 1283)
    assert (found.image, found.layer, found.feature, found.parameters) == ((3, 55, 47), "conv_3", "pool_3", 601643)
    assert found.size == 7278252 and len(found.sha256) == 64
    assert [layer.name for layer in found.layers if layer.refusal is None] == ["conv_1", "conv_2", "conv_3", "conv_4"]
