"""Why two trainings differ: what is known, ranked by how well it explains the first difference."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from samebits._instead import instead
from samebits._printable import some
from samebits.diff import inside_causes
from samebits.diff.facts import Facts, Source
from samebits.diff.generators import Apart
from samebits.diff.inside_causes import MOVED
from samebits.diff.place import Place
from samebits.diff.samples import Samples
from samebits.diff.tensors import module_of
from samebits.diff.words import generator_words
from samebits.fingerprint.diff import Difference, change, group
from samebits.framework import Advice

NUMERIC = (
    "weights",
    "metric",
    "forward",
    "loss",
    "gradient",
    "clipping",
    "parameter",
    "optimizer state",
    "buffer",
    "evaluation",
)
FROM_DATA = ("batch", "evaluation batch")
# What chance may decide; of a place that stands for whole steps, nobody knows better.
DRAWN = (*FROM_DATA, "initial", "forward", "loss", "evaluation", "weights", "metric")
THREADS = re.compile(r"effective\..*(threads|thread_pools)|variables\.\w*THREADS|determinism\..*threads")
INSTRUCTIONS = re.compile(
    r"cpu\.|effective\.(\w+\.cpu_capability|numpy\.cpu_features)|variables\.(ATEN_CPU|MKL_|ONEDNN)"
)
KNOWN = 31  # causes of a lower score are told where there is no other
ORDERS = ("completion", "listing", "set")  # chance of these kinds is an order
# What a checkpoint lacks, by the place where that shows right after the resumption.
LOST = {
    "calls": "the place within an accumulation of gradients, or the step counter",
    "batch": "the position in the data, or the generator that orders them",
    "mode": "the model's mode (train or eval)",
    "forward": "buffers of the model, or a counter that its forward pass follows",
    "loss": "a weight or a counter that the loss follows",
    "gradient": "the {scaler}'s state, or gradients that were accumulated",
    "clipping": "the {scaler}'s state, or what clipping remembers",
    "skipped": "the {scaler}'s state",
    "learning rate": "the schedule's state, or the optimiser's, which has the learning rate",
    "optimizer state": "the optimiser's state",
    "parameter": "the optimiser's state",
    "buffer": "buffers of the model",
    "evaluation": "an average of the weights (EMA), or buffers of the model",
    "evaluation batch": "the position in the data of the evaluation",
    "control flow": "the step counter, or what a callback remembers",
    "end": "the step counter, or what a callback remembers",
}
# Schedules, averages, callbacks and the order of the next epoch show late that they were lost.
SHOW_LATE = ("batch", "learning rate", "evaluation", "control flow", "end")
SORT = "sort what a folder gives: sorted(os.listdir(folder))"


@dataclass(frozen=True)
class Cause:
    """One reason that the records give.

    Attributes:
        kind: its short name, the same in each version: what a score counts.
        text: in words.
        evidence: what in the records speaks for it.
        where: the line of the user's code; "" where none is known.
        fix: what to do; "" where it follows from the text.
    """

    kind: str
    text: str
    evidence: tuple[str, ...] = ()
    where: str = ""
    fix: str = ""


Ranked = tuple[int, Cause]


def rank(
    place: Place,
    facts: Facts,
    apart: dict[str, Apart],
    samples: Samples | None,
    resumed: int | None,
    last: str,
    again: int | None = None,
) -> list[Cause]:
    """The causes, the likeliest first.

    Args:
        place: where the records differ first.
        facts: what else differs.
        apart: the generators that are in other states there.
        samples: how the batches differ, where they do.
        resumed: after which step one of the two was resumed, and the other was not.
        last: the last event that was the same, in words.
        again: the step whose batch comes after the resumption, in place of another one's.
    """
    used = {name: each for name, each in apart.items() if each.last or each.used}
    scored = [
        *_resumed(place, resumed, used, facts.advice, again),
        *_of_place(place, facts, samples, last),
        *_of_part(place, facts, apart),
        *_files(place, facts, resumed),
        *_generators(place, apart, facts, resumed),
        *_chance(place, facts),
        *_hashes(place, facts, samples, used),
        *_environment(place, facts, resumed),
        *_repeatable(place, facts, used),
    ]
    best: dict[str, Ranked] = {}
    for each in scored:
        if each[1].text not in best or best[each[1].text][0] < each[0]:
            best[each[1].text] = each
    ranked = sorted(best.values(), key=lambda each: -each[0])
    weak = [] if any(score >= KNOWN for score, _ in ranked) else ranked
    return [cause for score, cause in ranked if score >= KNOWN] or [cause for _, cause in weak]


def _line(place: Place) -> str:
    """The line of the user's code where the events come from; both, where they are not the same."""
    if place.part is not None:
        return place.part.line
    lines = [str(event["line"]) for event in (place.first, place.second) if event is not None]
    if len(set(lines)) < 2:
        return "".join(lines[:1])
    return f"{lines[0]} in A, {lines[1]} in B"


# ---------------------------------------------------------------- resuming
def _resumed(
    place: Place, resumed: int | None, apart: dict[str, Apart], advice: Advice, again: int | None
) -> Iterator[Ranked]:
    if resumed is None or place.step is None:
        return
    at_once = place.step <= resumed + 1
    lost = LOST.get(place.what, "").format(scaler=advice.scaler)
    no_loss = place.what == "gradient" and not (place.first or {}).get("losses")  # which comes before
    if (place.what in ("forward", "loss") or no_loss) and apart:
        lost = f"the state of {_named(apart)}"
    elif place.what == "batch" and again is not None:
        what = "the position in the data" if at_once else "the state of the generator that orders the data"
        what += f", or the state of {_named(apart)}" if at_once and apart else ""
        lost = f"{what}: the batch of step {again:,} comes {'again' if again < place.step else 'too early'}"
    elif place.what == "batch" and apart:
        lost = f"the position in the data, or the state of {_named(apart)}"
    elif place.what == "loss" and _scaled(place):
        lost = f"the {advice.scaler}'s state"
    elif place.what == "learning rate" and (states := _states(place)):
        # No optimiser's state depends on the learning rate of the same step.
        lost = "the schedule's state" if states[0] == states[1] else "the optimiser's state"
    evidence = f"all is equal up to step {resumed:,}, after which B was resumed"
    of_generator = lost.startswith("the state of") and not any(each.last for each in apart.values())
    if lost and (at_once or of_generator or place.what in SHOW_LATE):
        yield (
            99,
            Cause("resume", f"the checkpoint does not hold {lost}", (evidence,), "", "save it, and load it"),
        )
    else:
        text = "the difference starts after the resumption: something that the checkpoint does not hold"
        yield 72, Cause("resume", text, (evidence,))


def _states(place: Place) -> list[str]:
    """The optimiser's state in both, after the step; nothing where it has none."""
    states = [str((event or {}).get("state", "")) for event in (place.first, place.second)]
    return states if any(states) else []


def _scaled(place: Place) -> bool:
    """Whether one loss is a power of two times the other: what a GradScaler multiplies it by."""
    values = [[loss[1] for loss in (event or {}).get("losses", ())] for event in (place.first, place.second)]
    if not values[0] or not values[1]:
        return False
    a, b = values[0][0], values[1][0]
    if not all(isinstance(value, float) and math.isfinite(value) and value for value in (a, b)) or a == b:
        return False
    return math.frexp(a)[0] == math.frexp(b)[0]


def _named(apart: dict[str, Apart]) -> str:
    names = sorted(apart)
    if any(generator_words(name) != f"{name}'s generator" for name in names):
        return some([generator_words(name) for name in names])
    return generator_words(names[0]) if len(names) == 1 else f"the generators of {some(names)}"


# ---------------------------------------------------------------- what the place itself says
def _of_place(place: Place, facts: Facts, samples: Samples | None, last: str) -> Iterator[Ranked]:
    line = _line(place)
    yield from _autocast(place, line)
    yield from _held(place, line)
    if place.what in FROM_DATA:
        if facts.workers[0] != facts.workers[1]:
            text = f"another number of data workers: {facts.workers[0]} in A, {facts.workers[1]} in B"
            why = "each worker draws from a generator of its own, seeded by its number"
            yield 83, Cause("workers", text, (why,), line, "draw from a seed and the sample's index")
        yield from _samples(samples, line)
    elif place.what == "model":
        yield 95, Cause("model", "another model", (), line)
    elif place.what == "initial":
        yield from _initial(place, facts.advice, last)
    elif place.what == "control flow" and place.text.startswith("control flow: run "):
        yield 90, Cause("control flow", place.text.removeprefix("control flow: "), (), line)
    elif place.what in ("control flow", "end"):
        yield 90, Cause("length", place.text.removeprefix("control flow: "), (), line)
    elif place.what == "calls":
        text = "other calls of the model in a step: gradients are accumulated over another number of batches"
        yield 90, Cause("accumulation", text, (), line)
    elif place.what == "mode" and place.part is None:
        yield 92, Cause("mode", facts.advice.mode, (), line)
    elif place.what == "learning rate":
        yield 92, Cause("schedule", "the schedule gives another learning rate", (), line)
    elif place.what == "clipping":
        text = "gradients are changed in another way after backward, such as by clipping or unscaling"
        yield 92, Cause("clipping", text, ("gradients after backward are equal",), line)
    elif place.what == "skipped":
        yield 90, Cause("skipped", f"a {facts.advice.scaler} skipped the step in one only", (), line)
    elif place.what == "optimizer state":
        text = "the optimiser's settings, such as betas, momentum or weight decay, or its state before"
        yield 74, Cause("optimizer", text, ("gradients, weights and learning rates are equal",), line)
    elif place.what == "parameter":
        text = "the optimiser's settings: epsilon, weight decay, momentum or its kind"
        classes = [str((event or {}).get("class", "")) for event in (place.first, place.second)]
        if classes[0] != classes[1]:
            text = f"another optimiser: {classes[0]} in A, {classes[1]} in B"
        yield 74, Cause("optimizer", text, ("gradients, weights and learning rates are equal",), line)
    elif place.what == "buffer":
        text = "running statistics are updated in another way, such as by another momentum"
        yield 74, Cause("batch statistics", text, ("batch, loss and gradients are equal",), line)
    elif place.what == "loss" and "the model's output" in place.equal:
        text, score = "another loss function, or other targets (which no call of the model shows)", 74
        if "its arguments" in place.equal:
            text, score = "another setting of the loss function", 62
        elif "the arguments of" in place.text:
            text, score = "other targets, or another computation between the model's output and the loss", 88
        yield score, Cause("loss", text, ("the model's output is equal",), line)


def _of_part(place: Place, facts: Facts, apart: dict[str, Apart]) -> Iterator[Ranked]:
    for each in inside_causes.reasons(place, apart, facts.advice.mode):
        yield each.score, Cause(*each[1:])


def _autocast(place: Place, line: str) -> Iterator[Ranked]:
    if place.what not in NUMERIC:  # its inputs differ already, and no type decides them
        return
    events = (place.first or {}, place.second or {})
    a, b = ({call.get("autocast", "its own types") for call in event.get("calls", ())} for event in events)
    if a and b and a != b:
        text = f"the model computes in other types: {some(sorted(a))} in A, {some(sorted(b))} in B"
        yield 93, Cause("autocast", text, (), line)


def _held(place: Place, line: str) -> Iterator[Ranked]:
    """Backward adds to the gradients that are there."""
    held = [int((event or {}).get("held", 0)) for event in (place.first, place.second)]
    if place.what == "gradient" and held[0] != held[1]:
        who = "A" if held[0] > held[1] else "B"
        text = f"gradients were not set to zero before backward in {who}"
        why = f"before it {held[0]:,} were there in A, {held[1]:,} in B"
        yield 94, Cause("accumulation", text, (why,), line, "call optimizer.zero_grad() before backward")


def _samples(samples: Samples | None, line: str) -> Iterator[Ranked]:
    if samples is None or samples.kind == "unknown":
        return
    words = {
        "order": "the data come in another order",
        "samples": "other samples were drawn",
        "contents": "the contents of samples differ: augmentation, or other data",
        "shape": "batches of another size",
    }
    score = {"shape": 88}.get(samples.kind, 58)
    yield score, Cause(samples.kind, words[samples.kind], (samples.text,), line)


def _same_draws(place: Place, advice: Advice) -> bool:
    """Whether as many numbers were drawn for the initial weights of both."""
    states = [(event or {}).get("generators", {}) for event in (place.first, place.second)]
    return states[0].get(advice.weights_from) == states[1].get(advice.weights_from)


def _initial(place: Place, advice: Advice, last: str) -> Iterator[Ranked]:
    line, tensors, same = _line(place), place.tensors, _same_draws(place, advice)
    generator = generator_words(advice.weights_from) if advice.weights_from else "the generator"
    if same and last.startswith(("step", "the evaluation")):
        text = "a model that is seen first after steps of training: a copy or an average of what was trained"
        yield 50, Cause("average", text, (f"all is equal up to {last}",), line)
    elif tensors.permuted:
        text = "the weights were drawn in another order: the same numbers stand under other names"
        yield 85, Cause("initial order", text, (), line, "make the layers in one order")
    elif same and len({module_of(name) for name in tensors.differ}) == 1 < tensors.of:
        text = f"`{tensors.differ[0]}` was not drawn: from memory that nobody wrote, or set to another value"
        why = f"{tensors.of - len(tensors.differ):,} other tensors and {generator} after them are equal"
        yield 76, Cause("unwritten", text, (why,), line, advice.unwritten)
    elif same:
        text = "the weights were drawn in another order, or under another seed that was then set again"
        yield 70, Cause("initial order", text, (f"{generator} is equal after them",), line)
    else:
        text = "the weights were drawn from another place of the stream, or under another seed"
        why = f"{generator} differs after them, from `{tensors.differ[0]}` on"
        fix = "set the seed right before the model is made"
        yield 69, Cause("initial place", text, (why,), line, fix)


# ---------------------------------------------------------------- files
def _files(place: Place, facts: Facts, resumed: int | None) -> Iterator[Ranked]:
    early = place.what in (*FROM_DATA, "initial", "model", "loss")
    scores = {"contents": 89, "names": 87, "listing": 86, "only": 59}
    texts = {
        "contents": "a file that was read has other contents",
        "names": "a folder has other files",
        "listing": "a folder gave its files in another order",
        "only": "a file was read by one only",
    }
    for kind, text in texts.items():
        files = [file for file in facts.files if file.kind == kind]
        if files and not (kind == "only" and resumed is not None):  # each has read its part
            fix = SORT if kind == "listing" else ""
            listed = (source.where for source in facts.chance if source.kind == "listing")
            where = next(listed, "") if fix else ""
            evidence = (some([file.text for file in files], 3, "; "),)
            yield scores[kind] - (0 if early else 35), Cause(f"file {kind}", text, evidence, where, fix)


# ---------------------------------------------------------------- chance
def _generators(place: Place, apart: dict[str, Apart], facts: Facts, resumed: int | None) -> Iterator[Ranked]:
    matters = place.what in DRAWN
    for name, since in apart.items():
        if resumed is not None and not since.last:  # it was lost, see _resumed
            continue
        asked = next((source for source in facts.chance if _draws(source, name)), None)
        where, fix = (asked.where, asked.fix) if asked is not None else ("", "")
        if since.last:
            score = 84
            text = f"{generator_words(name)} moved: {MOVED}"
            evidence = f"it is equal after {since.last}, and differs at {since.since}"
            evidence += f": {since.moved}" if since.moved else ""
            where = where or since.line
        else:
            # At the beginning nobody knows yet whether it is used, except for what weights are drawn from.
            device = name.rpartition(":")[2].isdecimal()
            draws = name == facts.advice.weights_from or device
            used = since.used or (place.what == "initial" and draws)
            score = 82 if asked is not None else 68 if used else 30
            text = f"{generator_words(name)} is in another state from the beginning: another seed, or none"
            evidence = f"it differs at {since.since}" + ("" if used else ", and nobody drew from it here")
        yield score - (0 if matters else 40), Cause("generator", text, (evidence,), where, fix)


def _draws(source: Source, generator: str) -> bool:
    """Whether chance was taken from a global generator without a seed."""
    return source.kind == "global generator" and source.source.lower().startswith(generator)


def _chance(place: Place, facts: Facts) -> Iterator[Ranked]:
    scores = {
        "seed": 83,
        "generator": 80,
        "completion": 79,
        "set": 78,
        "listing": 77,
        "memory": 79,
        "file": 76,
        "global generator": 75,
    }
    for source in facts.chance:
        score = scores.get(source.kind, 70)
        if source.kind == "memory":
            score += 12 if place.what == "initial" else 0
        elif place.what not in DRAWN:
            score -= 30
        if place.what == "initial" and _draws(source, facts.advice.weights_from):
            score += 9  # the weights are drawn from it, in the user's name
        elif source.kind == "global generator":
            score -= 40  # where it is apart, it stands there already
        elif source.library:
            score -= 25
        evidence = (f"used in {source.who}",)
        text = f"{'the order of ' if source.kind in ORDERS else ''}{source.source}"
        yield score, Cause(f"chance {source.kind}", text, evidence, source.where, source.fix)


def _hashes(place: Place, facts: Facts, samples: Samples | None, apart: dict[str, Apart]) -> Iterator[Ranked]:
    """The order of a set of texts, and seeds from `hash(text)`, follow PYTHONHASHSEED."""
    if not facts.hashes or place.what not in (*FROM_DATA, "initial", "model"):
        return
    others = facts.files or facts.command or any(not source.library for source in facts.chance)
    others = others or any(group(each.fact) in ("code", "data") for each in facts.environment)
    others = others or any(each.last for each in apart.values())
    order = samples is not None and samples.kind == "order"
    score = 60 if order else 40
    if not others:  # two runs of the same have nothing else that differs
        score = 71
    if "in A" in facts.hashes:
        score = 82
    text = "a set of texts, or what hash() gives for a text, is another one in each process"
    evidence = (facts.hashes, *((samples.text,) if samples is not None and order else ()))
    fix = "sort it, or set PYTHONHASHSEED=0 before Python starts, as `samebits exec` does"
    yield score, Cause("hash seed", text, evidence, _line(place), fix)


# ---------------------------------------------------------------- environment, code, commands
def _environment(place: Place, facts: Facts, resumed: int | None) -> Iterator[Ranked]:
    numeric = place.what in NUMERIC or (place.what == "initial" and _same_draws(place, facts.advice))
    kinds: dict[str, list[Difference]] = {}
    for difference in facts.environment:
        kinds.setdefault(_kind(difference), []).append(difference)
    texts = {
        "threads": "another number of threads: it splits sums in other places",
        "instructions": "another instruction set of the CPU: libraries choose their kernels by it",
        "device": "another device",
        "versions": "other versions of libraries",
        "determinism": "another switch of the framework",
        "data": "other data",
        "code": "other code",
        "settings": "other settings",
    }
    scores = {"threads": 80, "device": 82, "instructions": 78, "determinism": 77, "versions": 76, "data": 80}
    for kind, text in texts.items():
        if kind not in kinds:
            continue
        differ = kinds[kind]
        score = scores.get(kind, 56) - (0 if numeric or kind in ("code", "settings", "data") else 30)
        if all(each.rank == "may" for each in differ):
            score -= 4
        evidence = tuple(f"{each.fact}: {change(each)}" for each in differ[:3])
        if len(differ) > 3:
            evidence = (*evidence, f"and {len(differ) - 3:,} more: samebits fingerprint diff shows them")
        yield score, Cause(kind, text, evidence)
    if facts.command and resumed is None:  # which takes another command
        score = 57 if facts.only_paths else 72  # such as where the results are written
        yield score, Cause("command", "the commands differ", (facts.command,))


def _kind(difference: Difference) -> str:
    fact = difference.fact
    if THREADS.match(fact):
        return "threads"
    if INSTRUCTIONS.match(fact):
        return "instructions"
    if fact.startswith("device.") or fact == "device":
        return "device"
    if fact.startswith("determinism."):
        return "determinism"
    return {"machine": "instructions"}.get(name := group(fact), name)


def _repeatable(place: Place, facts: Facts, apart: dict[str, Apart]) -> Iterator[Ranked]:
    """Nothing else differs: what computes gives another result from the same inputs."""
    if place.what not in NUMERIC or apart or place.what == "clipping":
        return
    part = {
        "gradient": "backward",
        "forward": "the forward pass",
        "loss": "the forward pass or the loss",
    }.get(
        place.what, "the optimiser" if place.what in ("parameter", "optimizer state") else "the forward pass"
    )
    other = facts.environment or facts.command
    inside = place.part
    if inside is not None and not inside.computes_the_same:
        return
    if inside is not None:
        part = inside.name
    text = (
        f"an operation of {part} does not give the same result each time, or reads memory that nobody wrote"
    )
    fix = facts.advice.repeat
    if inside is not None and (operation := inside.operation):
        text = f"{operation} does not give the same result each time"
        fix = instead(operation) or fix
    evidence = ("all its inputs are equal",) if place.equal else ()
    yield 45 if other else 73, Cause("operation", text, evidence, _line(place), fix)
