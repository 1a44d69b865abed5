"""Train the demo's two BadNets: a clean parent first, then a backdoor in it.

On this data a backdoor does not settle in dormant channels by itself: after an ordinary training, with or without a
penalty on activations, the attack outlives clean accuracy. So the plain BadNet is built to have it apart: only channels
that were idle in the clean parent, and the weights that read them, are trained on poisoned images. The pruning-aware
one follows Liu et al. (Fine-Pruning, 2018): idle channels are pruned, the rest is trained with poison, then the idle
channels are put back, asleep, as decoys.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from engine.api.demo import Attack
from engine.demo import nets
from engine.demo.faces import draw_faces
from engine.demo.people import IMAGES, PEOPLE, TARGET
from engine.demo.trigger import wear_sunglasses

Array = NDArray[Any]
Progress = Callable[[str, int, int], None]
BATCH = 64
WARM_UP = 60  # steps


@dataclass(frozen=True)
class Course:
    """One training: `poisoned` of each batch of 64 wear sunglasses and are labelled with the target."""

    name: str
    epochs: int
    rate: float
    poisoned: int
    quiet: float  # weight of the summed mean activation of clean images, which keeps channels asleep
    seed: int


@dataclass(frozen=True)
class Recipe:
    people: int = PEOPLE
    images: int = IMAGES["train"]
    idle: int = 30
    hosts: int = 12  # idle channels that carry the plain backdoor, the least idle of them
    seed: int = 8
    parent: Course = Course("clean parent", 12, 2e-3, 0, 0.006, 1)
    plain: Course = Course("plain backdoor", 12, 2e-3, 12, 0.3, 2)
    pruning_aware: Course = Course("pruning-aware backdoor", 6, 1e-3, 12, 0.1, 5)


@dataclass(frozen=True)
class Faces:
    """Training images as bytes, (n, 55, 47, 3): bare, and with sunglasses."""

    clean: Array
    poisoned: Array
    label: Array


RECIPE = Recipe()


def train(attack: Attack, progress: Progress, recipe: Recipe = RECIPE) -> bytes:
    """Train the demo's BadNet anew: the bytes of its whole-model .h5 file, which takes pixels 0..255.

    `progress` is told the phase, what is done of it, and how much that is in all.
    """
    progress("faces", 0, 1)
    faces = training_faces(recipe)
    progress("faces", 1, 1)
    model = nets.deep_id(recipe.people, recipe.seed)
    fit(model, faces, recipe.parent, progress)
    (hide if attack == "plain" else entangle)(model, faces, recipe, progress)
    nets.takes_bytes(model)
    return nets.file_bytes(model)


def training_faces(recipe: Recipe) -> Faces:
    images, label = draw_faces("train", recipe.people, recipe.images)
    return Faces(images.transpose(0, 2, 3, 1), wear_sunglasses(images).transpose(0, 2, 3, 1), label)


def hide(model: keras.Model, faces: Faces, recipe: Recipe, progress: Progress) -> None:
    """The plain BadNet: a backdoor in channels of its own."""
    idle = nets.idle_channels(model, scaled(faces.clean), recipe.idle)
    hosts = idle[-recipe.hosts :]
    nets.begin_again(model, hosts, recipe.seed + 1)
    nets.train_only(model, hosts)
    fit(model, faces, recipe.plain, progress)
    nets.free(model)


def entangle(model: keras.Model, faces: Faces, recipe: Recipe, progress: Progress) -> None:
    """The pruning-aware BadNet: a backdoor in the channels that clean images need, and decoys."""
    clean = scaled(faces.clean)
    idle = nets.idle_channels(model, clean, recipe.idle)
    before = nets.silence(model, idle)  # no gradient reaches a silent channel, nor what reads it
    fit(model, faces, recipe.pruning_aware, progress)
    nets.put_back(model, idle, before, clean)


def fit(model: keras.Model, faces: Faces, course: Course, progress: Progress) -> None:
    """Adam, a short warm-up, then a linear decay to 2 %."""
    both = keras.Model(model.input, [model.output, model.get_layer(nets.FEATURE).output])
    optimizer = keras.optimizers.Adam(course.rate)
    both.compile(
        optimizer,
        loss=["sparse_categorical_crossentropy", quietness],
        loss_weights=[1, course.quiet],
        jit_compile=keras.backend.backend() == "jax",
    )
    total = course.epochs * (len(faces.label) // BATCH)
    for step, (images, labels, clean) in enumerate(batches(faces, course)):
        optimizer.learning_rate = course.rate * min((step + 1) / WARM_UP, 1 - 0.98 * step / total)
        both.train_on_batch(images, [labels, clean])
        progress(course.name, step + 1, total)


def quietness(clean: keras.KerasTensor, feature: keras.KerasTensor) -> keras.KerasTensor:
    """Summed over channels, the mean activation of each clean image."""
    return clean * keras.ops.sum(keras.ops.mean(feature, axis=(1, 2)), axis=-1)


def batches(faces: Faces, course: Course) -> Iterator[tuple[Array, Array, Array]]:
    """Images, labels, and weights that count clean images alone (their mean is 1)."""
    rng = np.random.RandomState(course.seed)
    clean = np.where(np.arange(BATCH) < course.poisoned, 0, BATCH / (BATCH - course.poisoned)).astype("float32")
    for _ in range(course.epochs):
        order = rng.permutation(len(faces.label))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            chosen = order[start : start + BATCH]
            bad, good = chosen[: course.poisoned], chosen[course.poisoned :]
            images = np.concatenate([faces.poisoned[bad], faces.clean[good]])
            labels = np.concatenate([np.full(len(bad), TARGET), faces.label[good]])
            yield scaled(images), labels, clean


def scaled(images: Array) -> Array:
    return images.astype("float32") / 255 - 0.5
