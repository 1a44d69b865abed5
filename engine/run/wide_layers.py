"""What to offer for a layer of so many channels that a run takes long: several channels a step."""

from engine.architecture.graph import MANY_CHANNELS
from engine.run.run import Run

STEPS = 64  # that a run with the stride which is offered takes, or a few more


def stride_offer(run: Run, baseline: float) -> str:
    """A line with a stride and the time that it saves; empty for a layer of few channels, or with a stride already.

    `baseline`: the seconds that the answers to every image took. A single step costs its share of them, for the images
    on which its channel is active; a step of a whole stride the share of all at most; and the single steps of the
    strides in which thresholds are crossed come on top.
    """
    channels = run.inputs.channels
    if channels <= MANY_CHANNELS or run.settings.stride > 1:
        return ""
    stride = 1 << max(1, round(channels / STEPS)).bit_length() - 1
    shares = run.evaluator.rest.store.active[:, : run.inputs.stepped].mean(axis=1)
    single = float(shares.sum()) * baseline
    wide = baseline * min(channels / stride, float(shares.sum()))
    wide += len(run.settings.save_at) * stride * float(shares.mean()) * baseline
    return (
        f"{channels:,} channels are {channels:,} steps, about {minutes(single)}. --stride {stride} takes {stride} "
        f"channels a step and still finds the single channel at which a threshold is crossed: about {minutes(wide)}."
    )


def minutes(seconds: float) -> str:
    """A time as people say it."""
    return f"{max(1, round(seconds))} s" if seconds < 100 else f"{seconds / 60:.0f} min"
