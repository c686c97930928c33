"""The first place where two records differ, what is equal there, and the first cause: each kind once."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.samebits.diff import made
from tests.samebits.diff.made import digest, from_step, put, step

from samebits.diff.align import Side
from samebits.diff.command import compare
from samebits.diff.reader import Process
from samebits.diff.records import Result
from samebits.diff.verdict import Search
from samebits.record.format import AT_OPTIMIZER

Events = list[dict[str, Any]]


def diff(tmp_path: Path, first: Events, second: Events) -> Result:
    return compare(made.write(tmp_path / "a", first), made.write(tmp_path / "b", second))


def spoil(*names: str) -> Callable[[dict[str, Any]], None]:
    """What follows from a difference: all of this is another one, too."""

    def change(event: dict[str, Any]) -> None:
        for name in names:
            event[name] = put(event[name], "2.weight") if isinstance(event[name], str) else event[name]

    return change


def batch(events: Events, samples: Callable[[int], tuple[int, ...]], number: int) -> None:
    """Other samples from a step on, and what follows from them."""

    def change(event: dict[str, Any]) -> None:
        rows = samples(event["step"])
        event["calls"][0] |= {
            "arguments": digest(rows),
            "rows": made.rows(*rows),
            "outputs": digest("out", rows),
        }
        event["losses"] = [[digest("loss", rows), 0.5]]
        spoil("parameters", "state")(event)

    from_step(events, number, change)


def lone_step(events: Events) -> None:
    events[-1]["steps"] = 5
    events.remove(step(events, 6))


def of_first_call(**values: Any) -> Callable[[Events], None]:
    return lambda events: from_step(events, 3, lambda event: event["calls"][0].update(values))


def set_in(number: int, **values: Any) -> Callable[[Events], None]:
    return lambda events: from_step(events, number, lambda event: event.update(values))


def change_in(number: int, what: str, name: str) -> Callable[[Events], None]:
    return lambda events: from_step(
        events, number, lambda event: event.update({what: put(event[what], name)})
    )


def gradients(events: Events) -> None:
    def change(event: dict[str, Any]) -> None:
        for name in ("0.weight", "0.bias", "2.weight"):
            event["gradients"] = {when: put(text, name) for when, text in event["gradients"].items()}
        spoil("parameters", "state")(event)

    from_step(events, 4, change)


def added_up(events: Events) -> None:
    gradients(events)
    from_step(events, 4, lambda event: event.update(held=4))


def clipped(events: Events) -> None:
    from_step(
        events,
        2,
        lambda event: event["gradients"].update({AT_OPTIMIZER: made.digests("clipped", event["step"])}),
    )


def states(events: Events) -> None:
    names = [f"{name}.momentum_buffer" for name in made.NAMES]
    from_step(events, 3, lambda event: event.update(state=put(event["state"], names[1], names)))


def initial(names: tuple[str, ...], other_generator: bool = False) -> Callable[[Events], None]:
    def change(events: Events) -> None:
        event = events[7]
        for name in names:
            event["parameters"] = put(event["parameters"], name)
        if other_generator:
            event["generators"]["torch"] = digest("elsewhere")
        from_step(events, 1, spoil("parameters"))

    return change


def swapped(events: Events) -> None:
    text = events[7]["parameters"]
    events[7]["parameters"] = text[64:96] + text[32:64] + text[:32] + text[96:]


def renamed(events: Events) -> None:
    events[4]["names"][2] = "head.weight"


def reshaped(events: Events) -> None:
    events[4]["shapes"][2] = [5, 8]


def with_loss_module(**values: Any) -> Callable[[Events], None]:
    """Both have a loss that is a module, and in the second something of it is another from step 3 on."""

    def change(events: Events) -> None:
        loss = {"module": "MSELoss", "training": True, "shapes": [[2, 3], [2, 3]], "rows": None}

        def call(event: dict[str, Any]) -> None:
            number = event["step"]
            known = {"arguments": digest("given", number), "outputs": digest("loss", number)}
            event["calls"].append({**loss, **known, **(values if number >= 3 and values else {})})

        from_step(events, 1, call)

    return change


def moved_generator(events: Events) -> None:
    """From the end of step 2 on, torch's generator has another state, and from step 3 on dropout shows it."""
    step(events, 2)["generators"]["after"]["torch"] = digest("moved")

    def change(event: dict[str, Any]) -> None:
        event["generators"]["before"]["torch"] = digest("moved", event["step"])
        event["calls"][0]["outputs"] = digest("dropped otherwise", event["step"])

    from_step(events, 3, change)


def evaluated_by_b(events: Events) -> None:
    events.insert(events.index(step(events, 5)), made.evaluation(4))


def slower(events: Events) -> None:
    from_step(events, 5, lambda event: event.update(lrs=[0.01]) or spoil("parameters")(event))


def another_file(events: Events) -> None:
    events[1]["digest"] = digest("other data")
    batch(events, lambda number: (100 + number, 200 + number), 1)


def another_order(events: Events) -> None:
    events[2]["digest"] = digest("other order")
    batch(events, lambda number: (15 - 2 * number, 14 - 2 * number), 1)


def threads(events: Events) -> None:
    events[3]["fingerprint"]["effective"]["torch"]["threads"] = 3
    from_step(events, 2, lambda event: event["calls"][0].update(outputs=digest("sum", event["step"])))


CASES: dict[str, tuple[Callable[[Events], None], str, str]] = {
    # what differs: the verdict, the kind of the first cause
    "batch, order": (
        lambda e: batch(e, lambda n: (2 * n + 1, 2 * n), 3),
        "step 3, the batch: weights and generators equal",
        "order",
    ),
    "batch, order over steps": (
        lambda e: batch(e, lambda n: (18 - 2 * n, 19 - 2 * n), 3),
        "step 3, the batch: weights and generators equal",
        "order",
    ),
    "batch, samples": (
        lambda e: batch(e, lambda n: (2 * n + 2, 2 * n + 3 + 100 * (n % 2)), 3),
        "step 3, the batch: weights and generators equal",
        "samples",
    ),
    "batch, contents": (
        lambda e: batch(e, lambda n: (100 + n, 200 + n), 3),
        "step 3, the batch: weights and generators equal",
        "contents",
    ),
    "batch, contents of this one": (
        lambda e: batch(e, lambda n: (100, 200) if n == 3 else (2 * n, 2 * n + 1), 3),
        "step 3, the batch: weights and generators equal",
        "contents",
    ),
    "batch, contents of some": (
        lambda e: batch(e, lambda n: (100 + n, 200 + n) if n in (3, 20) else (2 * n, 2 * n + 1), 3),
        "step 3, the batch: weights and generators equal",
        "contents",
    ),
    "batch, one sample": (
        lambda e: batch(e, lambda n: (2 * n, 999), 3),
        "step 3, the batch: weights and generators equal",
        "contents",
    ),
    "batch, size": (of_first_call(shapes=[[1, 4]], rows=made.rows(4)), "step 3, the batch", "shape"),
    "file": (another_file, "step 1, the batch", "file contents"),
    "listing": (another_order, "step 1, the batch", "file listing"),
    "mode": (
        of_first_call(training=False),
        "step 3, the model's mode: training in A, evaluation in B",
        "mode",
    ),
    "layer's mode": (
        of_first_call(other_mode=["1", "4.norm"]),
        "step 3, the mode of `1`, `4.norm`: training in A, evaluation in B: batch and weights equal",
        "mode",
    ),
    "autocast": (
        of_first_call(autocast="autocast to bfloat16 on cpu", outputs=digest("else")),
        "step 3, the model's output: batch, weights and generators equal",
        "autocast",
    ),
    "forward": (
        of_first_call(outputs=digest("else")),
        "step 3, the model's output: batch, weights and generators equal",
        "operation",
    ),
    "threads": (threads, "step 2, the model's output: batch, weights and generators equal", "threads"),
    "generator": (moved_generator, "step 3, the model's output: batch and weights equal", "generator"),
    "loss": (
        set_in(3, losses=[[digest("else"), 0.25]]),
        "step 3, the loss (0.3333333333333333 in A, 0.25 in B): the model's output and generators equal",
        "loss",
    ),
    "gradient": (
        gradients,
        "step 4, gradient of `2.weight` (and 2 more of 4): loss, batch, weights and generators equal",
        "operation",
    ),
    "gradient that was there": (
        added_up,
        "step 4, gradient of `2.weight` (and 2 more of 4): loss, batch, weights and generators equal",
        "accumulation",
    ),
    "clipping": (clipped, "step 2, gradient of `2.weight` (and 3 more of 4), between backward", "clipping"),
    "learning rate": (slower, "step 5, the learning rate: 0.1 in A, 0.01 in B", "schedule"),
    "skipped": (set_in(2, skipped=True), "step 2, the step: skipped in B, not in A", "skipped"),
    "parameter": (change_in(3, "parameters", "0.bias"), "step 3, parameter `0.bias` after it", "optimizer"),
    "state": (states, "step 3, optimiser's state `0.bias.momentum_buffer` after it", "optimizer"),
    "optimiser": (
        lambda e: set_in(1, **{"class": "Adam"})(e) or change_in(1, "parameters", "0.bias")(e),
        "step 1, parameter",
        "optimizer",
    ),
    "calls": (
        lambda e: from_step(e, 2, lambda each: each["calls"].append(each["calls"][0])),
        "step 2, control flow: 1 call of Net in A, 2 calls of Net in B",
        "accumulation",
    ),
    "initial, all": (
        initial(made.NAMES, True),
        "the initial parameter `0.weight` (and 3 more of 4)",
        "initial place",
    ),
    "initial, one": (initial(("2.bias",)), "the initial parameter `2.bias`", "unwritten"),
    "initial, permuted": (swapped, "the initial parameter `0.weight` (and 1 more of 4)", "initial order"),
    "renamed": (renamed, "the models differ: only A has `2.weight`; only B has `head.weight`", "model"),
    "reshaped": (reshaped, "the models differ: `2.weight` is float32 (3, 8) and float32 (5, 8)", "model"),
    "evaluation": (evaluated_by_b, "control flow: run B evaluates after step 4, A does not", "control flow"),
    "longer": (lone_step, "control flow: B ends after 5 steps, A continues to 6", "length"),
    "exception": (
        lambda e: e[-1].update(exception="ValueError"),
        "control flow: A ends without an exception and B ends by ValueError",
        "length",
    ),
}


LOSSES = {
    # what of the loss's call is another: the verdict, the kind of the first cause
    "targets": (
        {"arguments": digest("targets"), "outputs": digest("of them")},
        "step 3, the arguments of MSELoss: the targets, or what comes from the model's output: the model's "
        "output and generators equal",
        "loss",
    ),
    "loss function": (
        {"outputs": digest("else")},
        "step 3, the output of MSELoss: the model's output, its arguments and generators equal",
        "operation",
    ),
}


@pytest.mark.parametrize("case", LOSSES)
def test_a_loss_that_is_a_module_is_no_part_of_the_model(case: str, tmp_path: Path) -> None:
    values, text, cause = LOSSES[case]
    plain = made.training(6)
    first, second = made.another(plain), made.another(plain)
    with_loss_module()(first)
    with_loss_module(**values)(second)
    result = diff(tmp_path, first, second)
    assert result.place is not None
    assert (result.place.what, str(result.place)) == ("loss", text)
    assert result.causes[0].kind == cause, result.causes


def test_without_outputs_an_argument_of_the_loss_may_come_from_the_model(tmp_path: Path) -> None:
    plain = made.training(6)
    from_step(plain, 1, lambda event: event["calls"][0].pop("outputs"))
    first, second = made.another(plain), made.another(plain)
    with_loss_module()(first)
    with_loss_module(arguments=digest("else"))(second)
    text = "step 3, the arguments of MSELoss: the model's output, or targets"
    assert str(diff(tmp_path, first, second).place).startswith(text)


@pytest.mark.parametrize("case", CASES)
def test_each_kind_is_named(case: str, tmp_path: Path) -> None:
    change, text, cause = CASES[case]
    first = made.training(6)
    second = made.another(first)
    change(second)
    result = diff(tmp_path, first, second)
    assert str(result.place).startswith(text)
    assert result.causes[0].kind == cause, result.causes
    mirrored = compare(tmp_path / "b", tmp_path / "a")
    assert mirrored.place is not None
    assert result.place is not None
    assert (mirrored.place.what, mirrored.place.step) == (result.place.what, result.place.step)


def test_equal_records_are_the_same(tmp_path: Path) -> None:
    first = made.training(6, every=2)
    result = diff(tmp_path, first, made.another(first))
    assert (result.place, result.steps, result.notes) == (None, 6, ())


def test_a_generator_that_nobody_uses_is_no_difference(tmp_path: Path) -> None:
    """Python's own is in another state in each process that gave it no seed."""
    first = made.training(6, every=2)
    second = made.another(first)
    for event in second:
        for states in (event.get("generators", {}), *event.get("generators", {}).values()):
            if isinstance(states, dict) and "python" in states:
                states["python"] = digest("other seed")
    result = diff(tmp_path, first, second)
    assert (result.place, result.steps) == (None, 6)
    batch(second, lambda n: (100 + n, 200 + n), 4)
    result = diff(tmp_path / "more", first, second) if (tmp_path / "more").mkdir() is None else result
    assert result.place is not None
    assert (result.place.step, result.steps) == (4, 3)
    assert result.apart == {}
    assert result.last == "step 3"


def test_a_generator_that_only_a_message_uses_is_no_difference(tmp_path: Path) -> None:
    """It moves at each step, in another way in each run, and nothing that is computed shows it."""
    first = made.training(40, every=5)
    second = made.another(first)
    for number, event in enumerate(second):
        for states in event.get("generators", {}).values() if event["event"] == "step" else ():
            states["python"] = digest("moves", number)
        if event["event"] == "step":  # last in its line, as they are written
            event["generators"] = event.pop("generators")
            event["moves"] = [["python", digest("moves", number), "code", "train.py:9"]]
            same = step(first, event["step"])
            same["generators"], same["moves"] = same.pop("generators"), []
        if event["event"] in ("initial", "evaluation"):
            event["generators"]["python"] = digest("moves", number)
    result = diff(tmp_path, first, second)
    assert (result.place, result.steps) == (None, 40)
    sides = (Side(Process(tmp_path / f"{who}/{pid}.jsonl")) for who, pid in (("a", 11), ("b", 12)))
    search = Search(*sides)
    assert search.find() is None
    assert search.aligner.steps >= 30  # these were compared as bytes
    for which in ("alone", "beside another one that stays apart"):
        (tmp_path / which).mkdir()
        again(tmp_path / which, copy.deepcopy(first), copy.deepcopy(second), which != "alone")


def again(tmp_path: Path, first: Events, second: Events, beside: bool) -> None:
    if beside:
        for who, events in enumerate((first, second)):
            for event in events:
                states = event.get("generators", {})
                for each in states.values() if event["event"] == "step" else [states]:
                    each["numpy"] = digest("stays", who)
    # Python's becomes equal again, and apart again: the last equal place is told.
    for event in (step(second, 20), step(second, 21)):
        for when, states in event["generators"].items():
            states["python"] = step(first, event["step"])["generators"][when]["python"]
    change_in(30, "parameters", "0.bias")(second)
    result = diff(tmp_path, first, second)
    assert result.place is not None
    assert (result.place.step, result.steps) == (30, 29)
    moved = "only in B it moved in code at train.py:9"
    assert result.apart == {"python": f"equal after step 21, not at the start of step 22; {moved}"}


def test_the_last_equal_place_of_a_generator_is_told(tmp_path: Path) -> None:
    first = made.training(6)
    second = made.another(first)
    moved_generator(second)
    result = diff(tmp_path, first, second)
    assert result.apart == {"torch": "equal after the start of step 2, not at the end of step 2"}


def test_an_evaluation_is_compared(tmp_path: Path) -> None:
    for number, (change, text) in enumerate(
        [
            (
                {"outputs": digest("else")},
                "the evaluation after step 4, the model's output: batches, weights and",
            ),
            (
                {"arguments": digest("else")},
                "the evaluation after step 4, its batches: weights and generators",
            ),
            (
                {"training": [True]},
                "the evaluation after step 4, the model's mode: evaluation in A, training in B",
            ),
            (
                {"other_mode": ["2.norm"], "outputs": made.digest("other")},
                "the evaluation after step 4, the mode of `2.norm`: evaluation in A, training in B",
            ),
            (
                {"count": 5},
                "the evaluation after step 4, control flow: 4 calls of Net in A, 5 calls of Net in B",
            ),
        ]
    ):
        first = made.training(6, every=2)
        second = made.another(first)
        next(e for e in second if e["event"] == "evaluation" and e["after"] == {"0": 4}).update(change)
        (tmp_path / str(number)).mkdir()
        assert str(diff(tmp_path / str(number), first, second).place).startswith(text)


def test_the_line_in_the_code_is_no_difference(tmp_path: Path) -> None:
    first = made.training(3)
    second = made.another(first)
    from_step(second, 1, lambda event: event.update(line="train.py:31"))
    assert diff(tmp_path, first, second).place is None


def test_two_optimisers_are_told_apart_by_their_number(tmp_path: Path) -> None:
    """Step 2 of the one is not step 2 of the other, wherever they stand in the file."""
    first = made.training(4)
    at = first.index(step(first, 3))
    first.insert(
        at, step(made.another(first), 1) | {"optimizer": 1, "parameters": made.digests("other model")}
    )
    second = made.another(first)
    second.insert(at + 1, second.pop(at))
    result = diff(tmp_path, first, second)
    assert "has another place in the order of events" in str(result.place)
    third = made.another(first)
    third[at]["parameters"] = put(third[at]["parameters"], "0.bias")
    made.write(tmp_path / "c", third)
    assert str(compare(tmp_path / "a", tmp_path / "c").place).startswith(
        "step 1 of optimiser 1, parameter `0.bias`"
    )


def test_a_resumed_twin_is_aligned_by_its_weights(tmp_path: Path) -> None:
    """B was killed after step 4 and resumed from a checkpoint of step 3, in another process."""
    first = made.training(6, every=1)
    killed = [
        each for each in made.another(first) if each["event"] not in ("end",) and each.get("step", 0) <= 4
    ]
    resumed = made.another(killed)
    resumed[7]["parameters"] = made.digests("weights", 3)
    resumed = list(resumed[:8])
    for number in (4, 5, 6):
        resumed.append(step(made.another(first), number) | {"step": number - 3})
        resumed.append(made.evaluation(number) | {"after": {"0": number - 3}})
    resumed.append({"event": "end", "steps": 3, "exception": None})
    killed = [each for each in killed if each["event"] != "evaluation" or each["after"]["0"] <= 4]
    made.write(tmp_path / "a", first)
    made.write(tmp_path / "b", killed, resumed)
    result = compare(tmp_path / "a", tmp_path / "b")
    assert result.place is None, result
    assert result.steps == 6
    stopped = [*killed, {"event": "end", "steps": 4, "exception": "SystemExit"}]
    made.write(tmp_path / "stopped", stopped, resumed)
    result = compare(tmp_path / "a", tmp_path / "stopped")
    assert (result.place, result.steps) == (None, 6)
    for number, (change, text, cause) in enumerate(
        [
            (
                lambda: resumed[8]["calls"][0].update(arguments=digest("first"), rows=made.rows(0, 1)),
                "the batch",
                "resume",
            ),
            (lambda: resumed[8].update(lrs=[1.0]), "the learning rate", "resume"),
            (lambda: resumed[8].update(state=resumed[8]["state"][::-1]), "optimiser's state", "resume"),
        ]
    ):
        before = resumed[8]
        resumed[8] = {**before, "calls": [dict(before["calls"][0])]}
        change()
        made.write(tmp_path / f"c{number}", killed, resumed)
        result = compare(tmp_path / "a", tmp_path / f"c{number}")
        assert str(result.place).startswith(f"step 4, {text}")
        assert result.causes[0].kind == cause
        assert "after step 3" in result.causes[0].evidence[0] or "step 3" in result.causes[0].evidence[0]
        resumed[8] = before


def test_of_ranks_that_differ_at_the_same_step_the_cause_is_named(tmp_path: Path) -> None:
    """A batch of rank 1 is another one, and so the gradients of all ranks are."""
    ranks = [made.training(4, pid=pid) for pid in (11, 12)]
    for number, events in enumerate(ranks):
        events[0] |= {"rank": number, "world_size": 2}
    others = [made.another(made.another(made.another(events))) for events in ranks]
    for events in others:
        gradients(events)
    step(others[1], 4)["calls"][0] |= {"arguments": digest("other"), "rows": made.rows(90, 91)}
    result = compare(made.write(tmp_path / "a", *ranks), made.write(tmp_path / "b", *others))
    assert result.verdict.startswith("first difference: rank 1, step 4, the batch")


def test_the_rank_is_named(tmp_path: Path) -> None:
    first, second = made.training(5), made.training(5, pid=12)
    first[0]["rank"], second[0]["rank"] = 0, 1
    made.write(tmp_path / "a", first, second)
    third, fourth = made.another(made.another(first)), made.another(made.another(second))
    change_in(4, "parameters", "0.bias")(third)
    batch(fourth, lambda n: (100 + n, 200 + n), 3)
    made.write(tmp_path / "b", fourth, third)
    result = compare(tmp_path / "a", tmp_path / "b")
    assert (result.who, str(result.place)[:20]) == ("rank 1", "step 3, the batch: w")


EVIDENCE = {
    "batch, order": "the same 2 samples of the batch in another order",
    "batch, order over steps": "those of 4 steps together are equal",
    "batch, one sample": "1 of its 2 samples differ (row 1)",
    "batch, contents": "of 8 samples of A in 4 steps, B saw 0",
    "batch, contents of this one": "no sample of this batch is the same, and the 22 batches read after",
    "batch, contents of some": "no sample of B's batch is in any of A's, though most",
}


@pytest.mark.parametrize("case", EVIDENCE)
def test_samples_are_the_evidence(case: str, tmp_path: Path) -> None:
    first = made.training(25 if "contents of" in case else 6)
    second = made.another(first)
    CASES[case][0](second)
    assert EVIDENCE[case] in diff(tmp_path, first, second).causes[0].evidence[0]


def test_weights_under_other_names_are_told(tmp_path: Path) -> None:
    first = made.training(2)
    second = made.another(first)
    swapped(second)
    assert "the same numbers stand under other names" in diff(tmp_path, first, second).causes[0].text


def test_a_file_that_is_read_later_is_no_cause(tmp_path: Path) -> None:
    first = made.training(6)
    second = made.another(first)
    batch(second, lambda n: (100 + n, 200 + n), 3)
    second.insert(second.index(step(second, 4)), {**second[1], "path": "late.npy"})
    assert [cause.kind for cause in diff(tmp_path, first, second).causes] == ["contents"]
    second.insert(2, {**second[1], "path": "early.npy"})
    made.write(tmp_path / "c", second)
    assert compare(tmp_path / "a", tmp_path / "c").causes[0].evidence == ("only B has read early.npy",)


def test_what_to_do_is_said_for_the_framework(tmp_path: Path) -> None:
    """The same records of two frameworks: other words, and another generator that weights come from."""
    for framework, fix, evidence in (
        ("torch", "torch.use_deterministic_algorithms", "torch's generator is equal after them"),
        ("keras", "tf.config.experimental.enable_op_determinism", "python's generator is equal after them"),
        ("another", "", "the generator is equal after them"),
    ):
        folder = tmp_path / framework
        folder.mkdir()
        first = made.training(4)
        first[3]["framework"] = framework
        second = made.another(first)
        gradients(second)
        (cause,) = diff(folder, first, second).causes
        assert (cause.kind, cause.fix[: len(fix)]) == ("operation", fix)
        assert bool(cause.fix) == bool(fix)
        third = made.another(first)
        initial(made.NAMES)(third)
        made.write(folder / "c", third)
        assert compare(folder / "a", folder / "c").causes[0].evidence == (evidence,)


def test_unseeded_chance_is_a_cause_with_its_line(tmp_path: Path) -> None:
    first = made.training(4)
    source = {
        "kind": "generator",
        "source": "numpy.random.default_rng() without a seed",
        "where": "augment.py:9",
    }
    worker = [
        {**made.training(0, pid=77)[0], "role": "worker 0", "parent": 11},
        {"event": "chance", "sources": [{**source, "library": None, "count": 3, "fix": "default_rng(seed)"}]},
        {"event": "end", "steps": 0, "exception": None},
    ]
    second = made.another(first)
    batch(second, lambda n: (100 + n, 200 + n), 1)
    made.write(tmp_path / "a", first, worker)
    made.write(tmp_path / "b", second)
    cause = compare(tmp_path / "a", tmp_path / "b").causes[0]
    assert (cause.kind, cause.where, cause.fix) == ("workers", "train.py:30", cause.fix)
    made.write(tmp_path / "c", second, [{**worker[0], "parent": 12}, *worker[1:]])
    cause = compare(tmp_path / "a", tmp_path / "c").causes[0]
    assert (cause.kind, cause.where, cause.fix) == ("chance generator", "augment.py:9", "default_rng(seed)")


def test_of_ranks_the_end_of_one_comes_after_an_earlier_step_of_another(tmp_path: Path) -> None:
    """Rank 1 has another batch, and rank 0 stops at its end for that reason."""
    ranks = [made.training(6, pid=pid) for pid in (11, 12)]
    for number, events in enumerate(ranks):
        events[0] |= {"rank": number, "world_size": 2}
    first = [made.another(events) for events in ranks]
    ranks[0][-1]["exception"] = "RuntimeError"
    result = compare(made.write(tmp_path / "a", *first), made.write(tmp_path / "b", *ranks))
    assert result.place is not None
    assert (result.who, result.place.what, result.place.step) == ("rank 0", "end", 6)
    batch(ranks[1], lambda number: (100 + number, 200 + number), 2)
    result = compare(tmp_path / "a", made.write(tmp_path / "c", *ranks))
    assert result.place is not None
    assert (result.who, result.place.what, result.place.step) == ("rank 1", "batch", 2)
