"""A Lightning `Trainer` whose runs can be interrupted anywhere: one callback."""

from typing import Any

from samebits import _extras

if line := _extras.missing("lightning"):
    raise _extras.MissingPackage(line)

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loops.loop import _Loop
from lightning.pytorch.trainer.connectors.data_connector import _DataLoaderSource
from lightning.pytorch.trainer.connectors.logger_connector.result import (
    _Metadata,
    _ResultCollection,
    _ResultMetric,
    _Sync,
)
from torchmetrics import Metric

from samebits.errors import UsageError
from samebits.run.run import Run
from samebits.torch.loading import Loader
from samebits.torch.trainer_loop import Steps, kept

# What Lightning's connector to loggers knows of an epoch: without it, the sums of `self.log` start again.
LOGGING = ("_callback_metrics", "_logged_metrics", "_progress_bar_metrics", "_first_loop_iter", "_current_fx")
# Lightning's callbacks that decide nothing, or that derive what they decide from the epoch's number.
KNOWN = (
    "DeviceStatsMonitor",
    "GradientAccumulationScheduler",
    "LearningRateMonitor",
    "ModelCheckpoint",
    "ModelSummary",
    "OnExceptionCheckpoint",
    "RichModelSummary",
    "RichProgressBar",
    "ThroughputMonitor",
    "TQDMProgressBar",
)
HELD = ("EarlyStopping",)  # of Lightning's that decide something: their state comes back between two steps


class Resume(Callback):
    """Makes `trainer.fit` a run that resumes where it was interrupted, bit by bit.

    >>> with samebits.torch.open_run(settings, device="cpu") as run:
    ...     trainer = Trainer(max_epochs=20, callbacks=[Resume(run)], logger=False)
    ...     trainer.fit(model, run.loader(dataset, shuffle=True), test_loader)
    ...     run.finish(model)

    The run holds the module, what `configure_optimizers` returns, the precision's scaler, the loops'
    counters, what was logged so far, the other callbacks' state and the data module's. Each epoch's line of
    metrics has what the module logs with `on_epoch=True`. Lightning's own checkpoints are not needed.

    A signal is acted upon when the next batch is asked for, so after a validation that is under way.

    Raises:
        UsageError: in `fit`, when something cannot be held: several devices or loaders, a callback that keeps
            something and gives no state.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.validated: dict[str, float] = {}  # since the last line of metrics

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        if trainer.world_size > 1:
            raise UsageError(
                f"the Trainer uses {trainer.world_size} processes; a run's checkpoints are of one"
            )
        loop = trainer.fit_loop
        loop._data_source = Source(loop._data_source.instance, loop._data_source.name, self.run)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.fit_loop._loaded_from_state_dict:
            raise UsageError(
                "trainer.fit(ckpt_path=…): the run itself knows where it resumes, so leave that out"
            )
        objects = {
            "module": pl_module,
            **_numbered("optimizer", trainer.optimizers),
            **_numbered("schedule", [config.scheduler for config in trainer.lr_scheduler_configs]),
            "precision": trainer.precision_plugin,
            "trainer": TrainerState(trainer, self),
        }
        objects |= _numbered(
            "callback",
            [callback for callback in trainer.callbacks if callback is not self and _to_hold(callback)],
        )
        if trainer.datamodule is not None:
            objects["datamodule"] = trainer.datamodule
        if trainer.enable_validation and trainer.val_dataloaders is None:
            trainer.validating = True
            trainer.fit_loop.epoch_loop.val_loop.setup_data()
            trainer.training = True
        self.run.checkpoint(**objects)
        if self.run.loop.resumes:  # the rest comes back with the first batch
            for progress in (trainer.fit_loop.epoch_progress.current, trainer.fit_loop.epoch_progress.total):
                progress.ready = progress.started = progress.processed = progress.completed = (
                    self.run.loop.resumes_at[0] - 1
                )

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        # A validation may come now; its samples' generators follow the epoch, not how many came before it.
        loaders = trainer.fit_loop.epoch_loop.val_loop._combined_loader
        for loader in loaders.flattened if loaders is not None else ():
            if isinstance(loader, Loader):
                loader.set_epoch(trainer.current_epoch)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.sanity_checking:
            self.validated |= _of_epoch(trainer.fit_loop.epoch_loop.val_loop._results)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.run.loop.end_of_steps()
        self.run.log(**_of_epoch(trainer.fit_loop.epoch_loop._results), **self.validated)
        self.validated = {}

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.run.loop.end_of_training()  # now: next, Lightning puts back the handlers from before its own


class Source(_DataLoaderSource):
    """Where Lightning gets its training data from."""

    def __init__(self, instance: Any, name: str, run: Run) -> None:
        super().__init__(instance, name)
        self.run = run

    def dataloader(self) -> Any:
        return Steps(self.run, super().dataloader())


class TrainerState:
    """What a Trainer keeps besides module, optimisers and schedules, asked for between two steps."""

    def __init__(self, trainer: Trainer, callback: Resume) -> None:
        self.trainer, self.callback = trainer, callback

    def state_dict(self) -> dict[str, Any]:
        trainer, module = self.trainer, self.trainer.lightning_module
        of_module: dict[str, Any] = {}
        module.on_save_checkpoint(of_module)
        return {
            "loops": trainer.fit_loop.state_dict(),
            "fetched": trainer.fit_loop._data_fetcher.fetched,
            "should_stop": trainer.should_stop,
            "logging": {name: getattr(trainer._logger_connector, name) for name in LOGGING},
            "logged": _get_results(trainer.fit_loop.epoch_loop._results),
            "metrics": {name: _get_metric(metric) for name, metric in _metrics(module)},
            "validated": self.callback.validated,
            "module": of_module,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        trainer, module = self.trainer, self.trainer.lightning_module
        _put_loop(trainer.fit_loop, state["loops"])
        trainer.fit_loop._data_fetcher.fetched = state["fetched"]
        trainer.should_stop = state["should_stop"]
        for name, value in state["logging"].items():
            setattr(trainer._logger_connector, name, value)
        _put_results(trainer, state["logged"])
        for name, metric in _metrics(module):
            _put_metric(metric, state["metrics"][name])
        self.callback.validated = state["validated"]
        module.on_load_checkpoint(state["module"])


def _put_loop(loop: _Loop, state: dict[str, Any], prefix: str = "") -> None:
    """`load_state_dict` of a loop without its consequence: the loops are in the midst of an epoch already."""
    loop._load_from_state_dict(state, prefix)
    for name, inner in vars(loop).items():
        if isinstance(inner, _Loop):
            _put_loop(inner, state, f"{prefix}{name}.")


def _metrics(module: LightningModule) -> list[tuple[str, Metric]]:
    return [(name, metric) for name, metric in module.named_modules() if isinstance(metric, Metric)]


def _get_metric(metric: Metric) -> dict[str, Any]:
    """What a metric has added up: no part of a module's state dict."""
    values = {name: getattr(metric, name) for name in metric._defaults}
    return {"values": values, "updates": metric._update_count}


def _put_metric(metric: Metric, state: dict[str, Any]) -> None:
    for name, value in state["values"].items():
        setattr(metric, name, value)
    metric._update_count = state["updates"]
    metric._computed = None


def _get_results(results: _ResultCollection) -> dict[str, Any]:
    """What `self.log` has added up in this epoch: no part of Lightning's own checkpoints."""
    plain = ("fx", "name", "prog_bar", "logger", "on_step", "on_epoch", "enable_graph", "add_dataloader_idx")
    state = {}
    for key, result in results.items():
        if not result.is_tensor:
            raise UsageError(
                f"self.log({result.meta.name!r}, …) logs a {type(result.value).__name__}, which a checkpoint "
                "cannot hold: log its compute() at the epoch's end"
            )
        meta = {name: getattr(result.meta, name) for name in plain}
        sync = {name: getattr(result.meta.sync, name) for name in ("_should", "rank_zero_only")}
        reduction = result.meta.reduce_fx.__name__
        state[key] = {
            "meta": meta,
            "sync": sync,
            "reduce": reduction,
            "reset": result.has_reset,
            **_get_metric(result),
        }
    return state


def _put_results(trainer: Trainer, state: dict[str, Any]) -> None:
    results = trainer.fit_loop.epoch_loop._results
    results.clear()
    for key, saved in state.items():
        meta = _Metadata(**saved["meta"], reduce_fx=getattr(torch, saved["reduce"]))
        meta.sync = _Sync(
            fn=trainer.strategy.reduce, **saved["sync"]
        )  # Lightning compares it with the next log's
        result = _ResultMetric(meta, is_tensor=True)
        _put_metric(result, saved)
        result.has_reset = saved["reset"]
        results[key] = result


def _of_epoch(results: _ResultCollection | None) -> dict[str, float]:
    """What was logged with `on_epoch=True`, by the names that the module gave."""
    logged = {} if results is None else results.metrics(on_step=False)["callback"]
    forked = {f"{result.meta.name}_epoch" for result in (results or {}).values() if result.meta.forked}
    return {name: float(value) for name, value in logged.items() if name not in forked}


def _numbered(name: str, objects: list[Any]) -> dict[str, Any]:
    return {f"{name}_{number}": element for number, element in enumerate(objects)}


def _to_hold(callback: Callback) -> bool:
    """Whether another callback has a state to hold.

    Raises:
        UsageError: it keeps something and gives no state, or Lightning gives it back at another time.
    """
    kind = type(callback)
    of_lightning = kind.__module__.startswith(("lightning.", "pytorch_lightning."))
    gives = kind.state_dict is not Callback.state_dict and (not of_lightning or kind.__name__ in HELD)
    if not gives and (names := kept(callback, KNOWN)):
        way = "give it state_dict and load_state_dict, or `stateless = True` if it decides nothing"
        raise UsageError(
            f"the callback {kind.__name__} keeps {names}, which the run cannot save: "
            + ("leave it out" if of_lightning else way)
        )
    return gives
