"""What pruning other layers would do: a coarse curve for each convolution that can be pruned, one alone at a time."""

from time import perf_counter

import numpy as np

from engine.api import protocol as p
from engine.api.escape import escape
from engine.run.run import Run
from engine.run.sample import evenly

IMAGES = 300  # of a set, at most
LAYERS = 8  # evenly spaced ones of a network that has more, the last among them
POINTS = 12  # steps of a layer that are computed beside B, at most
NUMBERS = 2**27  # features of all images of a layer, at most


def layer_curves(run: Run) -> p.LayersPruned:
    """Every layer's curve in the order of its own mean activation, on evenly spaced images."""
    begin = perf_counter()
    able = [layer.name for layer in run.inputs.model.spec.layers if prunable_name(run, layer.name)]
    chosen = [able[len(able) - 1 - at] for at in evenly(len(able), LAYERS)][::-1]
    names: list[p.SetName] = [name for name in ("valid", "poisoned") if name in run.inputs.sets]
    images = {name: evenly(run.inputs.sets[name].images, IMAGES) for name in names}
    pixels = np.concatenate(
        [np.stack([run.inputs.sets[name].image(int(each)) for each in images[name]]) for name in names]
    )
    labels = np.concatenate([run.inputs.sets[name].labels[images[name]] for name in names])
    progress, found = run.progress("layers", len(chosen)), []
    for done, layer in enumerate(chosen):
        if done:
            progress(done)
        found.append(curve(run, layer, pixels, labels, len(images["valid"])))
    seconds = perf_counter() - begin
    run.emit(p.Progress("layers", len(chosen), len(chosen), seconds))
    counts: dict[p.SetName, int] = {name: len(images[name]) for name in names}
    return p.LayersPruned(counts, tuple(found), len(able) - len(chosen), seconds)


def prunable_name(run: Run, name: str) -> bool:
    from engine.architecture.graph import prunable

    return prunable(run.inputs.model.spec).get(name, "is no convolution") is None


def curve(run: Run, layer: str, pixels: np.ndarray, labels: np.ndarray, valid: int) -> p.LayerCurve:
    """One layer's curve. `pixels` (n, C, H, W): `valid` clean validation images, then poisoned ones."""
    from engine.analysis.tail import Tail, answers_of
    from engine.architecture.graph import ranking_feature
    from engine.network.build import cut
    from engine.network.features import SCALES, features_model
    from engine.network.model_runner import Forward

    network, spec = run.evaluator.rest.network, run.inputs.model.spec
    at = cut(network, layer, ranking_feature(spec, layer))
    forward = Forward(features_model(network, at, SCALES[run.settings.scale]), 1, run.halved)
    tail = Tail(network, at, answers_of, run.halved)
    base = at.base.reshape(-1, at.base.shape[-1]).T  # (channels, positions)
    most = max(1, NUMBERS // base.size)
    kept = fewer(len(pixels), valid, most)
    parts = [forward([pixels[part]]) for part in np.array_split(kept, -(-len(kept) // 64))]
    features, *others = (np.concatenate(column) for column in zip(*parts, strict=True))
    clean = int((kept < valid).sum())
    order = np.argsort(features[:clean].mean(axis=(0, 2), dtype="float64").astype("float32"), kind="stable")
    steps = sorted({round(len(order) * at / POINTS) for at in range(POINTS + 1)})
    hits, done = [], 0
    for step in steps:
        run.check()
        features[:, order[done:step]] = base[order[done:step]]
        done = step
        right = tail(features, others) == labels[kept]
        hits.append(
            (right[:clean].mean() * valid, right[clean:].mean() * (len(labels) - valid) if clean < len(kept) else 0)
        )
    clean_hits, poisoned_hits = (tuple(round(float(each)) for each in column) for column in zip(*hits, strict=True))
    attacked = len(labels) > valid
    return p.LayerCurve(escape(layer, 48), len(order), tuple(steps), clean_hits, poisoned_hits if attacked else None)


def fewer(images: int, valid: int, most: int) -> np.ndarray:
    """Images that fit: evenly spaced ones of either group."""
    if images <= most:
        return np.arange(images)
    clean, poisoned = (
        evenly(valid, max(1, most * valid // images)),
        evenly(images - valid, max(1, most - most * valid // images)),
    )
    return np.concatenate([clean, valid + poisoned])
