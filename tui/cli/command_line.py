"""The command line. It imports what a command needs when that command runs: --help must be instant."""

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.api.errors import ExitCode, Refused
from engine.api.orders import DEFAULT, METHODS
from tui.cli.help_page import GroupedHelp
from tui.terminal.outputs import complain, put

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.api.client import EngineClient
    from tui.model.launch import Launch

app = typer.Typer(
    name="lab3-tui",
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    rich_markup_mode=None,
    cls=GroupedHelp,
)
demo_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The embedded demo's networks.")
config_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The workbench's settings file.")
export_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="G, or a smaller B′, as a Keras file.")
completion_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Complete commands, options and names with Tab: bash, zsh or fish.",
)
app.add_typer(demo_app, name="demo")
app.add_typer(completion_app, name="completion")
app.add_typer(export_app, name="export")
app.add_typer(config_app, name="config")


USAGE_ERROR: Any = typer.BadParameter.__mro__[2]  # what the parser raises for words that it does not know
INPUTS, PRUNING, OUTPUTS, ENGINE, MODES = "What to open", "What to prune and save", "Where it goes", "How", "Which run"

ATTACKS, SCALES = "[pruning-aware|plain]", "[1|1/255]"

HeadlessFlag = Annotated[bool, typer.Option("--headless", help="Run without a screen, to the end.")]
Root = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Lab folder: data/cl, data/bd, models. Default: here.", rich_help_panel=INPUTS),
]
Model = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The BadNet, .h5 or .keras. Default: models/bd_net.h5", rich_help_panel=INPUTS),
]
Valid = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Clean validation images. Default: data/cl/valid.h5", rich_help_panel=INPUTS),
]
Test = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Clean test images, or none. Default: data/cl/test.h5", rich_help_panel=INPUTS),
]
Poisoned = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Poisoned test images, or none. Default: data/bd/bd_test.h5", rich_help_panel=INPUTS
    ),
]
PoisonedValid = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Poisoned validation images, or none. Default: data/bd/bd_valid.h5",
        rich_help_panel=INPUTS,
    ),
]
Demo = Annotated[bool, typer.Option("--demo", help="Open the embedded demo.", rich_help_panel=INPUTS)]
AttackOption = Annotated[
    str | None, typer.Option(metavar=ATTACKS, help="Which demo. Default: pruning-aware", rich_help_panel=INPUTS)
]
ScaleOption = Annotated[
    str | None, typer.Option(metavar=SCALES, help="Multiply pixels by this. Default: 1", rich_help_panel=INPUTS)
]
Layer = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The convolution to prune. Default: the last on every path from input to output.",
        rich_help_panel=PRUNING,
    ),
]
Order = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Prune in the order of this file: a JSON list of channels, or one a line; or of the list itself: [3,1,2].",
        rich_help_panel=PRUNING,
    ),
]
OrderBy = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help=f"Prune in this order: {', '.join(METHODS)} (random:7 names a seed). Default: {DEFAULT}. "
        f"{', '.join(name for name, method in METHODS.items() if method.oracle)} are oracles: they look at poisoned "
        "images, which no defender has.",
        rich_help_panel=PRUNING,
    ),
]
Stride = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Prune so many channels a step, and one by one where a threshold was crossed: for wide layers. Default: 1",
        rich_help_panel=PRUNING,
    ),
]
Bands = Annotated[bool, typer.Option("--bands", help="Draw 95 % intervals in curve.png.", rich_help_panel=OUTPUTS)]
SaveAt = Annotated[
    str | None,
    typer.Option(
        metavar="POINTS",
        help="Save B′ at the first step whose clean validation accuracy is down by so many points, or none. "
        "Default: 2,4,10,30",
        rich_help_panel=PRUNING,
    ),
]
SaveStep = Annotated[
    str | None, typer.Option(metavar="STEPS", help="Save B′ at these steps too: 45,48", rich_help_panel=PRUNING)
]
TuneAt = Annotated[
    str | None,
    typer.Option(
        metavar="POINTS",
        help="Fine-tune B′ of these thresholds too, and save the best on the hold-out as model_tuned_X. Example: 10,30",
        rich_help_panel=PRUNING,
    ),
]
TuneSeeds = Annotated[
    str | None,
    typer.Option(metavar="SEEDS", help="Fine-tune once with each of these. Default: 0,1,2", rich_help_panel=PRUNING),
]
Out = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Folder for B′. Default: ROOT/models", rich_help_panel=OUTPUTS)
]
Runs = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Folder for run folders. Default: ROOT/runs", rich_help_panel=OUTPUTS),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace files that are from no run here.", rich_help_panel=OUTPUTS)
]
Json = Annotated[
    bool, typer.Option("--json", help="Headless: print every event as a line of JSON.", rich_help_panel=OUTPUTS)
]
BatchSize = Annotated[
    int | None, typer.Option(metavar="IMAGES", help="Images computed at a time.", rich_help_panel=ENGINE)
]
FeatureMemory = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Features held in memory, 2G; the rest is mapped from disk. Default: half of what is free",
        rich_help_panel=ENGINE,
    ),
]
Device = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="cpu, gpu or gpu:1. Default: a GPU where there is one", rich_help_panel=ENGINE),
]
Keep = Annotated[
    bool, typer.Option("--keep", help="Let the engine finish when the connection drops.", rich_help_panel=ENGINE)
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the newest unfinished run of this lab.", rich_help_panel=MODES)
]
Run = Annotated[
    Path | None, typer.Option(metavar="RUN", help="Go on with, or look at, this run folder.", rich_help_panel=MODES)
]


def show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            put(sys.stdout, f"lab3-tui {version('lab3-tui')}")
        except PackageNotFoundError:
            put(sys.stdout, "lab3-tui, from a folder where it is not installed")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version.")]


@app.callback(invoke_without_command=True)
def main_command(
    context: typer.Context,
    headless: HeadlessFlag = False,
    root: Root = None,
    model: Model = None,
    valid: Valid = None,
    test: Test = None,
    poisoned: Poisoned = None,
    poisoned_valid: PoisonedValid = None,
    scale: ScaleOption = None,
    demo: Demo = False,
    attack: AttackOption = None,
    layer: Layer = None,
    order: Order = None,
    order_by: OrderBy = None,
    stride: Stride = None,
    save_at: SaveAt = None,
    save_step: SaveStep = None,
    tune_at: TuneAt = None,
    tune_seeds: TuneSeeds = None,
    out: Out = None,
    runs: Runs = None,
    overwrite: Overwrite = False,
    bands: Bands = False,
    json: Json = False,
    batch_size: BatchSize = None,
    feature_memory: FeatureMemory = None,
    device: Device = None,
    keep: Keep = False,
    resume: Resume = False,
    run: Run = None,
    version: Version = False,  # noqa: ARG001 - its callback prints it
) -> None:
    """Prune a backdoored network channel by channel, and see whether accuracy or the attack falls first.

    Without options: the workbench on the lab folder here. On a machine without the lab's files: lab3-tui --demo
    """
    if context.invoked_subcommand is not None:
        return
    from tui.cli.choose_run import choose
    from tui.model.options import Options, attack_name, refusals, refuse_together

    options = Options(
        root, model, valid, test, poisoned, poisoned_valid, layer, order, save_at, save_step, out, runs, overwrite,
        scale, batch_size, feature_memory, device, order_by, stride, bands, tune_at, tune_seeds,
    )  # fmt: skip
    refuse_together([
        *options.refusals(),
        *refusals(lambda: attack_name(attack) if attack is not None else None),
        *(["--json goes with --headless."] if json and not headless else []),
    ])  # fmt: skip
    wanted = attack_name(attack) if attack is not None else "pruning-aware" if demo else None
    launch = choose(options, wanted, resume, run, headless)
    raise typer.Exit(run_headless(launch, save_at, json, keep) if headless else run_workbench(launch, keep))


def run_headless(launch: "Launch", save_at: str | None, json: bool, keep: bool) -> int:
    from engine.api.demo import about
    from engine.api.protocol import Open
    from tui.headless.headless_run import Plan, run
    from tui.model.options import thresholds

    if launch.settings is None:
        raise Refused(f"{launch.root}: no lab folder here. Name files with --model and --valid.")
    command = Open(launch.settings, launch.run, launch.demo)
    others = thresholds(save_at) if save_at is not None and launch.run else None
    frank = about(launch.demo) if launch.demo else ()
    return run(Plan(command, others, json, keep, launch.notice, frank), client_for(launch))


def run_workbench(launch: "Launch", keep: bool) -> int:
    import signal
    from dataclasses import replace

    from tui.cli.ending import leave

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, leave)  # until the workbench is there to be left
    from tui.app.run_workbench import refusal, run

    if why := refusal():
        raise Refused(why)
    return run(replace(launch, keep=keep))


def client_for(launch: "Launch") -> "Callable[[], EngineClient]":
    """What makes the client: one that comes back to the engine of a run, should it still be there."""

    def connect() -> "EngineClient":
        from engine.api.client import EngineClient

        return EngineClient(run=Path(launch.run) if launch.run else None)

    return connect


@app.command("eval", short_help="The lab's eval.py, for a network or for G.")
def eval_command(
    clean: Annotated[Path, typer.Argument(metavar="CLEAN", help="Clean test images.")],
    poisoned: Annotated[Path, typer.Argument(metavar="POISONED", help="Poisoned test images.")],
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The network to judge.")],
    badnet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Judge G made of this network and MODEL, with what it detects.")
    ] = None,
    intervals: Annotated[
        bool, typer.Option("--intervals", help="Say below how sure the rates are: intervals, RA, DER, McNemar.")
    ] = False,
    scale: Annotated[str, typer.Option(metavar=SCALES, help="Multiply pixels by this.")] = "1",
    batch_size: Annotated[int, typer.Option(metavar="IMAGES", min=1, help="Images computed at a time.")] = 2048,
    device: Annotated[str | None, typer.Option(metavar="NAME", help="cpu, gpu or gpu:1.")] = None,
) -> None:
    """The lab's eval.py: clean accuracy and attack success rate of a network, or of G."""
    from engine.api.protocol import Evaluate
    from tui.cli.commands import evaluate
    from tui.model import options

    options.working_folder()
    wrong = options.refusals(lambda: options.scale(scale), lambda: options.device(device) if device else None)
    options.refuse_together(options.with_missing(wrong, clean, poisoned, model, badnet))
    command = Evaluate(
        options.absolute(clean),
        options.absolute(poisoned),
        options.absolute(model),
        options.absolute(badnet) if badnet else None,
        options.scale(scale),
        batch_size,
        options.device(device) if device else None,
    )
    raise typer.Exit(evaluate(command, intervals=intervals))


@app.command("compare", short_help="Several orders on one network, or several runs, side by side.")
def compare_command(
    orders: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="mean,clp,random:0-19. Default: all but oracles, and three random ones."),
    ] = None,
    run: Annotated[
        list[Path] | None,
        typer.Option(metavar="RUN", help="Write into this run; given twice or more, compare these runs."),
    ] = None,
    root: Root = None,
    model: Model = None,
    valid: Valid = None,
    test: Test = None,
    poisoned: Poisoned = None,
    scale: ScaleOption = None,
    demo: Demo = False,
    attack: AttackOption = None,
    layer: Layer = None,
    runs: Runs = None,
    json: Annotated[bool, typer.Option("--json", help="Print every event as a line of JSON.")] = False,
    batch_size: BatchSize = None,
    feature_memory: FeatureMemory = None,
    device: Device = None,
) -> None:
    """Walk several orders of one network to their last steps, on the same images, and set them side by side.

    The run that they are compared in stays as it is; its folder gets orders.csv and orders.png.
    """
    from tui.cli import compare
    from tui.model.options import Options, attack_name

    named = tuple(run or ())
    options = Options(
        root, model, valid, test, poisoned, layer=layer, runs=runs, scale=scale, batch_size=batch_size,
        feature_memory=feature_memory, device=device,
    )  # fmt: skip
    if len(named) > 1:
        raise typer.Exit(compare.runs(named, options, orders, json))
    wanted = attack_name(attack) if attack is not None else "pruning-aware" if demo else None
    launch = compare.launch(options, wanted, named[0] if named else None)
    raise typer.Exit(compare.run(launch, compare.names(orders), json, client_for(launch)))


@app.command("tune", short_help="Fine-tune B′ of a step on clean validation images.")
def tune_command(
    step: Annotated[int, typer.Option(metavar="STEP", min=1, help="Prune so many channels, then tune what is left.")],
    scope: Annotated[
        str, typer.Option(metavar="[behind|all]", help="Train the layers behind the cut, or the whole network.")
    ] = "behind",
    rate: Annotated[
        float | None, typer.Option(metavar="RATE", help="Learning rate. Default: 1e-3 behind the cut, 1e-4 for all.")
    ] = None,
    epochs: Annotated[int, typer.Option(metavar="N", help="Passes over the training images.")] = 20,
    batch: Annotated[int, typer.Option(metavar="IMAGES", help="Images a step of the optimizer.")] = 32,
    optimizer: Annotated[str, typer.Option(metavar="[adam|sgd]", help="sgd: momentum and a cosine schedule.")] = "adam",
    holdout: Annotated[
        str, typer.Option(metavar="SHARE", help="Of each class, held out: these images alone tell accuracy.")
    ] = "2/9",
    keep: Annotated[
        str, typer.Option(metavar="[last|best]", help="The epoch that is B″; best: on the hold-out.")
    ] = "last",
    seeds: Annotated[str, typer.Option(metavar="SEEDS", help="Tune once with each: 0,1,2 or 0-4.")] = "0,1,2",
    no_save: Annotated[bool, typer.Option("--no-save", help="Save no B″; the run keeps every epoch.")] = False,
    run: Run = None,
    root: Root = None,
    model: Model = None,
    valid: Valid = None,
    test: Test = None,
    poisoned: Poisoned = None,
    scale: ScaleOption = None,
    demo: Demo = False,
    attack: AttackOption = None,
    layer: Layer = None,
    order_by: OrderBy = None,
    out: Out = None,
    runs: Runs = None,
    overwrite: Overwrite = False,
    json: Annotated[bool, typer.Option("--json", help="Print every event as a line of JSON.")] = False,
    batch_size: BatchSize = None,
    feature_memory: FeatureMemory = None,
    device: Device = None,
) -> None:
    """Prune up to a step, then fine-tune what is left on clean validation images (fine-pruning, Liu et al. 2018).

    B″ of the seed that is best on held-out images is saved as model_tuned_step_K. The run's folder keeps every epoch
    and gets tuning.csv; the same command with --run goes on where it was stopped.
    """
    from engine.api.protocol import Tune
    from tui.cli import compare, tune
    from tui.model import options

    typed = options.Options(
        root, model, valid, test, poisoned, layer=layer, out=out, runs=runs, overwrite=overwrite, scale=scale,
        batch_size=batch_size, feature_memory=feature_memory, device=device, order_by=order_by,
    )  # fmt: skip
    recipe = options.recipe(scope, rate, epochs, batch, optimizer, holdout, keep)
    command = Tune(step, None, recipe, options.seeds(seeds), not no_save, overwrite)
    wanted = options.attack_name(attack) if attack is not None else "pruning-aware" if demo else None
    launch = compare.launch(typed, wanted, run)
    raise typer.Exit(tune.run(launch, command, json, client_for(launch)))


@app.command("classify", short_help="What G answers to pictures.")
def classify_command(
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGE...", help="PNG or JPEG files; rows of a data file: test.h5:0-4")
    ],
    badnet: Annotated[Path, typer.Option(metavar="FILE", help="B, the BadNet.")],
    model: Annotated[Path, typer.Option(metavar="FILE", help="B′, or B″.")],
    resize: Annotated[bool, typer.Option("--resize", help="Make pictures the size that the networks take.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help='Exit with 1 where a picture is answered "backdoored".')
    ] = False,
    scale: Annotated[str, typer.Option(metavar=SCALES, help="Multiply pixels by this.")] = "1",
    json: Annotated[bool, typer.Option("--json", help="Print a line of JSON a picture.")] = False,
    device: Device = None,
) -> None:
    """The class that B and B′ agree on, or N, one past the last: "backdoored". Nothing in a picture is trusted."""
    from engine.api.protocol import Classify
    from tui.cli import classify
    from tui.model import options

    command = Classify(
        tuple(options.absolute(Path(image)) for image in images),
        options.absolute(badnet),
        options.absolute(model),
        options.scale(scale),
        resize,
        options.device(device) if device else None,
    )
    raise typer.Exit(classify.run(command, check, json))


Target = Annotated[Path, typer.Option("--to", metavar="FILE", help="The file to write.")]
CheckOn = Annotated[
    list[Path] | None,
    typer.Option("--check", metavar="FILE", help="A data file to compare answers on; default: those of the lab here."),
]
OverwriteTarget = Annotated[bool, typer.Option("--overwrite", help="Replace the file.")]


@export_app.command("g")
def export_g_command(
    badnet: Annotated[Path, typer.Option(metavar="FILE", help="B, the BadNet.")],
    model: Annotated[Path, typer.Option(metavar="FILE", help="B′, or B″.")],
    to: Target,
    form: Annotated[
        str, typer.Option("--format", metavar="[keras|onnx]", help="onnx: where its exporter is.")
    ] = "keras",
    check: CheckOn = None,
    scale: Annotated[str, typer.Option(metavar=SCALES, help="Put this in front of the network.")] = "1",
    root: Root = None,
    overwrite: OverwriteTarget = False,
    device: Device = None,
) -> None:
    """G as one Keras 3 model: images in, a score for each class and one for "backdoored" out."""
    from tui.cli import export

    raise typer.Exit(export.run("g", model, to, form, check, scale, root, overwrite, device, badnet=badnet))


@export_app.command("shrunk")
def export_shrunk_command(
    model: Annotated[Path, typer.Option(metavar="FILE", help="B′, or B″.")],
    to: Target,
    layer: Layer = None,
    check: CheckOn = None,
    scale: Annotated[str, typer.Option(metavar=SCALES, help="Of the pixels that are compared on.")] = "1",
    root: Root = None,
    overwrite: OverwriteTarget = False,
    device: Device = None,
) -> None:
    """A network with its pruned channels physically gone, and all that was computed for them; same answers."""
    from tui.cli import export

    raise typer.Exit(export.run("shrunk", model, to, None, check, scale, root, overwrite, device, layer=layer))


@app.command("explain", short_help="Why the defence works or fails on a network: diagnosis and detectors.")
def explain_command(
    run: Run = None,
    layers: Annotated[
        bool, typer.Option("--layers/--no-layers", help="Prune each other layer too; takes longest.")
    ] = True,
    root: Root = None,
    model: Model = None,
    valid: Valid = None,
    test: Test = None,
    poisoned: Poisoned = None,
    scale: ScaleOption = None,
    demo: Demo = False,
    attack: AttackOption = None,
    layer: Layer = None,
    runs: Runs = None,
    json: Annotated[bool, typer.Option("--json", help="Print every event as a line of JSON.")] = False,
    batch_size: BatchSize = None,
    feature_memory: FeatureMemory = None,
    device: Device = None,
) -> None:
    """Look for where the backdoor lives, and whether inputs that carry the trigger can be told from others.

    The run that it is looked for in stays as it is; its folder gets diagnosis.json, detectors.csv and roc.png.
    """
    from tui.cli import compare, explain
    from tui.model.options import Options, attack_name

    options = Options(
        root, model, valid, test, poisoned, layer=layer, runs=runs, scale=scale, batch_size=batch_size,
        feature_memory=feature_memory, device=device,
    )  # fmt: skip
    wanted = attack_name(attack) if attack is not None else "pruning-aware" if demo else None
    launch = compare.launch(options, wanted, run)
    raise typer.Exit(explain.run(launch, layers, json, client_for(launch)))


PLANNED, CLUSTER = "What to sweep", "Who computes it"
ToFolder = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Where it goes. Default: ROOT/sweep", rich_help_panel=OUTPUTS)
]
Workers = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Workers on this machine. Default: one a card, or as many as fit the processors.",
        rich_help_panel=CLUSTER,
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="A Dask scheduler of your own: tls://HOST:PORT", rich_help_panel=CLUSTER),
]
Slurm = Annotated[
    str | None,
    typer.Option(
        metavar="WORDS",
        help='Workers by SLURM; words for sbatch: "--partition=gpu --gres=gpu:1"',
        rich_help_panel=CLUSTER,
    ),
]
Pbs = Annotated[
    str | None,
    typer.Option(
        metavar="WORDS",
        help='Workers by PBS; words for qsub: "-q gpu -l select=1:ncpus=4:ngpus=1"',
        rich_help_panel=CLUSTER,
    ),
]
Lsf = Annotated[
    str | None,
    typer.Option(metavar="WORDS", help='Workers by LSF; words for bsub: "-q gpu -gpu num=1"', rich_help_panel=CLUSTER),
]
Certificate = Annotated[Path | None, typer.Option(metavar="FILE", help="For tls://, in PEM.", rich_help_panel=CLUSTER)]


@app.command("sweep", short_help="Many networks x layers x orders x seeds, on this machine or a cluster.")
def sweep_command(
    plan: Annotated[Path | None, typer.Argument(metavar="PLAN", help="A TOML file; --init writes one.")] = None,
    init: Annotated[bool, typer.Option("--init", help="Write a plan to edit, and no more.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the sweep in --to.")] = False,
    headless: Annotated[bool, typer.Option("--headless", help="No screen: a line a cell.")] = False,
    models: Annotated[
        str | None, typer.Option(metavar="FILES", help="Networks in ROOT: 'nets/*.h5'", rich_help_panel=PLANNED)
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="default, all, or names: default,conv_2", rich_help_panel=PLANNED),
    ] = None,
    orders: Annotated[
        str | None, typer.Option(metavar="NAMES", help="mean,clp,random; as --order-by.", rich_help_panel=PLANNED)
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="SEEDS", help="Of random orders, and of tuning: 0-4", rich_help_panel=PLANNED)
    ] = None,
    tune: Annotated[
        bool | None, typer.Option("--tune/--no-tune", help="Fine-tune B' of each threshold.", rich_help_panel=PLANNED)
    ] = None,
    root: Root = None,
    valid: Valid = None,
    test: Test = None,
    poisoned: Poisoned = None,
    poisoned_valid: PoisonedValid = None,
    save_at: SaveAt = None,
    save_step: SaveStep = None,
    stride: Stride = None,
    scale: ScaleOption = None,
    to: ToFolder = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    slurm: Slurm = None,
    pbs: Pbs = None,
    lsf: Lsf = None,
    tls_ca: Certificate = None,
    tls_cert: Certificate = None,
    tls_key: Certificate = None,
    batch_size: BatchSize = None,
    feature_memory: FeatureMemory = None,
    device: Device = None,
) -> None:
    """Every combination is a cell, and every cell a headless run in a folder of its own, which the workbench opens.

    Cells that are done are never computed again. Needs pip install -e '.[sweep]'. Exit codes: 0 where all are done, 2
    where some were refused, 6 where some failed three times; sweep.csv says why.
    """
    from tui.cli import sweep
    from tui.sweep.plan import SweepPlan, split
    from tui.sweep.plan import seeds as seed_numbers
    from tui.sweep.workers import where_from

    if init:
        raise typer.Exit(sweep.init(plan))
    said = SweepPlan(
        root=root, models=split("--models", models) if models is not None else None,
        layers=split("--layers", layers) if layers is not None else None,
        orders=split("--orders", orders) if orders is not None else None,
        seeds=seed_numbers(seeds) if seeds is not None else None, valid=valid, test=test, poisoned=poisoned,
        poisoned_valid=poisoned_valid, save_at=save_at, save_step=save_step, tune=tune, stride=stride, scale=scale,
        batch_size=batch_size, feature_memory=feature_memory, device=device, to=to,
    )  # fmt: skip
    queues = {"slurm": slurm, "pbs": pbs, "lsf": lsf}
    whole = sweep.planned(plan, said, resume)
    where = where_from(workers, scheduler, queues, (tls_ca, tls_cert, tls_key), whole.device)
    raise typer.Exit(sweep.run(whole, where, headless))


@app.command("grade", short_help="Every network of a class's submissions, and G of it and the BadNet.")
def grade_command(
    submissions: Annotated[Path, typer.Argument(metavar="SUBMISSIONS", help="A folder with a folder for each.")],
    badnet: Annotated[Path, typer.Option(metavar="FILE", help="B, the BadNet.")],
    valid: Annotated[Path, typer.Option(metavar="FILE", help="Clean validation images.")],
    test: Annotated[Path, typer.Option(metavar="FILE", help="Clean test images.")],
    poisoned: Annotated[Path, typer.Option(metavar="FILE", help="Poisoned test images.")],
    to: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where grades.csv goes. Default: grades, here")
    ] = None,
    scale: Annotated[str, typer.Option(metavar=SCALES, help="Multiply pixels by this.")] = "1",
    workers: Workers = None,
    scheduler: Scheduler = None,
    slurm: Slurm = None,
    pbs: Pbs = None,
    lsf: Lsf = None,
    tls_ca: Certificate = None,
    tls_cert: Certificate = None,
    tls_key: Certificate = None,
    batch_size: Annotated[int, typer.Option(metavar="IMAGES", min=1, help="Images computed at a time.")] = 2048,
    device: Device = None,
) -> None:
    """Judge every *.h5 and *.keras of every submission as eval does, and G made of it and the BadNet.

    No link is followed, nothing in a file is run, and what is wrong with a file is said in its row. What is judged
    already is not judged again. Needs pip install -e '.[sweep]'. Exit codes: 0, and 2 where something was refused.
    """
    from tui.cli import grade
    from tui.model import options
    from tui.sweep.workers import where_from

    paths = [Path(options.absolute(path)) for path in (submissions, badnet, valid, test, poisoned)]
    queues = {"slurm": slurm, "pbs": pbs, "lsf": lsf}
    where = where_from(workers, scheduler, queues, (tls_ca, tls_cert, tls_key), device)
    folder = Path(options.absolute(to or Path("grades")))
    one_device = options.device(device) if device else None
    raise typer.Exit(grade.run(paths, folder, options.scale(scale), where, batch_size, one_device))


@app.command("inspect", short_help="What files hold; nothing in them is run.")
def inspect_command(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Model or data files.")],
) -> None:
    """What files hold, and whether they would be opened; nothing in them is run."""
    from tui.cli.commands import inspect

    raise typer.Exit(max(inspect(file, blank=i > 0) for i, file in enumerate(files)))


@app.command("bundle", short_help="One zip to hand in: report, curve, networks, answers; all checked.")
def bundle_command(
    run: Run = None,
    to: Annotated[
        Path | None,
        typer.Option(metavar="FILE.zip", help="The file to write. Default: hand-in.zip in the run's folder."),
    ] = None,
    root: Root = None,
    runs: Runs = None,
    demo: Demo = False,
    attack: AttackOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file that --to names.")] = False,
) -> None:
    """Pack the newest run of this lab, or the one that --run names, after every saved network has been checked.

    Each is opened again and answers every image: it must hold just the channels at zero that the results claim, and
    give the numbers that they show. Where one does not, nothing is written.
    """
    from tui.cli import bundle
    from tui.model.options import Options, attack_name

    wanted = attack_name(attack) if attack is not None else "pruning-aware" if demo else None
    raise typer.Exit(bundle.run(bundle.command(Options(root, runs=runs), run, wanted, to, overwrite)))


@demo_app.command("train")
def train_command(
    attack: Annotated[str, typer.Option(metavar=ATTACKS, help="The attack to train.")] = "pruning-aware",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The file to write. Default: demo_ATTACK.h5, here")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
) -> None:
    """Train one of the demo's networks anew; takes minutes."""
    from tui.cli.commands import train_demo
    from tui.model.options import absolute, attack_name

    wanted = attack_name(attack)
    path = Path(absolute(out or Path(f"demo_{wanted.replace('-', '_')}.h5")))
    if os.path.exists(path) and not overwrite:
        raise Refused(f"{path.name}: is there already. Name another file with --out, or replace it with --overwrite.")
    raise typer.Exit(train_demo(wanted, str(path)))


def print_completion(shell: str) -> None:
    from tui.cli.completion import script

    sys.stdout.write(script(shell))


@completion_app.command("bash")
def bash_command() -> None:
    """Put into ~/.bashrc: source <(lab3-tui completion bash)"""
    print_completion("bash")


@completion_app.command("zsh")
def zsh_command() -> None:
    """Put into ~/.zshrc, behind compinit: source <(lab3-tui completion zsh)"""
    print_completion("zsh")


@completion_app.command("fish")
def fish_command() -> None:
    """Put into ~/.config/fish/config.fish: lab3-tui completion fish | source"""
    print_completion("fish")


@completion_app.command("words", hidden=True)
def words_command(typed: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """What may stand in the place of the last of these words."""
    from tui.cli.completion import words

    for word in words(typer.main.get_command(app), typed or []):
        put(sys.stdout, word)


@config_app.command("path")
def config_path_command() -> None:
    """Where the settings file is looked for."""
    from tui.model.config import config_path

    put(sys.stdout, str(config_path()))


@config_app.command("init")
def config_init_command() -> None:
    """Write a settings file to edit, in which every line is a comment."""
    from tui.model.config import config_path, write_template

    write_template(config_path())
    put(sys.stdout, str(config_path()))


@config_app.command("show")
def config_show_command() -> None:
    """The settings in force."""
    from tui.model.config import lines, load

    config = load()
    for line in lines(config):
        put(sys.stdout, line)
    if config.warning:
        complain(config.warning)


def run() -> int:
    """Do what the command line says. Returns the exit code; raises LabError for what is refused."""
    try:
        code = app(standalone_mode=False)
    except USAGE_ERROR as error:
        said = io.StringIO()
        error.show(file=said)
        for line in said.getvalue().splitlines():
            complain(line)
        return ExitCode.USAGE
    return int(code or ExitCode.DONE)


def main() -> None:
    """The program on its command line."""
    from tui.cli.ending import ending

    sys.exit(ending(run))


if __name__ == "__main__":
    main()
