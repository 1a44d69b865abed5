"""Fine-tuning of B′ on clean validation images, epoch by epoch: each on disk before it is told of.

Liu et al. 2018, "Fine-Pruning": prune, then train what is left on clean images. Accuracy is told by images that were
held out; test and poisoned images are looked at after every epoch and decide nothing. An epoch is a function of the
weights, the optimizer's numbers, the seed and the epoch's number alone: a tuning that goes on ends in the same bytes.
"""

from collections.abc import Callable, Iterator
from functools import cached_property
from math import prod
from time import perf_counter

import numpy as np

from engine.api import protocol as p
from engine.api.errors import Refused
from engine.api.progress import Check
from engine.api.tunings import Tuning
from engine.network.g_answers import g_answers
from engine.repair.objective import objective
from engine.repair.split import holdout_share, split
from engine.repair.trainer import Trainer, make_optimizer
from engine.repair.tuned_network import TunedNetwork
from engine.run.run import Run
from engine.run.tuning_files import EpochFiles, epoch_layout

BLOCK_BYTES = 2**24  # of images or features that the trainer takes at once
BLOCK_STEPS = 64
LARGEST = {"epochs": 1000, "batch": 4096}
SEEDS = 2**32


def refuse_recipe(recipe: p.Recipe, seeds: tuple[int, ...]) -> None:
    """Raises Refused for a recipe that cannot be followed."""
    for name, most in LARGEST.items():
        if not 1 <= getattr(recipe, name) <= most:
            raise Refused(f"--{name}: {getattr(recipe, name)} is outside 1..{most}.")
    if recipe.rate is not None and not 0 < recipe.rate <= 10:
        raise Refused(f"--rate: {recipe.rate:g} is no learning rate. Expected more than 0, 10 at most: 1e-3")
    if not seeds or len(set(seeds)) != len(seeds) or not all(0 <= seed < SEEDS for seed in seeds):
        raise Refused(f"--seeds: expected whole numbers from 0 to {SEEDS - 1}, each once: 0,1,2")
    holdout_share(recipe.holdout)


class Tuner:
    """Tunes the B′ of a run that has the channels `pruned` at zero, by one recipe, with one seed after the other.

    `robust_labels`: of the poisoned test images, from before they were poisoned, where those are proven. `progress`
    hears how many images of the epoch under way are done.
    """

    def __init__(
        self,
        run: Run,
        pruned: tuple[int, ...],
        recipe: p.Recipe,
        robust_labels: np.ndarray | None,
        progress: Callable[[int, int], None],
        check: Check,
    ) -> None:
        self.run, self.pruned, self.recipe = run, pruned, recipe
        self.robust_labels, self.progress, self.check = robust_labels, progress, check
        self.trained, self.held_out = split(run.inputs.sets["valid"].labels, holdout_share(recipe.holdout))

    @cached_property
    def network(self) -> TunedNetwork:
        return TunedNetwork(self.run, self.pruned, self.recipe)

    @cached_property
    def images(self) -> np.ndarray | None:
        """All validation images (n, C, H, W), where the whole network is tuned."""
        return self.network.images(self.check)

    @cached_property
    def start(self) -> list[np.ndarray]:
        """The weights of B′, which every seed begins with."""
        return self.network.weights()

    def as_pruned(self) -> p.TunedCounts:
        """Epoch 0: B′ on the images that tell of every epoch."""
        return self.counted(self.run.session.answers[self.run.session.key_of(self.pruned)])

    def counted(self, answers: np.ndarray) -> p.TunedCounts:
        """Counts of answers (images,) to every image of the run."""
        b, sets, nobody = self.run.b_answers, self.run.image_sets, self.run.inputs.classes
        g, rows = g_answers(b, answers, nobody), {name: at.rows for name, at in sets.items()}
        robust = self.robust_labels
        clean = "test" in sets
        bad = "poisoned" in sets
        return p.TunedCounts(
            holdout=int(np.count_nonzero(answers[self.held_out] == sets["valid"].labels[self.held_out])),
            test=sets["test"].hits(answers) if clean else None,
            poisoned=sets["poisoned"].hits(answers) if bad else None,
            g_test=sets["test"].hits(g) if clean else None,
            g_poisoned=sets["poisoned"].hits(g) if bad else None,
            detected=int(np.count_nonzero(g[rows["poisoned"]] == nobody)) if bad else None,
            false_alarms=int(np.count_nonzero(g[rows["test"]] == nobody)) if clean else None,
            robust=None if robust is None or not bad else int(np.count_nonzero(answers[rows["poisoned"]] == robust)),
        )

    def epochs(self, tuning: Tuning) -> Iterator[p.Tuned]:
        """The epochs that are missing, each once its weights are on disk. `check` may raise between batches."""
        number, seed = tuning.began.number, tuning.began.seed
        files = EpochFiles(self.run.folder, number, epoch_layout(self.run))
        files.prepare()
        trainer = self.trainer()
        first = self.go_on(files, trainer, tuning.last)
        for epoch in range(first + 1, self.recipe.epochs + 1):
            begin = perf_counter()
            loss = self.epoch(trainer, seed, epoch)
            weights = self.network.weights()
            if not all(np.isfinite(array).all() for array in weights):
                raise Refused(f"Tuning with seed {seed}: the weights left all bounds in epoch {epoch}. Lower --rate.")
            self.network.set_weights(weights)
            answers = self.network.answered(self.held_out, self.images, self.check)
            files.keep(epoch, [*weights, answers], trainer.state())
            if epoch > tuning.last:
                yield p.Tuned(number, epoch, self.counted(answers), loss, perf_counter() - begin)
            files.forget_states(epoch)

    def trainer(self) -> Trainer:
        recipe, network = self.recipe, self.network
        steps = recipe.epochs * self.steps
        optimizer = make_optimizer(recipe.optimizer, recipe.rate or 0.0, steps)
        return Trainer(network.model, objective(network.function), optimizer, network.masks)

    def go_on(self, files: EpochFiles, trainer: Trainer, last: int) -> int:
        """Take up the weights and the optimizer's numbers of epoch `last`; where they are gone, those of the start.

        Returns the epoch taken up.
        """
        layout = [(array.shape, array.dtype.str) for array in trainer.state()]
        state, kept = (files.state(last, layout), files.epoch(last)) if last > 0 else (None, None)
        if state is None or kept is None:
            self.network.set_weights(self.start)
            return 0
        trainer.restore(state)
        self.network.set_weights(kept[:-1])
        return last

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return -(-len(self.trained) // self.recipe.batch)

    def epoch(self, trainer: Trainer, seed: int, epoch: int) -> float:
        """One pass over the training images in a new order; the mean loss.

        The last batch is filled up with images of the first, which do not count in the loss.
        """
        batch, labels = self.recipe.batch, self.run.inputs.sets["valid"].labels
        order = np.random.default_rng([seed, epoch]).permutation(self.trained)
        rows = np.resize(order, (self.steps, batch))
        weights = (np.arange(rows.size) < len(order)).reshape(rows.shape)
        trainer.seed(seed, epoch)
        losses, block = np.zeros(len(rows)), self.block_steps()
        for first in range(0, len(rows), block):
            self.check()
            part = rows[first : first + block]
            arrays = [array.reshape(*part.shape, *array.shape[1:]) for array in self.inputs(part.ravel())]
            losses[first : first + block] = trainer.block(arrays, labels[part], weights[first : first + block])
            self.progress(min(len(order), (first + len(part)) * batch), len(order))
        return float((losses * weights.sum(axis=1)).sum() / len(order))

    def inputs(self, images: np.ndarray) -> list[np.ndarray]:
        """What the network begins from, for validation images by their number."""
        if self.images is not None:
            return [self.images[images].astype("float32")]
        return self.network.features(images + self.run.inputs.rows["valid"].start)

    def block_steps(self) -> int:
        """Batches that the trainer takes at once."""
        numbers: int = sum(prod(tensor.shape[1:]) for tensor in self.network.model.inputs)
        fitting: int = BLOCK_BYTES // (4 * numbers * self.recipe.batch)
        return max(1, min(BLOCK_STEPS, fitting))
