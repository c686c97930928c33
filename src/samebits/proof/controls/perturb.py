"""Run a training script with one thing perturbed, with samebits' protection or without.

    python -m samebits.proof.controls.perturb --framework torch --draw random [--unprotected] MODULE [ARGS]...

The script stays as it is: what is perturbed is put into samebits' own functions before the script runs.
`--unprotected` also puts in their place what a script without samebits does: one global seed at the start,
the framework's own loader, augmentation that draws from the global generators.
"""

import importlib
import runpy
import sys
from collections.abc import Callable, Iterator
from typing import Any

import click
import numpy as np

from samebits.errors import UsageError
from samebits.framework import load_toolkit
from samebits.process.program import run_command
from samebits.proof.controls.plain import do_nothing, nothing, patch
from samebits.rng import generators


def add_draws(draw: Callable[[], object]) -> None:
    """Draw once from a global generator before the model is built, after every step and after every epoch."""
    from samebits.run.run import Run

    stream, batches, log = Run.stream, Run.batches, Run.log

    def draw_and_stream(run: Run, *path: str | int) -> Any:
        draw()  # the run is open and seeded (TensorFlow refuses to draw before): the model is made next
        return stream(run, *path)

    def batches_and_draw(run: Run, loader: Any) -> Iterator[Any]:
        for batch in batches(run, loader):
            yield batch
            draw()  # runs when the loop asks for the next batch: after the step

    def log_and_draw(run: Run, **values: Any) -> None:
        log(run, **values)
        draw()

    patch(Run, stream=draw_and_stream, batches=batches_and_draw, log=log_and_draw)


def order_from_set(size: int) -> list[int]:
    """The numbers 0…size in the order in which a set of names happens to give them: by their hashes."""
    return [int(name.removeprefix("sample-")) for name in {f"sample-{number}" for number in range(size)}]


def remove_protection(framework: str) -> None:
    """Put what a script without samebits does in the place of everything but the seed at the start."""
    import samebits
    import samebits.run.loop
    import samebits.run.run

    patch(samebits, isolated_rng=nothing, stream=nothing)
    patch(samebits.run.run, stream=nothing)
    patch(samebits.run.loop, seed_step=do_nothing)
    importlib.import_module(f"samebits.proof.controls.plain_{framework}").install()


def add_evaluation() -> None:
    """Let Keras evaluate what it trains on, augmented as in training, after every epoch.

    With arrays, as in the starter, Keras evaluates without a single draw; with such a dataset it draws.
    """
    import samebits.keras
    from samebits.keras.callback import RunLog

    make, end = samebits.keras.dataset, RunLog.on_epoch_end
    passes: list[Any] = []

    def dataset(*arrays: np.ndarray, **options: Any) -> Any:
        passes.append(make(*arrays, **{**options, "name": "evaluation"}))
        return make(*arrays, **options)

    def end_and_evaluate(log: RunLog, epoch: int, logs: dict[str, Any] | None = None) -> None:
        end(log, epoch, logs)
        log.model.evaluate(passes[0], verbose=0)

    patch(samebits.keras, dataset=dataset)
    patch(RunLog, on_epoch_end=end_and_evaluate)


def take_order_from_set(framework: str) -> None:
    """Give every dataset another order, read off a set, before samebits gets it."""
    toolkit: Any = load_toolkit(framework)
    if framework == "torch":
        from torch.utils.data import Subset

        loader = toolkit.loader

        def ordered_loader(dataset: Any, **options: Any) -> Any:
            return loader(Subset(dataset, order_from_set(len(dataset))), **options)

        patch(toolkit, loader=ordered_loader)
    else:
        make = toolkit.dataset

        def ordered_dataset(x: np.ndarray, y: np.ndarray, **options: Any) -> Any:
            order = order_from_set(len(x))
            return make(x[order], y[order], **options)

        patch(toolkit, dataset=ordered_dataset)


def leave_one_out(framework: str) -> None:
    """Take the last sample from every dataset, before samebits gets it."""
    toolkit: Any = load_toolkit(framework)
    if framework == "torch":
        from torch.utils.data import Subset

        loader = toolkit.loader

        def shorter_loader(dataset: Any, **options: Any) -> Any:
            return loader(Subset(dataset, range(len(dataset) - 1)), **options)

        patch(toolkit, loader=shorter_loader)
    else:
        make = toolkit.dataset

        def shorter_dataset(x: np.ndarray, y: np.ndarray, **options: Any) -> Any:
            return make(x[:-1], y[:-1], **options)

        patch(toolkit, dataset=shorter_dataset)


def prefetch_batches(framework: str, number: int) -> None:
    """Let workers prepare another number of batches ahead."""
    toolkit: Any = load_toolkit(framework)
    name, option, workers = {
        "torch": ("loader", "prefetch_factor", "num_workers"),
        "keras": ("dataset", "max_queue_size", "workers"),
    }[framework]
    make = getattr(toolkit, name)

    def ahead(*data: Any, **options: Any) -> Any:
        if options.get(workers):  # without workers nobody prepares anything, and torch refuses the option
            options[option] = number
        return make(*data, **options)

    patch(toolkit, **{name: ahead})


def log_steps() -> None:
    """Read and print what a step averages and an epoch logs, and that a step has ended."""
    from samebits.run.loop import Loop
    from samebits.run.run import Run

    end = Loop.end_step

    def printing(function: Callable[..., None]) -> Callable[..., None]:
        def print_and_call(run: Run, **values: Any) -> None:
            numbers = {name: value for name, value in values.items() if not callable(value)}
            print({name: float(value) for name, value in numbers.items()}, flush=True)
            function(run, **values)

        return print_and_call

    def end_and_print(loop: Loop, *arguments: Any, **options: Any) -> None:
        end(loop, *arguments, **options)
        print(f"step {loop.step}", flush=True)

    patch(Run, average=printing(Run.average), log=printing(Run.log))
    patch(Loop, end_step=end_and_print)


@click.command(context_settings={"allow_interspersed_args": False})
@click.option(
    "--framework", type=click.Choice(["torch", "keras"]), required=True, help="What MODULE trains with."
)
@click.option(
    "--draw",
    type=click.Choice(list(generators.ROWS)),
    help="Draw now and then from the generators of this module.",
)
@click.option("--evaluate", is_flag=True, help="Evaluate after every epoch (Keras).")
@click.option("--order-from-set", "from_set", is_flag=True, help="Order the samples by a set of names.")
@click.option("--leave-out", is_flag=True, help="Leave the last sample out.")
@click.option("--prefetch", type=click.IntRange(1), help="Prepare so many batches ahead.")
@click.option("--log-steps", "steps", is_flag=True, help="Print what every step logs.")
@click.option("--unprotected", is_flag=True, help="Without samebits' seeding and loading.")
@click.argument("module")
@click.argument("arguments", metavar="[ARGS]...", nargs=-1, type=click.UNPROCESSED)
def command(
    framework: str,
    draw: str | None,
    evaluate: bool,
    from_set: bool,
    leave_out: bool,
    prefetch: int | None,
    steps: bool,
    unprotected: bool,
    module: str,
    arguments: tuple[str, ...],
) -> None:
    """Run the training script MODULE, as `python -m MODULE ARGS` would, with something perturbed."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # of the package that would hold it
        spec = None
    if spec is None:
        raise UsageError(
            f"there is no module {module}: name it as `python -m` takes it, such as starter.train_torch"
        )
    if unprotected:
        remove_protection(framework)
    if from_set:
        take_order_from_set(framework)
    if leave_out:
        leave_one_out(framework)
    if prefetch:
        prefetch_batches(framework, prefetch)
    if steps:
        log_steps()
    if evaluate:
        add_evaluation()
    if draw:
        importlib.import_module(draw)
        add_draws(generators.row(draw).draw)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    sys.exit(run_command(command, "python -m samebits.proof.controls.perturb"))
