"""Why the defence works or fails, in sentences: what the findings of a run show, its verdict, evidence and doubts.

Everything here is made from the numbers in the events `Diagnosed`, `LayersPruned` and `Detected`, so that the report,
the command line and the screen say the same, also of a run of before.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from engine.api import protocol as p
from engine.api.statistics import wilson

FALL = "4"  # points of clean validation accuracy: a loss that a user feels
GONE = 10  # percent of attack success: under it a defence is said to work
CHANCE = 10  # percent of accuracy under which a network hardly looks at its images any more
BROKEN = 50  # percent of attack success: under it the attack fails more often than not
RAISED = 4  # channels that the trigger raises most, as far as sentences name them
WINS = 0.9  # share of images on which one class wins that is worth a hint
SCORES = (
    "Suspicious is, to norm, an image with long penultimate features; to Mahalanobis, one whose features lie far from "
    "those of clean images; to STRIP, one whose answer stays the same when other images are blended in; to G order, "
    "one on which B′ soon disagrees with B."
)
ORACLE = "looks at poisoned images, which no defender has"

VerdictName = Literal["plain", "pruning-aware", "undecided"]
MEANING: Mapping[VerdictName, str] = {
    "plain": "the attack lives in channels that clean images do not need",
    "pruning-aware": "the attack lives in channels that clean images need",
    "undecided": "what was measured does not say where an attack lives",
}
BOTH_WAYS = "what was measured points both ways"


class Findings(NamedTuple):
    """What was found about a run's network, and what it was found on. `layer`: the pruned one."""

    diagnosed: p.Diagnosed
    images: Mapping[p.SetName, int]
    layer: str
    target: str = ""
    layers: p.LayersPruned | None = None
    detected: p.Detected | None = None


class Phases(NamedTuple):
    """The curve in three parts: dormant channels go, clean accuracy is lost, the attack is lost.

    `dormant`: channels at the beginning of the order that no clean validation image wakes. `clean_loss`: the first step
    that has lost 4 points; `attack_loss`: the first at which the attack success rate is under 50 %; None: no step is.
    """

    dormant: int
    clean_loss: int | None
    attack_loss: int | None
    first: Literal["accuracy", "attack", "both at once", "neither", "none shown", "unknown"]


class Verdict(NamedTuple):
    """`meaning`: of the name, as half a sentence."""

    name: VerdictName
    evidence: tuple[str, ...]
    doubt: tuple[str, ...]
    meaning: str


def phases(found: Findings) -> Phases:
    """Which part of the curve came first; "unknown" where there are no poisoned images, "none shown": no attack is."""
    at, images = found.diagnosed, found.images
    asleep = set(at.dormant)
    dormant = next((step for step, channel in enumerate(at.order) if channel not in asleep), len(at.order))
    base = at.curve[0].valid
    clean = first(p.reached(FALL, base, counts.valid, images["valid"]) for counts in at.curve)
    if at.curve[0].poisoned is None:
        return Phases(dormant, clean, None, "unknown")
    if not attacked(found):
        return Phases(dormant, clean, None, "none shown")
    attack = first(asr(found, step) < BROKEN for step in range(len(at.curve)))
    if clean is None and attack is None:
        return Phases(dormant, clean, attack, "neither")
    if clean == attack:
        return Phases(dormant, clean, attack, "both at once")
    earlier = attack is not None and (clean is None or attack < clean)
    return Phases(dormant, clean, attack, "attack" if earlier else "accuracy")


def attacked(found: Findings) -> bool:
    """B answers more than half of the poisoned images with their target, as far as so many images can show it."""
    hits = found.diagnosed.curve[0].poisoned
    return hits is not None and wilson(hits, found.images["poisoned"])[0] >= BROKEN


def none_shown(found: Findings) -> str:
    """What poisoned images without a shown attack do say: the rate, and how sure it is."""
    hits, images = found.diagnosed.curve[0].poisoned or 0, found.images["poisoned"]
    low, high = wilson(hits, images)
    says = "this trigger mostly fails" if high < BROKEN else "too few images to show that it mostly works"
    rate = f"{p.percent(hits, images):.2f} % of poisoned test images"
    return f"B answers {rate} with their target ({interval(low, high)}): {says}"


def interval(low: float, high: float) -> str:
    return f"95 % interval {low:.1f} to {high:.1f}"


def first(holds: Iterable[bool]) -> int | None:
    """The first index at which something holds."""
    return next((index for index, value in enumerate(holds) if value), None)


# --- figures ---


def asr(found: Findings, step: int) -> float:
    """Attack success rate at a step of the order of mean activation, in percent."""
    return p.percent(found.diagnosed.curve[step].poisoned or 0, found.images.get("poisoned", 0))


def drop(found: Findings, step: int) -> float:
    """Points of clean validation accuracy lost there."""
    curve = found.diagnosed.curve
    return p.drop(curve[0].valid, curve[step].valid, found.images["valid"])


def knocked(found: Findings, channel: int) -> tuple[float, float | None]:
    """Without one channel: points of clean validation accuracy lost, and the attack success rate left (sample)."""
    at = found.diagnosed
    left = at.knock_out[channel]
    lost = p.drop(at.base.valid, left.valid, at.sample["valid"])
    return lost, None if left.poisoned is None else p.percent(left.poisoned, at.sample["poisoned"])


def carriers(found: Findings) -> list[int]:
    """Channels whose loss alone breaks the attack at less than 4 points, the cheapest first."""
    alone = {channel: knocked(found, channel) for channel in range(len(found.diagnosed.knock_out))}
    able = [c for c, (lost, left) in alone.items() if left is not None and left < BROKEN and lost < float(FALL)]
    return sorted(able, key=lambda c: (alone[c][0], c))


def raised(found: Findings) -> list[int]:
    """Every channel, the one that the trigger raises most first; by clean mean where no poisoned images are."""
    at = found.diagnosed
    scores = at.activation_change or at.clean_mean
    return sorted(range(len(scores)), key=lambda channel: (-scores[channel], channel))


def hints(found: Findings) -> list[p.Stimulus]:
    """For each class that wins on 90 % of images when some channel is driven, the weakest stimulus that does it."""
    best: dict[int, p.Stimulus] = {}
    for at in found.diagnosed.stimulation.found:
        held = best.get(at.winner)
        if at.share >= WINS and (held is None or (at.factor, -at.share) < (held.factor, -held.share)):
            best[at.winner] = at
    return sorted(best.values(), key=lambda at: (at.factor, -at.share, at.winner))


def target_of(found: Findings) -> int | None:
    """The attack's one target class, where poisoned images are there to name it."""
    return int(found.target) if found.target.isdigit() else None


# --- a sentence for each view ---


def dormant_told(found: Findings) -> str:
    at, channels = found.diagnosed, len(found.diagnosed.order)
    are = "is" if len(at.dormant) == 1 else "are"
    told = f"{len(at.dormant)} of {channels} channels {are} dormant: active on no clean validation image"
    if at.dormant_poisoned is None:
        return told + "."
    woken = sorted(set(at.dormant) - set(at.dormant_poisoned))
    return f"{told}; {names(woken)} active on poisoned ones." if woken else f"{told}, and on no poisoned one either."


def names(channels: Sequence[int]) -> str:
    """Channels as a subject: "of these channel 44 is"."""
    if len(channels) == 1:
        return f"of these channel {channels[0]} is"
    return f"of these channels {listed(channels)} are" if len(channels) <= 6 else f"of these {len(channels)} are"


def listed(items: Sequence[object]) -> str:
    words = [str(each) for each in items]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def change_told(found: Findings) -> str:
    at = found.diagnosed
    if at.activation_change is None:
        return "What the trigger changes takes poisoned images, and there are none."
    top = [channel for channel in raised(found)[:RAISED] if at.activation_change[channel] > 0]
    if not top:
        return "On poisoned images no channel is more active than on clean ones."
    busy, total = [channel for channel in top if channel in most_active(found)], len(top)
    changes = listed([f"{channel} ({at.activation_change[channel]:+.2f})" for channel in top])
    share = "all of them" if len(busy) == total else "none of them" if not busy else f"{len(busy)} of these {total}"
    return (
        f"The trigger raises channels {changes} most; {share} belong to the half of the active channels that is "
        "busiest on clean images."
    )


def most_active(found: Findings) -> set[int]:
    """The busier half of the channels that are active on clean images."""
    means = found.diagnosed.clean_mean
    awake = [channel for channel in range(len(means)) if channel not in set(found.diagnosed.dormant)]
    awake.sort(key=lambda channel: -means[channel])
    return set(awake[: (len(awake) + 1) // 2])


def knock_out_told(found: Findings) -> str:
    at = found.diagnosed
    if at.base.poisoned is None:
        dearest = max(range(len(at.knock_out)), key=lambda channel: knocked(found, channel)[0])
        return f"Alone, channel {dearest} costs most: {p.format_drop(knocked(found, dearest)[0])} pt of clean accuracy."
    if not attacked(found):
        return "These images show no attack that the loss of one channel could break."
    able = carriers(found)
    if able:
        lost, left = knocked(found, able[0])
        others = " No other channel does that."
        if len(able) > 1:
            others = (
                f" Channel {able[1]} alone does that too."
                if len(able) == 2
                else f" {len(able) - 1} others do that too."
            )
        return (
            f"Without channel {able[0]} alone the attack falls to {left or 0.0:.2f} % and clean accuracy changes by "
            f"{p.format_drop(lost)} pt.{others}"
        )
    weakest = min(range(len(at.knock_out)), key=lambda channel: (knocked(found, channel)[1] or 0.0, channel))
    lost, left = knocked(found, weakest)
    if (left or 0.0) < BROKEN:
        return (
            f"No single channel breaks the attack for less than {FALL} points: without channel {weakest} it falls to "
            f"{left or 0.0:.2f} %, at {p.format_drop(lost)} pt of clean accuracy."
        )
    return (
        f"The loss of no channel alone breaks the attack: without any one it still reaches {left or 0.0:.2f} % or more."
    )


def stimulation_told(found: Findings) -> str:
    at, given = found.diagnosed.stimulation, hints(found)
    if at.level <= 0:
        return "No channel is ever positive on clean validation images, so none was driven up."
    if not given:
        told = f"No channel, driven to 8 times {at.level:.3g}, makes one class win on 90 % of {at.images} clean images."
    else:
        few = "; ".join(f"class {each.winner} by channel {stimulus(each)}" for each in given[:3])
        more = f", and {len(given) - 3} classes more" if len(given) > 3 else ""
        told = (
            f"Driven up, to so many times what is high in this layer ({at.level:.3g}), single channels make one "
            f"class win on at least 90 % of {at.images} clean images: {few}{more}."
        )
    target = target_of(found)
    if given and target is not None:
        own = next((each for each in given if each.winner == target), None)
        told += f" The target, class {target}, is {'among them' if own else 'not among them'}"
        told += f", by channel {stimulus(own)}" if own and own not in given[:3] else ""
        told += "; only poisoned images say which class that is."
    return told + " A hint, no proof: classes that no attack leads to can win like this too."


def stimulus(at: p.Stimulus) -> str:
    """A stimulus in words: channel, where, how strong, on how many images."""
    where = "" if at.rows is None else f" in {rows_told(at.rows)}"
    strength = "once" if at.factor == 1 else f"{at.factor} times"
    return f"{at.channel}{where} ({strength}: {100 * at.share:.0f} %)"


def rows_told(rows: tuple[int, int]) -> str:
    """Rows of positions as people count them, from 1."""
    return f"row {rows[0] + 1}" if rows[0] == rows[1] else f"rows {rows[0] + 1} to {rows[1] + 1}"


def phases_told(found: Findings) -> str:
    """What came first, with numbers. The order is that of mean activation, whatever the run's own is."""
    at, told = found.diagnosed, phases(found)
    last = len(at.curve) - 1
    accuracy = f"clean validation accuracy loses {FALL} points at step {told.clean_loss} of {last}"
    if told.first == "unknown":
        fate = accuracy if told.clean_loss is not None else f"clean validation accuracy never loses {FALL} points"
        return f"Pruned by mean activation, {fate}; what becomes of an attack takes poisoned images."
    if told.first == "none shown":
        return f"{none_shown(found)}, and nothing is known of other triggers."
    if told.first == "neither":
        return f"Pruned by mean activation, neither clean accuracy nor the attack falls in {last} steps."
    if told.clean_loss is not None and told.first in ("accuracy", "both at once"):
        hits, images = at.curve[told.clean_loss].poisoned or 0, found.images["poisoned"]
        low, high = wilson(hits, images)
        reach = f"the attack reaches {p.percent(hits, images):.2f} % of poisoned test images ({interval(low, high)})"
        price = "" if told.attack_loss is None else p.format_drop(drop(found, told.attack_loss))
        end = (
            f"it comes under {BROKEN} % at step {told.attack_loss}, when accuracy has changed by {price} pt"
            if told.attack_loss is not None
            else f"it never comes under {BROKEN} %{constant(found)}"
        )
        return f"Pruned by mean activation, {accuracy}; there {reach}; {end}."
    step = told.attack_loss or 0
    low, high = wilson(at.curve[step].poisoned or 0, found.images["poisoned"])
    end = f"; {accuracy}" if told.clean_loss is not None else f"; accuracy never loses {FALL} points"
    spared = last_spared(found)
    end += f", and the step before that leaves the attack at {asr(found, spared):.2f} %" if spared < last else ""
    return (
        f"Pruned by mean activation, the attack comes under {BROKEN} % at step {step} of {last}: to "
        f"{asr(found, step):.2f} % of poisoned test images ({interval(low, high)}), when clean validation accuracy "
        f"has changed by {p.format_drop(drop(found, step))} pt{end}."
    )


def last_spared(found: Findings) -> int:
    """The last step before clean validation accuracy has lost 4 points; the last of all where it never has."""
    loss = phases(found).clean_loss
    return len(found.diagnosed.curve) - 1 if loss is None else max(0, loss - 1)


def constant(found: Findings) -> str:
    """Why an attack may outlive every channel: then all images get one answer."""
    end, images = found.diagnosed.curve[-1], found.images
    alike = end.poisoned == images["poisoned"] and p.percent(end.valid, images["valid"]) < CHANCE
    return ", for without any channel all images get one answer, here the target" if alike else ""


class LayerEnd(NamedTuple):
    """What came first when a layer alone was pruned, as far as its coarse curve tells.

    `left`, `kept`: attack success rate and clean validation accuracy, in percent, with every channel gone.
    """

    layer: str
    first: Literal["accuracy", "attack", "both at once", "neither"]
    left: float | None
    kept: float


def layer_ends(found: Findings) -> list[LayerEnd]:
    ends = []
    for curve in found.layers.layers if found.layers else ():
        sample = found.layers.sample if found.layers else {}
        clean = first(p.reached(FALL, curve.valid[0], hits, sample["valid"]) for hits in curve.valid)
        attack = None
        if curve.poisoned is not None:
            attack = first(p.percent(hits, sample["poisoned"]) < BROKEN for hits in curve.poisoned)
        left = None if curve.poisoned is None else p.percent(curve.poisoned[-1], sample["poisoned"])
        kept = p.percent(curve.valid[-1], sample["valid"])
        if clean is None and attack is None:
            ends.append(LayerEnd(curve.layer, "neither", left, kept))
        elif clean == attack:
            ends.append(LayerEnd(curve.layer, "both at once", left, kept))
        else:
            earlier = attack is not None and (clean is None or attack < clean)
            ends.append(LayerEnd(curve.layer, "attack" if earlier else "accuracy", left, kept))
    return ends


def layers_told(found: Findings) -> str:
    if found.layers is None:
        return "Other layers were not pruned."
    ends = layer_ends(found)
    if all(end.left is None for end in ends):
        return "What pruning another layer does to an attack takes poisoned images."
    if not attacked(found):
        return "These images show no attack that pruning another layer could break."
    by = {
        name: [end.layer for end in ends if end.first == name]
        for name in ("attack", "both at once", "accuracy", "neither")
    }
    told = [
        f"the attack falls first in {listed(by['attack'])}" if by["attack"] else "",
        f"accuracy falls first in {listed(by['accuracy'])}" if by["accuracy"] else "",
        f"both fall within one coarse step in {listed(by['both at once'])}" if by["both at once"] else "",
        f"neither falls in {listed(by['neither'])}" if by["neither"] else "",
    ]
    survived = [
        f"{end.layer} (attack {end.left:.0f} %, clean accuracy {end.kept:.0f} %)"
        for end in ends
        if end.left is not None and end.left >= BROKEN and end.kept >= BROKEN
    ]
    end = f" With every channel of {listed(survived)} pruned the attack is still there." if survived else ""
    return f"Pruned alone, by its own mean activation, each layer: {'; '.join(filter(None, told))}.{end}"


def components_told(found: Findings) -> str:
    at = found.diagnosed.components
    if at is None:
        return "A map of clean beside poisoned images takes poisoned ones, and there are none."
    return (
        f"Penultimate features of {len(at.clean)} clean and {len(at.poisoned)} poisoned images along their first two "
        f"principal components, which hold {100 * at.share[0]:.0f} and {100 * at.share[1]:.0f} % of the variance."
    )


def detectors_told(found: Findings) -> str:
    """Which detectors tell poisoned from clean images, and which cannot be told apart."""
    if found.detected is None:
        return "Detectors are judged on clean and poisoned test images; one of these sets is not there."
    ranked = sorted(found.detected.detectors, key=lambda at: -at.area)
    areas = ", ".join(f"{at.name} {at.area:.3f} ({at.area_low:.3f} to {at.area_high:.3f})" for at in ranked)
    best = ranked[0]
    rivals = [at.name for at in ranked[1:] if at.area_high >= best.area_low]
    order = next(at for at in ranked if at.name == "G order")
    told = f"Area under the ROC (0.5: chance, 1: no error; 95 % interval in brackets): {areas}."
    if best.area_low <= 0.5:
        return f"{told} None of them is shown to be better than chance."
    told += (
        f" Not to be told apart from {best.name}: {listed(rivals)}." if rivals else f" {best.name} is the best here."
    )
    if order.area_high < 0.5:
        told += " G is worse than chance: B′ keeps the answer of B longest on poisoned images."
    elif order.area_high < best.area_low:
        told += " G, by the step at which B′ first disagrees with B, is worse than that."
    if not attacked(found):
        told += " These images show no attack: what detectors see may be that they are unusual, and no backdoor."
    return told


# --- the verdict ---


def verdict(found: Findings) -> Verdict:
    """Plain, pruning-aware or undecided. Never more than the intervals of the rates allow."""
    told = phases(found)
    name, why = _name(found, told)
    evidence = [phases_told(found), dormant_told(found)]
    if told.first not in ("unknown", "none shown"):
        evidence += [change_told(found), knock_out_told(found)]
        evidence += [layers_told(found)] if found.layers is not None else []
    both_ways = name == "undecided" and told.first == "accuracy" and bool(carriers(found))
    return Verdict(name, tuple(evidence), (*why, *_doubts(found, name)), BOTH_WAYS if both_ways else MEANING[name])


def _name(found: Findings, told: Phases) -> tuple[VerdictName, list[str]]:
    """The verdict, and why it is no other."""
    at, images = found.diagnosed, found.images
    if told.first == "unknown":
        return "undecided", ["There are no poisoned images, so nothing is known about an attack."]
    if told.first == "none shown":
        return "undecided", [
            "Where no attack shows there is nothing to explain. Another trigger may be in the network."
        ]
    if told.first == "accuracy" and told.clean_loss is not None:
        low, _ = wilson(at.curve[told.clean_loss].poisoned or 0, images["poisoned"])
        if low < BROKEN:
            return "undecided", ["Accuracy falls first by a margin that so few poisoned images do not show."]
        if able := carriers(found):
            return "undecided", [
                f"Accuracy falls first, yet channel {able[0]} alone carries the attack and costs little: it is the "
                "order that fails here, and not every defence by pruning would."
            ]
        return "pruning-aware", []
    if told.first == "attack":
        sure = first(wilson(counts.poisoned or 0, images["poisoned"])[1] < BROKEN for counts in at.curve)
        if sure is not None and not p.reached(FALL, at.curve[0].valid, at.curve[sure].valid, images["valid"]):
            return "plain", []
        return "undecided", ["The attack falls first by a margin that so few poisoned images do not show."]
    if told.first == "neither":
        return "undecided", ["Neither accuracy nor the attack falls."]
    return "undecided", ["Accuracy and the attack fall at the same step."]


def _doubts(found: Findings, name: VerdictName) -> list[str]:
    at, images = found.diagnosed, found.images
    step = max(1, -(-int(FALL) * images["valid"] // 100))
    doubts = [f"{FALL} points are {step:,} of {images['valid']:,} validation images"]
    if "poisoned" in images:
        low, _ = wilson(images["poisoned"], images["poisoned"])
        doubts[0] += f", and 100 % of {images['poisoned']:,} poisoned images may be {low:.1f} %"
    doubts[0] += " (95 % interval)." if "poisoned" in images else "."
    if any(at.sample[name] < images[name] for name in at.sample):
        doubts.append(f"Channels were knocked out on {counted(at.sample)} images, evenly spaced ones of their sets.")
    doubts += _samples(found)
    if name == "plain":
        doubts.append(
            "It says where this trigger lives. Another one, or more of it in channels that clean images need, would "
            "not show in these poisoned images."
        )
    if name == "pruning-aware":
        doubts.append(
            "Whether the attacker foresaw pruning, the network does not say: an ordinary training can entangle trigger "
            "and faces as well. Channels were removed one at a time and in one order, not in every combination."
        )
    return doubts


def _samples(found: Findings) -> list[str]:
    """What layers and detectors looked at, where that was not all."""
    given, images = [], found.images
    if found.layers is not None and any(found.layers.sample[name] < images[name] for name in found.layers.sample):
        given.append(f"Other layers were pruned in coarse steps, on {counted(found.layers.sample)} images at most.")
    looked: dict[tuple[int, ...], list[str]] = {}
    for at in found.detected.detectors if found.detected else ():
        looked.setdefault(at.images, []).append(at.name)
    for counts, detectors in looked.items():
        sampled: dict[p.SetName, int] = dict(zip(("valid", "test", "poisoned"), counts, strict=True))
        if any(sampled[name] < images[name] for name in sampled):
            given.append(f"{listed(detectors)} looked at {counted(sampled)} images.")
    return given


def counted(images: Mapping[p.SetName, int]) -> str:
    """Images by set, in words: "300 validation and 300 poisoned"."""
    kinds = {"valid": "validation", "test": "clean test", "poisoned": "poisoned"}
    return listed([f"{count:,} {kinds.get(name, name)}" for name, count in images.items()])


# --- the answer to hand in ---


def answer(found: Findings) -> list[str]:
    """Does the defence work here, and why (not)? Paragraphs, ready to be edited."""
    given, told = verdict(found), phases(found)
    gone = told.first == "attack" and asr(found, last_spared(found)) < GONE
    head = {
        "plain": "Yes, on these images" if gone else "In part, on these images",
        "pruning-aware": "No",
        "undecided": "These images show no attack" if told.first == "none shown" else "That is undecided",
    }[given.name]
    paragraphs = [f"{head}: {given.meaning}. {phases_told(found)}{moral(found)}"]
    paragraphs.append(" ".join(given.evidence[1:]))
    paragraphs.append(f"What a defender sees without poisoned images: {lower(stimulation_told(found))}")
    if found.detected is not None:
        paragraphs.append(f"Inputs instead of channels: {lower(detectors_told(found))} {rates_told(found)} {SCORES}")
    paragraphs.append("What may be wrong with this: " + " ".join([lower(given.doubt[0]), *given.doubt[1:]]))
    return paragraphs


def moral(found: Findings) -> str:
    """The lab's own answer, where the verdict allows it; "begins" where the attack has not lost 4 points by then."""
    name, step = verdict(found).name, phases(found).clean_loss
    if name == "pruning-aware" and step is not None:
        whole = asr(found, 0) - asr(found, step) < float(FALL)
        return f" Accuracy {'begins to fall' if whole else 'falls'} before the attack does."
    return " The attack falls before accuracy does." if name == "plain" else ""


def rates_told(found: Findings) -> str:
    """What the best detector finds where its threshold came from validation images."""
    at = max(found.detected.detectors if found.detected else (), key=lambda each: each.area)
    _, test, poisoned = at.images
    return (
        f"With a threshold for 5 % false alarms on clean validation images, {at.name} flags "
        f"{p.percent(at.detected[1], poisoned):.1f} % of {poisoned:,} poisoned and "
        f"{p.percent(at.false_alarms[1], test):.1f} % of {test:,} clean test images."
    )


def lower(text: str) -> str:
    """A sentence behind a colon; names like G and STRIP keep their letters."""
    return text[0].lower() + text[1:] if text[1:2].islower() else text
