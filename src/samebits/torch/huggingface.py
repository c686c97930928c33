"""A Hugging Face `Trainer` whose runs can be interrupted anywhere: one class put before it."""

import dataclasses
from typing import Any

from samebits import _extras

if line := _extras.missing("transformers"):
    raise _extras.MissingPackage(line)

import torch
import transformers
from transformers.trainer_callback import ExportableState

from samebits.errors import UsageError
from samebits.run.run import Run
from samebits.torch.loading import Loader, loader
from samebits.torch.trainer_loop import Steps, kept

# Hugging Face's callbacks that decide nothing.
KNOWN = ("DefaultFlowCallback", "NotebookProgressCallback", "PrinterCallback", "ProgressCallback")
TIMES = ("_runtime", "_per_second")  # ends of the names of metrics that another run has otherwise
FORWARD = (  # to the loader, from the arguments named dataloader_…
    "drop_last",
    "multiprocessing_context",
    "num_workers",
    "persistent_workers",
    "pin_memory",
    "prefetch_factor",
)


class Resumable:
    """Put before a Trainer class, it makes `train` a run that resumes where it was interrupted, bit by bit.

    >>> with samebits.torch.open_run(settings, device="cpu") as run:
    ...     trainer = Trainer(model, arguments, train_dataset=dataset, run=run)
    ...     trainer.train()
    ...     run.finish(model)

    For a Trainer class of another library: `class Mine(Resumable, SFTTrainer): pass`.

    The training data comes from `samebits.torch.loader`, with the arguments' batch size, workers and
    sampling; who overrides `get_train_dataloader` returns one. The run holds the model, optimiser, schedule,
    scaler, the Trainer's counters and its callbacks' states. A step is an update of the weights, over
    `gradient_accumulation_steps` batches. Each epoch's line of metrics has the mean loss, and what was last
    evaluated in it. Trainer's own checkpoints are not needed (`save_strategy="no"`).

    A signal is acted upon when the next batch is asked for, so after an evaluation that is under way.

    Raises:
        UsageError: in `train`, when something cannot be held: several devices, a callback that keeps
            something and gives no state, arguments by which the Trainer decides on its own what to resume
            from.
    """

    def __init__(self, *args: Any, run: Run, **options: Any) -> None:
        super().__init__(*args, **options)
        self.run = run
        self.evaluated: dict[str, float] = {}  # since the last line of metrics
        self._epoch_steps: tuple[int, int] | None = None
        self._loss: Any = 0
        self.callback_handler.callbacks.insert(0, AfterStep(self))  # type: ignore[attr-defined]

    def get_train_dataloader(self) -> Loader:
        trainer: Any = self
        arguments, dataset, collate = trainer.args, trainer.train_dataset, trainer.data_collator
        if dataset is None:
            raise UsageError("the Trainer has no train_dataset")
        if hasattr(dataset, "column_names") and hasattr(dataset, "remove_columns"):
            dataset = trainer._remove_unused_columns(dataset, description="Training")
        else:
            collate = trainer._get_collator_with_removed_columns(collate, description="Training")
        return loader(
            dataset,
            seed=self.run.seed,
            batch_size=trainer._train_batch_size,
            sampler=trainer._get_train_sampler(dataset),
            collate_fn=collate,
            **{name: getattr(arguments, f"dataloader_{name}") for name in FORWARD},
        )

    def train(self, resume_from_checkpoint: Any = None, **options: Any) -> Any:
        trainer: Any = self
        for name, why in {
            "auto_find_batch_size": "the order of samples would depend on the memory that is free",
            "load_best_model_at_end": "the best model lies in Trainer's own checkpoints",
        }.items():
            if getattr(trainer.args, name):
                raise UsageError(f"TrainingArguments({name}=True): {why}; leave it out")
        if resume_from_checkpoint:
            raise UsageError(
                "train(resume_from_checkpoint=…): the run itself knows where it resumes: leave that out"
            )
        if trainer.accelerator.distributed_type != "NO" or trainer.args.n_gpu > 1:
            raise UsageError(
                "the Trainer uses several devices; a run's checkpoints are of one: CUDA_VISIBLE_DEVICES=0"
            )
        result = super().train(**options)  # type: ignore[misc]
        self.run.loop.end_of_training()
        return result

    def _init_training_state(self, *args: Any) -> tuple[int, int]:
        _, _ = super()._init_training_state(*args)  # type: ignore[misc]
        return self.run.loop.resumes_at[0] - 1, 0

    def _run_epoch(self, *, train_dataloader: Any, epoch: int, **options: Any) -> None:
        """One epoch, or what is left of the one in which the run stopped."""
        trainer: Any = self
        size = trainer.args.gradient_accumulation_steps
        if self._epoch_steps is None:
            self._hold()
        _, done = self.run.loop.resumes_at
        self._epoch_steps = (epoch, options["steps_in_epoch"])
        options["num_update_steps_per_epoch"] -= done
        options["steps_in_epoch"] -= done * size
        steps = Steps(self.run, train_dataloader, size)
        super()._run_epoch(train_dataloader=steps, epoch=epoch, **options)  # type: ignore[misc]
        self.run.loop.end_of_steps()
        self.run.log(**self.evaluated)
        self.evaluated = {}

    def _hold(self) -> None:
        trainer: Any = self
        objects = {"model": trainer.model, "optimizer": trainer.optimizer.optimizer}
        objects["schedule"] = trainer.lr_scheduler
        objects["accelerator"] = trainer.accelerator
        for callback in trainer.callback_handler.callbacks:
            _check_callback(callback)
        self.run.checkpoint(**objects, trainer=TrainerState(self))

    def training_step(self, *args: Any, **options: Any) -> torch.Tensor:
        loss: torch.Tensor = super().training_step(*args, **options)  # type: ignore[misc]
        self._loss = self._loss + loss.detach()
        return loss

    def evaluate(self, *args: Any, **options: Any) -> dict[str, float]:
        metrics: dict[str, float] = super().evaluate(*args, **options)  # type: ignore[misc]
        self.evaluated |= {
            name: float(value)
            for name, value in metrics.items()
            if name != "epoch" and not name.endswith(TIMES) and hasattr(value, "__float__")
        }
        return metrics


class Trainer(Resumable, transformers.Trainer):
    """`transformers.Trainer`, with `run=…`: see `Resumable`."""


class AfterStep(transformers.TrainerCallback):
    """Comes before all other callbacks."""

    def __init__(self, trainer: Resumable) -> None:
        self.trainer = trainer

    def on_step_end(self, args: Any, state: Any, control: Any, **options: Any) -> None:
        trainer = self.trainer
        trainer.run.average(loss=trainer._loss)
        trainer._loss = 0
        if trainer._epoch_steps is not None:  # the Trainer counts from where the epoch was gone on with
            epoch, batches = trainer._epoch_steps
            done = min((trainer.run.loop.batch + 1) * args.gradient_accumulation_steps, batches)
            state.epoch = epoch + done / batches


class TrainerState:
    """What a Trainer keeps besides model, optimiser and schedule, asked for between two steps."""

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer

    def state_dict(self) -> dict[str, Any]:
        trainer = self.trainer
        state = dataclasses.asdict(trainer.state)
        return {
            "state": {name: state[name] for name in state if name not in ("stateful_callbacks", "training")},
            "control": dict(vars(trainer.control)),
            "loss": trainer._tr_loss,
            **{name: getattr(trainer, name) for name in COUNTERS},
            "evaluated": trainer.evaluated,
            "callbacks": [callback.state()["attributes"] for callback in self._stateful()],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        trainer = self.trainer
        for name, value in state["state"].items():
            setattr(trainer.state, name, value)
        vars(trainer.control).update(state["control"])
        trainer._tr_loss.copy_(state["loss"])
        for name in COUNTERS:
            setattr(trainer, name, state[name])
        trainer.evaluated = state["evaluated"]
        for callback, attributes in zip(self._stateful(), state["callbacks"], strict=True):
            for name, value in attributes.items():
                setattr(callback, name, value)

    def _stateful(self) -> list[Any]:
        callbacks = self.trainer.callback_handler.callbacks
        return [callback for callback in callbacks if isinstance(callback, ExportableState)]


COUNTERS = ("_total_loss_scalar", "_globalstep_last_logged", "_initial_global_step", "current_flos")


def _check_callback(callback: Any) -> None:
    kind = type(callback)
    integration = kind.__module__.startswith("transformers.integrations.")  # reports elsewhere, and no more
    if isinstance(callback, AfterStep | ExportableState) or integration:
        return
    if names := kept(callback, KNOWN):
        raise UsageError(
            f"the callback {kind.__name__} keeps {names}, which the run cannot save: derive it from "
            "transformers.trainer_callback.ExportableState, or set `stateless = True` if it decides "
            "nothing"
        )
