"""What the engine and a front end say to each other: one JSON object a line, each way.

A front end sends commands, the engine answers with events. Both are msgspec tagged unions, so a line that is not
one of these does not decode. Counts travel as whole numbers; `percent` and `drop` turn them into the figures people
read. Every text in an event that came from a file has been escaped by the engine already and is shown as plain text.
"""

import math
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Literal

import msgspec

from engine.api.errors import LabError, Refused
from engine.api.escape import escape
from engine.api.orders import DEFAULT, LooksAt

PROTOCOL = 1
LINE_LIMIT = 2**22  # bytes; longer lines are never sent

SetName = Literal["valid", "test", "poisoned", "poisoned_valid"]
SETS: tuple[SetName, ...] = ("valid", "test", "poisoned", "poisoned_valid")
# in order; "hash" runs beside "tensorflow"; "demo" and the data sets that are not there do not come;
# "step" is told of within one that takes long
PHASES = (
    "start",
    "demo",
    "tensorflow",
    "device",
    "hash",
    "model",
    "features valid",
    "features test",
    "features poisoned",
    "features poisoned_valid",
    "ranking",
    "baseline",
    "steps",
    "step",
    "orders",
    "tuning",
    "why",
    "detectors",
    "layers",
    "files",
    "hand in",
)
DetectorName = Literal["G order", "STRIP", "Mahalanobis", "norm"]
DETECTORS: tuple[DetectorName, ...] = ("G order", "STRIP", "Mahalanobis", "norm")
ImageFilter = Literal[
    "all",
    "wrong",
    "attack works",
    "caught",
    "false alarm",
    "caught by G order",
    "caught by STRIP",
    "caught by Mahalanobis",
    "caught by norm",
]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that decides what a run computes and where it writes. Paths are absolute."""

    root: str
    model: str
    valid: str
    test: str | None = None
    poisoned: str | None = None
    poisoned_valid: str | None = None
    layer: str | None = None  # None: the last convolution on every path from input to output
    order: tuple[int, ...] | None = None  # None: as `order_by` says
    save_at: tuple[str, ...] = ("2", "4", "10", "30")  # percentage points of drop, as decimals
    save_steps: tuple[int, ...] = ()
    out: str = ""  # folder for B'; empty: ROOT/models
    runs: str = ""  # folder for run folders; empty: ROOT/runs
    overwrite: bool = False
    scale: Literal["1", "1/255"] = "1"
    batch_size: int = 2048
    feature_memory: int | None = None  # bytes of features held in memory, mapped above it; None: half of what is free
    device: str | None = None  # "cpu", "gpu", "gpu:1"; None: the first GPU where there is one
    order_by: str = DEFAULT  # a name as `engine.api.orders.order_name` writes it
    stride: int = 1  # channels a step, where nothing has to be found out more exactly
    bands: bool = False  # draw the 95 % intervals of the rates in curve.png
    tune_at: tuple[str, ...] = ()  # thresholds at which B' is fine-tuned too, by the default recipe
    tune_seeds: tuple[int, ...] = (0, 1, 2)  # once with each; the one that is best on the hold-out is saved


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How B' is fine-tuned on clean validation images (Liu et al. 2018, fine-pruning).

    `scope`: the layers behind the cut on the kept features, or the whole network. `rate`: the learning rate; None:
    1e-3 behind the cut, 1e-4 for the whole network. `sgd` has a momentum of 0.9, a weight decay of 5e-4 and a cosine
    schedule to 0. `holdout`: the share of each class that is not trained on and alone tells accuracy. `keep`: which
    epoch B″ is, the last, or the best on the hold-out.
    """

    scope: Literal["behind", "all"] = "behind"
    rate: float | None = None
    epochs: int = 20
    batch: int = 32
    optimizer: Literal["adam", "sgd"] = "adam"
    holdout: str = "2/9"
    keep: Literal["last", "best"] = "last"


# --- commands -------------------------------------------------------------------------------------------------


class Command(msgspec.Struct, frozen=True, tag_field="do", forbid_unknown_fields=True):
    """What a front end asks for. Commands are carried out in order; Pause and Quit act at once."""


class Open(Command, frozen=True, tag="open"):
    """Load the network and the data, rank the channels and measure B.

    `run`: go on with this run folder, by the settings of its journal; of those here only `overwrite` counts, since
    what may be overwritten is for whoever asks now to say. `demo`: lay out this demo under the settings' root first.
    """

    settings: Settings
    run: str | None = None
    demo: Literal["plain", "pruning-aware"] | None = None


class Goto(Command, frozen=True, tag="goto"):
    """Move the playhead to `step`, computing every step between, or stop earlier where a condition holds.

    `until_drop` stops at the first step whose drop is at least that many points, `until_asr` at the first whose
    attack success rate (test) is at most that many percent. A run with a stride computes every so many steps, and those
    between two of them where a threshold was crossed there.
    """

    step: int
    until_drop: str | None = None
    until_asr: str | None = None


class PruneNext(Command, frozen=True, tag="prune_next"):
    """Move `channel` to the playhead's place in the order, then prune it."""

    channel: int


class Pause(Command, frozen=True, tag="pause"):
    """Stop the current Goto within a batch; steps already computed stay."""


class SetThresholds(Command, frozen=True, tag="set_thresholds"):
    """Replace the thresholds; those that computed steps have passed are saved without computing again."""

    save_at: tuple[str, ...]


class SaveHere(Command, frozen=True, tag="save_here"):
    """Save B' and G's answers as NAME (a file name, no folder) or model_step_K, at the playhead or a known step.

    `overwrite` is the answer to a Question: replace what is there.
    """

    name: str | None = None
    overwrite: bool = False
    step: int | None = None


class SaveThreshold(Command, frozen=True, tag="save_threshold"):
    """Answer to a Question: save this threshold's B' again, for the channels pruned at `step` now."""

    threshold: str
    overwrite: bool = False


class Decline(Command, frozen=True, tag="decline"):
    """Answer to the Question of this number: no, leave the file as it is."""

    question: int


class CheckFiles(Command, frozen=True, tag="check_files"):
    """Look whether every saved file is still there as it was saved; make again what is gone."""


class ShowImages(Command, frozen=True, tag="show_images"):
    """Ask for `count` test images from `offset` among those that pass `filter`, at the playhead."""

    filter: ImageFilter = "all"
    offset: int = 0
    count: int = 1
    tuning: int | None = None  # with B″ of this tuning's `epoch` (None: the one it keeps) in the place of B'
    epoch: int | None = None


class ShowChannel(Command, frozen=True, tag="show_channel"):
    """Ask for the mean activation maps of a channel, and what pruning it alone would cost."""

    channel: int


class Compare(Command, frozen=True, tag="compare"):
    """Walk each of these orders to its last step, on the run's own images; those compared before are left out.

    Names as `engine.api.orders.order_name` writes them. The run stays as it is; its folder gets orders.csv and
    orders.png.
    """

    orders: tuple[str, ...]


class CancelOrder(Command, frozen=True, tag="cancel_order"):
    """Do not compare this order, or stop comparing it; acts at once. Those beside it go on."""

    order: str


class TakeOrder(Command, frozen=True, tag="take_order"):
    """Prune in this order from now on; without a name, in the one that the run had before it took the last.

    The playhead goes back to the steps that both orders share; with the order of before, to where it stood.
    """

    order: str | None = None


class Tune(Command, frozen=True, tag="tune"):
    """Fine-tune B' of `step` (None: of the playhead; or of the step that reached `threshold`), once for each seed.

    What was tuned before, for the same channels, recipe and seed, goes on behind its last epoch. `save`: then save
    the seed that is best on the hold-out as B″, under the name of the threshold or of the step.
    """

    step: int | None = None
    threshold: str | None = None
    recipe: Recipe = Recipe()
    seeds: tuple[int, ...] = (0, 1, 2)
    save: bool = False
    overwrite: bool = False


class StopTuning(Command, frozen=True, tag="stop_tuning"):
    """Let the tuning of this number end at the epoch it has come to."""

    tuning: int


class SaveTuned(Command, frozen=True, tag="save_tuned"):
    """Save an epoch of a tuning as B″, and what G of B and B″ answers.

    `epoch` None: the one its recipe keeps. `name`: a file name; None: that of the tuning's threshold or step.
    `overwrite` is the answer to a Question: replace what is there.
    """

    tuning: int
    epoch: int | None = None
    name: str | None = None
    overwrite: bool = False


class Explain(Command, frozen=True, tag="explain"):
    """Look for why the defence works or fails on this network: diagnosis, detectors, and every layer's coarse curve.

    Each part is told of as soon as it is found; parts that were found before are left out. The run stays as it is; its
    folder gets diagnosis.json, and with poisoned images detectors.csv and roc.png. Pause stops it between two batches.
    """

    layers: bool = True  # with the layers' curves, which take longest


class Export(Command, frozen=True, tag="export"):
    """Write curve.csv, curve.png, results and report of the steps computed so far."""


class Finish(Command, frozen=True, tag="finish"):
    """Write everything a complete run holds, and end the run."""


class Evaluate(Command, frozen=True, tag="evaluate"):
    """The lab's eval.py: MODEL, or G made of `badnet` and MODEL, on a clean and a poisoned data file."""

    clean: str
    poisoned: str
    model: str
    badnet: str | None = None
    scale: Literal["1", "1/255"] = "1"
    batch_size: int = 2048
    device: str | None = None


class Grade(Command, frozen=True, tag="grade"):
    """Judge each of `models`, and G of `badnet` and it, on clean validation, clean test and poisoned test images.

    `answers`: a file that keeps what the badnet answers; made where it is missing, so that others need not compute it.
    """

    badnet: str
    valid: str
    test: str
    poisoned: str
    models: tuple[str, ...]
    answers: str
    scale: Literal["1", "1/255"] = "1"
    batch_size: int = 2048
    device: str | None = None


class Classify(Command, frozen=True, tag="classify"):
    """What G of `badnet` and `model` answers to pictures: PNG, JPEG, or rows of data files (`valid.h5:0-4`).

    `resize`: make a picture the size that the networks take; without it another size is refused.
    """

    images: tuple[str, ...]
    badnet: str
    model: str
    scale: Literal["1", "1/255"] = "1"
    resize: bool = False
    device: str | None = None


class ExportNetwork(Command, frozen=True, tag="export_network"):
    """Write a network of its own to `to`: `g`, made of `badnet` and `model`, or `model` with its pruned channels gone.

    `check`: data files whose images the new network answers, beside the old one.
    """

    what: Literal["g", "shrunk"]
    model: str
    to: str
    badnet: str | None = None
    layer: str | None = None  # of what is shrunk; None: the layer that would be pruned
    form: Literal["keras", "h5", "onnx"] = "keras"
    scale: Literal["1", "1/255"] = "1"
    check: tuple[str, ...] = ()
    overwrite: bool = False
    device: str | None = None


class HandIn(Command, frozen=True, tag="hand_in"):
    """Check what a run has saved, and write it as one zip to `to` (empty: hand-in.zip in the run's folder).

    `run`: its folder; a run that is open has its results written first. Every network is opened again and answers
    every image: where it does not hold or answer what the results say, nothing is written.
    """

    run: str
    to: str = ""
    overwrite: bool = False


class TrainDemo(Command, frozen=True, tag="train_demo"):
    """Train one of the demo's BadNets anew and write it to `path`."""

    attack: Literal["plain", "pruning-aware"]
    path: str


class Detach(Command, frozen=True, tag="detach"):
    """Go on without a front end: finish what is queued, then Finish, then leave. A front end may attach again."""


class Quit(Command, frozen=True, tag="quit"):
    """Leave at once. The end of the command stream means the same."""


# --- events ---------------------------------------------------------------------------------------------------


class Counts(msgspec.Struct, frozen=True):
    """Images counted at one step; None where the set is not there. Totals are in SetInfo.images."""

    valid: int  # clean validation images that B' answers with their label
    test: int | None = None  # the same for clean test images
    poisoned: int | None = None  # poisoned test images that B' answers with their target label
    g_test: int | None = None  # clean test images that G answers with their label
    g_poisoned: int | None = None  # poisoned test images that G answers with their target label
    detected: int | None = None  # poisoned test images that G answers "backdoored"
    false_alarms: int | None = None  # clean test images that G answers "backdoored"
    poisoned_valid: int | None = None  # poisoned validation images that hit the target: B and saved steps only


class SetInfo(msgspec.Struct, frozen=True):
    """A data set: `name` is the escaped file name; `known` names the lab's file that it is, byte for byte."""

    name: str
    images: int
    sha256: str
    known: str | None = None
    notes: tuple[str, ...] = ()


class LayerInfo(msgspec.Struct, frozen=True):
    """A layer of the network; `refusal` says why its channels cannot be pruned (None: they can)."""

    name: str
    kind: str
    shape: tuple[int | None, ...]
    refusal: str | None = None


class Event(msgspec.Struct, frozen=True, tag_field="event"):
    """What the engine reports."""


class Hello(Event, frozen=True, tag="hello"):
    """The first line of an engine process."""

    protocol: int
    pid: int


class Began(Event, frozen=True, tag="began"):
    """The first line of a journal. `sha256` by set name, and "model". A resumed run must have the same."""

    settings: Settings
    sha256: dict[str, str]
    versions: dict[str, str]
    started: str  # local time, ISO 8601


class Progress(Event, frozen=True, tag="progress"):
    """A phase (one of PHASES) has done `done` of `total`; equal numbers end it, after `seconds`. Replaceable."""

    phase: str
    done: int
    total: int
    seconds: float = 0.0
    note: str = ""


class Opened(Event, frozen=True, tag="opened"):
    """The inputs stand: what will be pruned, on which data, where results go."""

    run: str  # the run folder
    model: SetInfo  # images: 0
    layer: str
    feature: str  # the ranking feature
    channels: int
    classes: int
    layers: tuple[LayerInfo, ...]
    sets: dict[SetName, SetInfo]
    target: str  # the attack's target label, or labels, as text; empty without a poisoned set
    device: str
    backend: str
    lab: bool  # every input is the lab's own file, so published numbers apply
    held_by: str | None = None  # another process holds this run or its outputs: opened read-only
    notes: tuple[str, ...] = ()
    device_memory: int = 0  # bytes of the card's memory that the engine uses; 0 on a CPU


class Ranked(Event, frozen=True, tag="ranked"):
    """The order in which channels go, and by channel: mean activation, images it is active on, and its score."""

    order: tuple[int, ...]
    given: bool  # the order came from the user, not from `order_by`
    means: tuple[float, ...]
    active_valid: tuple[int, ...]
    active_poisoned: tuple[int, ...] | None = None
    order_by: str = DEFAULT
    looks_at: LooksAt = "clean"
    scores: tuple[float, ...] | None = None  # None: the means are, or the user gave the order

    @property
    def oracle(self) -> bool:
        """The order looked at poisoned images."""
        return self.looks_at == "poisoned" and not self.given


class Reordered(Event, frozen=True, tag="reordered"):
    """The order changed beyond the playhead. Steps above `kept` are void; known ones follow as Stepped.

    `order_by`: where a whole order was taken, or taken back, its name, empty for the one that the run began with; None
    where only a channel was pruned out of turn. `undo_at`: the step at which undo brings back the order of before the
    last whole one.
    """

    order: tuple[int, ...]
    kept: int
    order_by: str | None = None
    undo_at: int | None = None


class Stepped(Event, frozen=True, tag="stepped"):
    """Step `step` of the current order is known; step 0 is B. `evaluated`: images that were computed anew."""

    step: int
    channel: int | None
    counts: Counts
    evaluated: int = 0
    seconds: float = 0.0


class Moved(Event, frozen=True, tag="moved"):
    """The playhead stands at `step`."""

    step: int


class Crossed(Event, frozen=True, tag="crossed"):
    """`step` is the first whose drop is at least `threshold` points."""

    threshold: str
    step: int


class Compared(Event, frozen=True, tag="compared"):
    """An order that was compared: its channels, and counts at each step from 0 on. The run did not change.

    `chosen`: the channels that the method would prune as it was published, where that is a set (CLP); there `scores`,
    by channel, tell which set another limit would make.
    """

    name: str
    looks_at: LooksAt
    order: tuple[int, ...]
    steps: tuple[Counts, ...]
    chosen: tuple[int, ...] | None = None
    chosen_counts: Counts | None = None
    seconds: float = 0.0
    scores: tuple[float, ...] | None = None


class ComparedStep(Event, frozen=True, tag="compared_step"):
    """A step of an order that is being compared; Compared follows with all of them. For the eye: no journal has it."""

    name: str
    step: int
    counts: Counts


class TuningBegan(Event, frozen=True, tag="tuning_began"):
    """B' of `step`, with the channels `pruned`, is tuned: on `trained` validation images, `held_out` others apart.

    `number` counts the tunings of a run from 1. The recipe names its learning rate.
    """

    number: int
    step: int
    pruned: tuple[int, ...]
    threshold: str | None
    recipe: Recipe
    seed: int
    trained: int
    held_out: int


class TunedCounts(msgspec.Struct, frozen=True):
    """Images counted after an epoch; None where the set is not there. G is made of B and B″."""

    holdout: int  # held-out validation images that B″ answers with their label
    test: int | None = None
    poisoned: int | None = None
    g_test: int | None = None
    g_poisoned: int | None = None
    detected: int | None = None
    false_alarms: int | None = None
    robust: int | None = None  # poisoned test images answered with their label from before, where that is proven


class Tuned(Event, frozen=True, tag="tuned"):
    """An epoch of a tuning is done, and its weights are on disk; epoch 0 is B' as pruned."""

    number: int
    epoch: int
    counts: TunedCounts
    loss: float = 0.0  # mean cross-entropy over the training images of this epoch
    seconds: float = 0.0


class TuningStopped(Event, frozen=True, tag="tuning_stopped"):
    """The user ended the tuning of this number at the epoch it had come to."""

    number: int


class Saved(Event, frozen=True, tag="saved"):
    """A file is complete on disk. `what`: "model" (B'), "tuned" (B″), "answers" (G), or the name of a result file.

    `pruned`: the channels at zero, where they are not the first `step` of the current order. `tuning` and `epoch`: of
    B″, and of what G of B and B″ answers.
    """

    what: str
    path: str
    sha256: str
    status: Literal["written", "unchanged"]
    step: int | None = None
    threshold: str | None = None
    pruned: tuple[int, ...] | None = None
    tuning: int | None = None
    epoch: int | None = None


class SaveMeasured(Event, frozen=True, tag="save_measured"):
    """Counts at a saved step (or step 0), now with the poisoned validation set."""

    step: int
    counts: Counts


class TriggerRegion(msgspec.Struct, frozen=True):
    """Where a trigger is, how many pixels it changes, and their mean colour in the poisoned images."""

    top: int
    left: int
    height: int
    width: int
    pixels: int
    colour: tuple[float, ...]


class RobustHits(msgspec.Struct, frozen=True):
    """Poisoned test images answered with their label from before, by B with `pruned` gone and by its G."""

    pruned: tuple[int, ...]
    b_prime: int
    g: int


class StepRange(msgspec.Struct, frozen=True):
    """The steps that 95 % of resamples of the validation images cross a threshold in; None: beyond the last step."""

    threshold: str
    low: int | None
    high: int | None


class Analysed(Event, frozen=True, tag="analysed"):
    """What the kept answers say beyond counts, for what is saved now. `unproven`: why no trigger could be proven."""

    trigger: TriggerRegion | None
    unproven: str
    robust: tuple[RobustHits, ...]
    ranges: tuple[StepRange, ...]


class KnockOut(msgspec.Struct, frozen=True):
    """Images of the sample that are still answered with their label (poisoned ones: the target) without a channel."""

    valid: int
    poisoned: int | None = None


class Stimulus(msgspec.Struct, frozen=True):
    """A channel driven to `factor` times the level, in `rows` of positions (first, last; None: everywhere).

    `winner` is the class that `share` of the images are answered with then.
    """

    channel: int
    factor: int
    rows: tuple[int, int] | None
    winner: int
    share: float


class Stimulation(msgspec.Struct, frozen=True):
    """Every stimulus by which one class wins on half of `images` clean validation images or more.

    `level`: the 99.9 % quantile of the layer's positive activations. `height`: rows of the map.
    """

    level: float
    images: int
    height: int
    found: tuple[Stimulus, ...]


class Components(msgspec.Struct, frozen=True):
    """Penultimate features along their two principal components, and what share of the variance each holds."""

    share: tuple[float, float]
    clean: tuple[tuple[float, float], ...]
    poisoned: tuple[tuple[float, float], ...]


class Diagnosed(Event, frozen=True, tag="diagnosed"):
    """Where the backdoor of B lives, as far as the images tell; nothing in it depends on the playhead.

    `curve` are the counts along `order`, that of mean activation. `clean`: the clean set that `activation_change` is
    against. `sample`: how many images of each set the channels were knocked out on. What takes poisoned images is None
    or empty without them.
    """

    order: tuple[int, ...]
    curve: tuple[Counts, ...]
    dormant: tuple[int, ...]  # channels that no clean validation image wakes
    dormant_poisoned: tuple[int, ...] | None  # that no poisoned test image wakes
    clean_mean: tuple[float, ...]
    clean: SetName
    activation_change: tuple[float, ...] | None
    sample: dict[SetName, int]
    base: KnockOut  # B itself, on the sample
    knock_out: tuple[KnockOut, ...]
    stimulation: Stimulation
    components: Components | None
    seconds: float = 0.0


class LayerCurve(msgspec.Struct, frozen=True):
    """Some steps of a layer's own curve in the order of its mean activation, and hits of the sample at each."""

    layer: str
    channels: int
    steps: tuple[int, ...]
    valid: tuple[int, ...]
    poisoned: tuple[int, ...] | None = None


class LayersPruned(Event, frozen=True, tag="layers_pruned"):
    """What pruning other layers would do, one alone at a time; `sample`: images of each set, `left_out`: layers."""

    sample: dict[SetName, int]
    layers: tuple[LayerCurve, ...]
    left_out: int = 0  # layers that could be pruned and were not looked at
    seconds: float = 0.0


class Detector(msgspec.Struct, frozen=True):
    """How well a score tells poisoned test images from clean ones; thresholds come from clean validation images.

    `images`: how many of the validation, clean and poisoned test set were scored, evenly spaced. Pairs are for 1 and
    5 % false alarms as set on validation. `flagged_…`: at 5 %, a bit an image that was scored.
    """

    name: DetectorName
    images: tuple[int, int, int]
    area: float
    area_low: float
    area_high: float
    thresholds: tuple[float, float]
    detected: tuple[int, int]
    false_alarms: tuple[int, int]
    roc: tuple[tuple[float, float], ...]  # false alarm rate, detection rate
    flagged_test: bytes
    flagged_poisoned: bytes


class Detected(Event, frozen=True, tag="detected"):
    """Detectors side by side, on the run's clean and poisoned test images."""

    detectors: tuple[Detector, ...]
    seconds: float = 0.0


class FileChanged(Event, frozen=True, tag="file_changed"):
    """A saved file is gone, or holds something else than was saved. Saved follows where it is made again."""

    path: str
    found: Literal["gone", "changed"]


class Question(Event, frozen=True, tag="question"):
    """Only the user can decide; until then, and after Declined, the file stays as it is.

    `about`: "threshold" (crossed again with other channels), "replace" (the run saved other channels under this name)
    or "overwrite" (the file is not the run's). Asked once for each file and set of channels at zero.
    """

    about: Literal["threshold", "replace", "overwrite"]
    text: str
    threshold: str | None = None
    step: int | None = None
    path: str | None = None
    number: int = 0  # counts the questions of a run from 1; 0 in journals of before, whose questions are all answered
    tuning: int | None = None  # where it is about B″
    epoch: int | None = None


class Declined(Event, frozen=True, tag="declined"):
    """The user answered the Question of this number with no."""

    question: int


class Thresholds(Event, frozen=True, tag="thresholds"):
    """The thresholds now in force."""

    save_at: tuple[str, ...]


class Picture(msgspec.Struct, frozen=True):
    """An image for the eye: `rgb` holds height x width x 3 bytes; answers are class numbers, N is "backdoored"."""

    rgb: bytes
    label: int
    b: int
    b_prime: int
    g: int
    flagged_by: tuple[DetectorName, ...] | None = None  # at 5 % false alarms; None: no detector has looked at it


class ImagePair(msgspec.Struct, frozen=True):
    index: int
    clean: Picture | None
    poisoned: Picture | None


class Images(Event, frozen=True, tag="images"):
    """Answer to ShowImages: `total` images pass the filter at `step`."""

    filter: ImageFilter
    step: int
    offset: int
    total: int
    height: int
    width: int
    items: tuple[ImagePair, ...]
    tuning: int | None = None
    epoch: int | None = None


class ExcitedImage(msgspec.Struct, frozen=True):
    """The image of a set on which a channel's mean activation is the highest; `map` is that of this image alone.

    `rgb` holds height x width x 3 bytes; `map` has the shape of the view's maps. Of large sets evenly spaced images
    were looked at.
    """

    of: SetName
    index: int
    label: int
    mean: float
    height: int
    width: int
    rgb: bytes
    map: tuple[float, ...]


class Filter(msgspec.Struct, frozen=True):
    """A channel's filter of `height` x `width` positions over `inputs` channels; `bias` None: the layer has none.

    `weights`: `rows` x `columns` of them, a row for each position and a column for each input channel; of more than a
    terminal shows, means over blocks.
    """

    height: int
    width: int
    inputs: int
    rows: int
    columns: int
    weights: tuple[float, ...]
    bias: float | None


class Fading(msgspec.Struct, frozen=True):
    """B as one channel alone keeps `shares` of its activation, from all of it to none, which is to prune it.

    `sample`: images of each set; `valid` and `poisoned`: those of them answered with their label, and their target.
    """

    sample: dict[SetName, int]
    shares: tuple[float, ...]
    valid: tuple[int, ...]
    poisoned: tuple[int, ...] | None = None


class ChannelView(Event, frozen=True, tag="channel_view"):
    """Answer to ShowChannel: means over images of the ranking feature, row by row; `alone`: B with it pruned.

    A feature of more positions than a terminal shows is averaged over blocks: `height` and `width` are the maps'.
    """

    channel: int
    height: int
    width: int
    valid_map: tuple[float, ...]
    poisoned_map: tuple[float, ...] | None
    alone: Counts
    feature_height: int = 0  # of the feature itself, where the maps are averages over blocks; else 0
    feature_width: int = 0
    excited: tuple[ExcitedImage, ...] = ()  # of sets on which it is active at all
    filter: Filter | None = None
    fading: Fading | None = None


class Evaluated(Event, frozen=True, tag="evaluated"):
    """Answer to Evaluate: hits on the clean and the poisoned file, and what G flagged (with a badnet)."""

    clean_hits: int
    clean_images: int
    poisoned_hits: int
    poisoned_images: int
    detected: int | None = None
    false_alarms: int | None = None
    notes: tuple[str, ...] = ()
    robust: int | None = None  # poisoned images answered with their label from before; None where that is not proven
    unproven: str = ""  # why not
    trigger: TriggerRegion | None = None
    badnet_hits: tuple[int, int] | None = None  # of the badnet on the clean and on the poisoned file
    only_one_right: tuple[int, int] | None = None  # clean images on which only the badnet, only MODEL, is right


class Graded(Event, frozen=True, tag="graded"):
    """Answer to Grade, a network each: `counts` of it and of its G, `base` of the badnet, over `images` of each set.

    `number`: its place among the command's models. `refusal`: why it was not opened, in one line; then there are no
    counts. `pruned`: by layer, how many channels are at zero that the badnet has. `remarks`: what else strikes about
    its numbers. Names are escaped.
    """

    number: int
    sha256: str = ""
    counts: Counts | None = None
    base: Counts | None = None
    images: dict[SetName, int] = {}
    only_one_right: tuple[int, int] | None = None  # clean test images on which only the badnet, only this one, is right
    pruned: dict[str, int] = {}
    remarks: tuple[str, ...] = ()
    refusal: str | None = None


class Classified(Event, frozen=True, tag="classified"):
    """Answer to Classify, a picture each: answers of B, B' and G; class numbers, N is "backdoored".

    `refusal`: why it was not looked at, in one line; then there are no answers. `names` are escaped.
    """

    name: str
    b: int | None = None
    b_prime: int | None = None
    g: int | None = None
    classes: int = 0
    notes: tuple[str, ...] = ()
    refusal: str | None = None


class Exported(Event, frozen=True, tag="exported"):
    """Answer to ExportNetwork: a file is complete on disk, and answers as it should on every image it was shown.

    `parameters` of `before`, and images by set that were answered; `difference`: the largest of two scores.
    """

    path: str
    sha256: str
    parameters: int
    before: int
    images: dict[str, int]
    difference: float
    notes: tuple[str, ...] = ()


class NetworkCheck(msgspec.Struct, frozen=True):
    """A network that holds just the channels at zero that the results claim, and answers as they say.

    `network`: "B", "B′" or "B″"; `figures`: by column of Counts, the hits, and of how many images.
    """

    network: str
    file: str
    pruned: int
    figures: tuple[tuple[str, int, int], ...]


class HandedIn(Event, frozen=True, tag="handed_in"):
    """Answer to HandIn: the zip is complete on disk. `files`: the names in it."""

    path: str
    sha256: str
    size: int
    files: tuple[str, ...]
    checks: tuple[NetworkCheck, ...]


class Note(Event, frozen=True, tag="note"):
    """Something the user should know; nothing failed."""

    text: str


class Idle(Event, frozen=True, tag="idle"):
    """The command queue is empty. `why` tells how the last command ended."""

    step: int
    why: Literal["done", "paused", "failed"] = "done"


class Finished(Event, frozen=True, tag="finished"):
    """Everything is on disk. `missed`: thresholds that no step reached."""

    run: str
    files: tuple[str, ...]
    missed: tuple[str, ...]
    verdict: str  # what the curve says, one sentence
    seconds: float


class Failed(Event, frozen=True, tag="failed"):
    """A command failed and the engine goes on. `exit_code`: what a script should exit with (ExitCode).

    `foreign`: names of files in the folder of B' that Open would replace where its settings say `overwrite`.
    """

    message: str
    exit_code: int
    foreign: tuple[str, ...] = ()


AnyCommand = (
    Open | Goto | PruneNext | Pause | SetThresholds | SaveHere | SaveThreshold | Decline | CheckFiles | ShowImages
    | ShowChannel | Compare | CancelOrder | TakeOrder | Explain | Export | Finish | Evaluate | TrainDemo | Detach | Quit
    | Tune | StopTuning | SaveTuned | Classify | ExportNetwork | Grade | HandIn
)  # fmt: skip
AnyEvent = (
    Hello | Began | Progress | Opened | Ranked | Reordered | Stepped | Moved | Crossed | Saved | SaveMeasured
    | Compared | ComparedStep | Analysed | Diagnosed | LayersPruned | Detected | FileChanged | Question | Declined
    | Thresholds | Images | ChannelView | Evaluated | Note | Idle | Finished | Failed | TuningBegan | Tuned
    | TuningStopped | Classified | Exported | Graded | HandedIn
)  # fmt: skip

decode_command: Callable[[bytes], AnyCommand] = msgspec.json.Decoder(AnyCommand).decode
decode_event: Callable[[bytes], AnyEvent] = msgspec.json.Decoder(AnyEvent).decode
_encode = msgspec.json.Encoder().encode

# numbers in an event that may come out of a computation
FLOATS: dict[type, Callable[[Any], Iterable[float]]] = {
    Progress: lambda event: (event.seconds,),
    Ranked: lambda event: (*event.means, *(event.scores or ())),
    Stepped: lambda event: (event.seconds,),
    Compared: lambda event: (event.seconds, *(event.scores or ())),
    Analysed: lambda event: event.trigger.colour if event.trigger else (),
    Diagnosed: lambda event: (
        *(event.seconds, *event.clean_mean, *(event.activation_change or ())),
        *(event.stimulation.level, *(at.share for at in event.stimulation.found)),
        *(number for at in ((event.components,) if event.components else ()) for number in at.share),
        *(number for at in ((event.components,) if event.components else ()) for xy in at.clean for number in xy),
        *(number for at in ((event.components,) if event.components else ()) for xy in at.poisoned for number in xy),
    ),
    LayersPruned: lambda event: (event.seconds,),
    Detected: lambda event: (
        event.seconds,
        *(number for at in event.detectors for number in (at.area, at.area_low, at.area_high, *at.thresholds)),
        *(number for at in event.detectors for xy in at.roc for number in xy),
    ),
    Evaluated: lambda event: event.trigger.colour if event.trigger else (),
    ChannelView: lambda event: (*event.valid_map, *(event.poisoned_map or ())),
    Finished: lambda event: (event.seconds,),
    TuningBegan: lambda event: (event.recipe.rate or 0.0,),
    Tuned: lambda event: (event.loss, event.seconds),
    Exported: lambda event: (event.difference,),
}


class NotFinite(LabError):
    """An event holds a number that is none, or infinite; JSON has no word for it."""


class NotText(Refused):
    """A message names a file whose name is no text; JSON cannot hold it."""


class TooLong(LabError):
    """A message is longer than any line that is sent."""


def refuse_infinite(message: AnyCommand | AnyEvent) -> None:
    """Raises NotFinite for a message that JSON would hold null instead of numbers of."""
    floats = FLOATS.get(type(message))
    if floats and not all(map(math.isfinite, floats(message))):
        name = type(message).__name__
        raise NotFinite(f"The engine made numbers that are not finite ({name}); they are neither told nor kept.")


def encode(message: AnyCommand | AnyEvent) -> bytes:
    """A message as one line of JSON, without its end. Raises NotFinite, NotText and TooLong."""
    refuse_infinite(message)
    try:
        line = _encode(message)
    except UnicodeEncodeError as error:
        raise NotText(f"{escape(error.object)}: is not valid UTF-8. Rename it.") from None
    if len(line) >= LINE_LIMIT:
        name = type(message).__name__
        raise TooLong(f"{name}: {len(line):,} bytes, expected less than {LINE_LIMIT:,}. Choose less at a time.")
    return line


# --- figures --------------------------------------------------------------------------------------------------


def percent(hits: int, images: int) -> float:
    """Percent of images, 100·hits/images in one rounding; 0.0 for no images."""
    return 100 * hits / images if images else 0.0


def drop(before: int, after: int, images: int) -> float:
    """Percentage points lost between two counts over the same images."""
    return 100 * (before - after) / images if images else 0.0


def reached(threshold: str, before: int, after: int, images: int) -> bool:
    """Whether the drop is at least `threshold` points, decided on whole numbers: 100·(before − after) ≥ X·N."""
    return 100 * (before - after) >= Decimal(threshold) * images


def threshold_label(threshold: str) -> str:
    """A threshold as the change in accuracy that it is: -2 pt; without a sign for none."""
    return f"-{threshold} pt" if Decimal(threshold) else "0 pt"


def format_drop(drop: float) -> str:
    """A drop as the change in accuracy that it is, wherever people read it: -3.93 for 3.93 points lost; 0.00 for none.

    Data files and options hold the points lost, without a sign.
    """
    text = f"{-drop:+.2f}"
    return text if text.strip("+-0.") else "0.00"
