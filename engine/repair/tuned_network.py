"""B′ in Keras, ready to be tuned: the layers behind the cut from kept features, or the whole network from images."""

from collections.abc import Generator
from contextlib import closing
from math import prod
from typing import Any

import keras
import numpy as np

from engine.api.errors import Refused
from engine.api.progress import Check
from engine.api.protocol import Recipe
from engine.network.build import Network, ancestors, build, cut, wire
from engine.network.features import SCALES, with_pixels
from engine.network.graph_operations import answers
from engine.network.model_runner import Forward
from engine.network.pipeline import map_threaded, prefetch
from engine.repair.images import held_images
from engine.repair.objective import scores_layer
from engine.repair.pruned_arrays import pruned_arrays, zeroed_weights
from engine.run.run import FEATURE_BATCH, Run
from engine.run.session import mask_of

UNANSWERED = 0xFFFF  # in the place of an answer that nobody asked for: images that were trained on
Parts = Generator[tuple[np.ndarray, list[np.ndarray]], None, None]  # rows of the run, and what to compute them from


class TunedNetwork:
    """`model` gives the scores that the loss is made of, `forward` answers.

    `known` holds the tensors that both begin from: images, or the feature and what else crosses the cut.
    """

    def __init__(self, run: Run, pruned: tuple[int, ...], recipe: Recipe) -> None:
        self.run, self.pruned, self.recipe = run, pruned, recipe
        spec = run.inputs.model.spec
        refuse_whole_numbers(run)
        arrays = pruned_arrays(spec, run.inputs.model.arrays, run.inputs.layer, pruned)
        self.network = build(spec, arrays)
        self.layers = tied(self.network)
        self.at = cut(self.network, run.inputs.layer, run.inputs.feature)
        inputs, self.known = self.beginning()
        scores, self.function = scores_layer(self.network)
        found = wire(self.network.spec, self.layers, self.known, [scores, self.network.spec.output])
        self.freeze()
        self.model = keras.Model(inputs, found[scores])
        if not self.model.trainable_variables:
            raise Refused(f"There is nothing to train behind {run.inputs.feature!r}. Try --scope all.")
        answering = keras.Model(inputs, answers(found[self.network.spec.output]))
        self.forward = Forward(answering, len(inputs), run.halved)

    def beginning(self) -> tuple[list[Any], dict[str, Any]]:
        """The inputs of the models, and the tensors that they stand for, by layer name."""
        if self.recipe.scope == "all":
            images, pixels = with_pixels(self.network, SCALES[self.run.settings.scale])
            return [images], {self.network.spec.layers[0].name: pixels}
        *space, channels = self.at.base.shape
        features = keras.Input((channels, prod(space)))
        feature = keras.layers.Reshape((*space, channels))(keras.layers.Permute((2, 1))(features))
        others = [keras.Input(shape) for shape in self.run.evaluator.rest.store.shapes[1:]]
        return [features, *others], dict(zip(self.at.crossing, [feature, *others], strict=True))

    def freeze(self) -> None:
        """Train just the layers that are computed here, and of those none that the features were computed with."""
        spec = self.network.spec
        here = ancestors(spec, [spec.output], stop=self.known) - set(self.known)
        elsewhere = {id(self.layers[layer.name]) for layer in spec.layers if layer.name not in here}
        for name in here:
            self.layers[name].trainable = id(self.layers[name]) not in elsewhere

    @property
    def masks(self) -> dict[str, np.ndarray]:
        """By the path of a variable, True, and False where it is pruned."""
        found = {}
        for name, place in zeroed_weights(self.run.inputs.model.spec, self.run.inputs.layer):
            variable = self.owner(name).weights[place]
            mask = np.ones(variable.shape, bool)
            mask[..., list(self.pruned)] = False
            found[variable.path] = mask
        return found

    def owner(self, name: str) -> Any:
        """The Keras layer that has the weights of a layer of the file."""
        return self.network.layers[self.network.linear.get(name, name)]

    # --- weights ---

    def weights(self) -> list[np.ndarray]:
        """Every array of the network, in the order of the file's description, as the file can hold it."""
        spec = self.run.inputs.model.spec
        held = {name: iter(self.owner(name).get_weights()) for name in self.run.inputs.model.arrays}
        return [next(held[weight.layer]).astype(weight.dtype).astype("float32") for weight in spec.weights]

    def set_weights(self, arrays: list[np.ndarray]) -> None:
        for name, held in by_layer(self.run, arrays).items():
            self.owner(name).set_weights(held)

    # --- answers ---

    def features(self, rows: np.ndarray) -> list[np.ndarray]:
        """The feature (n, channels, positions) of some images of the run, pruned channels at their base, and others."""
        store, mask = self.run.evaluator.rest.store, mask_of(self.pruned, self.run.inputs.channels)
        base = self.at.base.reshape(-1, self.at.base.shape[-1]).T  # (channels, positions)
        found = np.array(store.images(rows))  # (n, channels, positions)
        found[:, mask] = base[mask]
        return [found, *store.crossing(rows)]

    def answered(self, held_out: np.ndarray, images: np.ndarray | None, check: Check) -> np.ndarray:
        """B″'s answers to every image of a step, uint16: held-out validation images, test and poisoned ones.

        `images`: all validation images, where the whole network is tuned.
        """
        found = np.full(self.run.inputs.stepped, UNANSWERED, "uint16")
        size = self.forward.fitting(min(self.run.settings.batch_size, FEATURE_BATCH if images is not None else 2048))
        parts = self.by_features(held_out, size) if images is None else self.by_images(held_out, images, size)
        with closing(parts), closing(map_threaded(self.answer, parts, self.forward.threads)) as answers:
            for rows, given in answers:
                check()
                found[rows] = given
        return found

    def answer(self, part: tuple[np.ndarray, list[np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
        rows, arrays = part
        return rows, self.forward(arrays or self.features(rows))[0].astype("uint16")

    def by_features(self, held_out: np.ndarray, size: int) -> Parts:
        """Rows in batches; their features are taken by whoever computes them."""
        rows = np.concatenate([held_out, *(np.arange(at.start, at.stop) for at in self.looked_at().values())])
        for start in range(0, len(rows), size):
            yield rows[start : start + size], []

    def by_images(self, held_out: np.ndarray, images: np.ndarray, size: int) -> Parts:
        """Rows in batches, with their images."""
        for start in range(0, len(held_out), size):
            rows = held_out[start : start + size]
            yield rows, [images[rows].astype("float32")]
        for name, at in self.looked_at().items():
            start = at.start
            with prefetch(self.run.inputs.sets[name].batches(size)) as batches:  # type: ignore[index]
                for batch in batches:
                    yield np.arange(start, start + len(batch)), [batch]
                    start += len(batch)

    def looked_at(self) -> dict[str, slice]:
        """The sets that every epoch is looked at on."""
        return {name: rows for name, rows in self.run.inputs.rows.items() if name in ("test", "poisoned")}

    def images(self, check: Check) -> np.ndarray | None:
        """All validation images, where the whole network is tuned."""
        if self.recipe.scope != "all":
            return None
        return held_images(self.run.inputs.sets["valid"], self.run.feature_memory, self.run.folder, check)


def by_layer(run: Run, arrays: list[np.ndarray]) -> dict[str, list[np.ndarray]]:
    """Arrays in the order of the file's description, by layer name."""
    found: dict[str, list[np.ndarray]] = {}
    for weight, array in zip(run.inputs.model.spec.weights, arrays, strict=True):
        found.setdefault(weight.layer, []).append(array)
    return found


def tied(network: Network) -> dict[str, Any]:
    """The layers by name, where every use of a layer is the same Keras layer and has the same weights."""
    return {layer.name: network.layers[layer.again or layer.name] for layer in network.spec.layers}


def refuse_whole_numbers(run: Run) -> None:
    """Raises Refused for a file that keeps weights as whole numbers: no tuned ones would fit in their places."""
    odd = next((each for each in run.inputs.model.spec.weights if np.dtype(each.dtype).kind != "f"), None)
    if odd is not None:
        raise Refused(f"{run.inputs.model.path.name}: keeps weights as {odd.dtype}, so that it cannot hold tuned ones.")
