"""A run is a folder: what ran, what it measured, which weights it made. Complete, or not there at all."""

import contextlib
import datetime
import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from samebits import curves, golden, process, progress
from samebits.errors import WrongUse
from samebits.files import cannot_write, sha256_file, write_whole
from samebits.fingerprint import fingerprint
from samebits.isolation import stream
from samebits.seeds import derive_seed, seed_step
from samebits.settings import as_json, changed, deciding

Batch = TypeVar("Batch")

FORMAT = 1  # of the manifest; a reader refuses what it does not know


@contextlib.contextmanager
def open_run(
    settings: Any, *, framework: str, device: str = "cpu", folder: str | os.PathLike[str] | None = None
) -> "Iterator[Run]":
    """Check the process, then collect a run's files beside their folder until `finish` puts them in place.

    Args:
        settings: a frozen dataclass with a `seed`; see `samebits.option`.
        framework: "torch" or "keras".
        device: the kind of device that trains, "cpu" or "cuda".
        folder: where the run goes. SAMEBITS_RUN_FOLDER (set by `samebits smoke`) comes before it, then
            `settings.run`; without any of them it is runs/ and the settings that are not at their default.

    Raises:
        WrongUse: the process was not started with the variables that decide bits, the folder cannot be
            written or holds something else, or an operation has no deterministic kernel.
    """
    process.check(strict=True)
    toolkit = importlib.import_module(f"samebits.{framework}")
    run = Run(settings, framework, device, _choose_folder(settings, framework, folder), toolkit)
    try:  # from here on, whatever ends the process by an exception leaves nothing behind
        _make_working_folder(run.working, run.folder)
        print(f"{framework} on {device}, seed {run.seed}", flush=True)
        yield run
        if not run.finished:
            raise WrongUse("the run ended without `run.finish(model)`: there are no weights to keep")
    except Exception as error:
        reason = toolkit.explain(error)  # an operation without a deterministic kernel is told by name
        if reason is None:
            raise
        raise WrongUse(reason) from error
    finally:
        shutil.rmtree(run.working, ignore_errors=True)


class Run:
    """An open run. Made by `open_run`."""

    def __init__(self, settings: Any, framework: str, device: str, folder: Path, toolkit: ModuleType) -> None:
        self.settings, self.framework, self.device, self.folder = settings, framework, device, folder
        self.seed: int = settings.seed
        self.finished = False
        self._toolkit = toolkit
        self._started = datetime.datetime.now(datetime.UTC)
        self._metrics: list[dict[str, Any]] = []
        self._batches: str | None = None
        self._epochs_seen = 0
        self.working = folder.parent / f".{folder.name}.partial-{os.getpid()}"

    def stream(self, *path: str | int) -> contextlib.AbstractContextManager[None]:
        """Inside the block all generators run a stream of their own, derived from the seed and `path`."""
        return stream(self.seed, *path)

    def batches(self, loader: Iterable[Batch]) -> Iterator[Batch]:
        """One epoch of a loader, shown as progress and hashed.

        Every step gets generators seeded by (seed, epoch, step): what happened between steps, be it an
        evaluation or somebody's stray draw, cannot move the model's dropout.
        """
        digest = hashlib.sha256()
        for step, batch in enumerate(progress.bar(loader, f"epoch {self._epochs_seen + 1}")):
            _feed(digest, batch)
            epoch = getattr(loader, "epoch", self._epochs_seen)  # asked here: a loader counts when it starts
            seed_step(derive_seed(self.seed, "step", epoch, step))
            yield batch
        self._epochs_seen += 1
        self._batches = digest.hexdigest()

    def log(self, **values: Any) -> None:
        """Add one line to metrics.jsonl, with the digest of the batches that were seen since the last one."""
        if self._batches is not None:
            values.setdefault("batches", self._batches)
            self._batches = None
        self._metrics.append(values)
        try:
            with open(self.working / "metrics.jsonl", "a", encoding="utf-8") as file:
                file.write(json.dumps(values) + "\n")
        except OSError as error:
            raise cannot_write(self.folder, error) from None
        shown = {name: value for name, value in values.items() if name != "batches"}
        print("  ".join(f"{name} {_short(value)}" for name, value in shown.items()), flush=True)

    def finish(self, model: Any) -> str:
        """Write the weights, close the manifest, put the folder in place, compare with the golden hash.

        Returns:
            The weights' hash, which is `sha256sum weights.safetensors`.
        """
        weights = self._toolkit.save_weights(model, self.working / "weights.safetensors")
        metrics = self.working / "metrics.jsonl"
        if self._metrics:
            write_whole(self.working / "curves.png", curves.draw(self._metrics))
        else:
            write_whole(metrics, "")
        manifest = {
            "format": FORMAT,
            "framework": self.framework,
            "device": self.device,
            "command": [sys.executable, *sys.orig_argv[1:]],
            "seed": self.seed,
            "settings": as_json(self.settings),
            "deciding_settings": deciding(self.settings),
            "started": self._started.isoformat(timespec="seconds"),
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "git": git_state(),
            "replaced": process.replaced(),
            "allowed": process.allowed(),
            "fingerprint": fingerprint(self.framework, self.device),
            "metrics": self._metrics[-1] if self._metrics else {},
            "metrics_sha256": sha256_file(metrics),
            "weights_sha256": weights,
        }
        verdict = golden.compare(manifest)
        manifest["golden"] = verdict
        write_whole(self.working / "manifest.json", json.dumps(manifest, indent=2) + "\n")
        former = _put_in_place(self.working, self.folder, weights)
        self.finished = True
        print(f"sha256 {weights}  {_shown(self.folder / 'weights.safetensors')}")
        for line in (former, verdict):
            if line:
                print(line)
        return weights


def read_manifest(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The manifest of a finished run.

    Raises:
        WrongUse: the folder is no run, or one of a format that this version does not know.
    """
    path = Path(folder) / "manifest.json"
    try:
        manifest: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        raise WrongUse(f"{folder} is not a finished run: it has no readable manifest.json") from None
    if manifest.get("format") != FORMAT:
        raise WrongUse(
            f"{path} has format {manifest.get('format')!r}; this version of samebits reads {FORMAT}"
        )
    return manifest


def git_state() -> dict[str, Any] | None:
    """The commit and whether the tree differs from it; None outside a checkout or without git.

    In the image, whose code cannot have been changed since, the commit that it was built from.
    """
    if commit_of_image := os.environ.get("SAMEBITS_COMMIT"):
        clean = commit_of_image.removesuffix("-dirty")  # as tools/image.py marks it
        return {"commit": clean, "dirty": clean != commit_of_image}
    try:
        git = ["git", "-C", str(Path(__file__).parent)]
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        status = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return {"commit": commit.stdout.strip(), "dirty": bool(status.stdout.strip())}


def _choose_folder(settings: Any, framework: str, folder: str | os.PathLike[str] | None) -> Path:
    chosen = folder or getattr(settings, "run", None)
    if given := os.environ.get("SAMEBITS_RUN_FOLDER"):
        if chosen is not None and Path(chosen) != Path(given):
            print(f"samebits: SAMEBITS_RUN_FOLDER={given} comes before {chosen}", file=sys.stderr)
        chosen = given
    if chosen is None:
        others = {name: value for name, value in changed(settings).items() if name not in ("run", "data")}
        chosen = Path("runs") / "-".join([framework, *(f"{name}={value}" for name, value in others.items())])
    path = Path(chosen)
    if path.exists() and not (path / "manifest.json").exists():
        raise WrongUse(f"{path} exists and is not a run; name another folder with --run, or move it away")
    return path


def _make_working_folder(working: Path, folder: Path) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for other in folder.parent.iterdir():
            name, _, process_id = other.name.rpartition("-")
            killed = other == working or not Path(f"/proc/{process_id}").exists()
            if name == working.name.rpartition("-")[0] and killed:  # outright, so that it could not clean up
                shutil.rmtree(other, ignore_errors=True)
        working.mkdir()
    except OSError as error:
        raise cannot_write(folder, error) from None


def _put_in_place(working: Path, folder: Path, weights: str) -> str | None:
    """Rename the finished folder; a former run with other weights is kept, under its own hash."""
    if not folder.exists():
        os.rename(working, folder)
        return None
    former = read_manifest(folder)["weights_sha256"]
    if former == weights:
        aside = folder.parent / f".{folder.name}.former-{os.getpid()}"
        os.rename(folder, aside)
        os.rename(working, folder)
        shutil.rmtree(aside, ignore_errors=True)
        return "the same bits as the run that was here before"
    kept = folder.parent / f"{folder.name}.{former[:8]}"
    if kept.exists():
        shutil.rmtree(folder)
    else:
        os.rename(folder, kept)
    os.rename(working, folder)
    return f"the run that was here before has other weights; it is kept as {_shown(kept)}"


def _feed(digest: Any, value: Any) -> None:
    """Add a batch to a hash: every tensor's type, shape and bytes, in the order of the batch."""
    if isinstance(value, dict):
        for name in value:
            digest.update(repr(name).encode())
            _feed(digest, value[name])
    elif isinstance(value, list | tuple):
        for part in value:
            _feed(digest, part)
    elif hasattr(value, "dtype") and hasattr(value, "shape"):
        digest.update(f"{value.dtype}{tuple(value.shape)}".encode())
        digest.update(_bytes(value))
    else:
        digest.update(repr(value).encode())


def _bytes(tensor: Any) -> Any:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(tensor, torch.Tensor):
        tensor = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
        return memoryview(tensor)
    numpy = importlib.import_module("numpy")
    return numpy.ascontiguousarray(tensor).tobytes()


def _short(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _shown(path: Path) -> str:
    with contextlib.suppress(ValueError):
        return str(path.resolve().relative_to(Path.cwd()))
    return str(path)
