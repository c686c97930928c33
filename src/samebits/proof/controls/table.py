"""The controls: what is perturbed in each, and what takes the protection away."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from samebits.process.variables import read_switches

# A project of one framework has the other one's part of samebits not.
FRAMEWORKS = tuple(name for name in ("torch", "keras") if find_spec(f"samebits.{name}"))
SHORT = (
    "--epochs",
    "2",
    "--evaluate-every",
    "0",
)  # of the starter: the second epoch shows what the first moved


@dataclass(frozen=True)
class Variant:
    """One way to run the training script.

    Attributes:
        flags: of `samebits.proof.controls.perturb`.
        arguments: of the script.
        environment: what somebody's shell has set, before entrypoint looks at it.
        hazards: train the network of hazards in place of the script.
        time: tells a run from another of the same variant.
    """

    flags: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    hazards: bool = False
    time: int = 1


@dataclass(frozen=True)
class Control:
    """One perturbation.

    Attributes:
        name: for `--only`.
        what: is perturbed.
        perturbed: the perturbed run.
        baseline: what it is compared with.
        unprotected: what is added to both to take the protection away.
        allow: or the variable that entrypoint is told to leave alone, in the perturbed run only.
        expected: "protected": without protection other bits; "always": other bits with protection, too;
            "may": other bits both ways, or the same both ways, and then it cannot bite;
            "never": the same bits both ways.
        frameworks: where there is such a thing.
        cannot_bite: device → why the perturbation can change nothing there, or None.
    """

    name: str
    what: str
    perturbed: Variant
    baseline: Variant = field(default_factory=Variant)
    unprotected: Variant = field(default_factory=lambda: Variant(flags=("--unprotected",)))
    allow: str | None = None
    expected: str = "protected"
    frameworks: tuple[str, ...] = FRAMEWORKS
    cannot_bite: Callable[[str], str | None] = lambda device: None

    def runs(self) -> tuple[Variant, Variant, Variant, Variant]:
        """The baseline and the perturbed run with protection, and both without."""
        if self.allow:  # the protection is entrypoint's: the baseline has nothing for it to protect from
            allowed = Variant(environment=(("SAMEBITS_ALLOW", self.allow),))
            return self.baseline, self.perturbed, self.baseline, add(self.perturbed, allowed)
        plain = (add(self.baseline, self.unprotected), add(self.perturbed, self.unprotected))
        return self.baseline, self.perturbed, *plain


def add(first: Variant, other: Variant) -> Variant:
    """Both at once."""
    return Variant(
        first.flags + other.flags,
        first.arguments + other.arguments,
        first.environment + other.environment,
        first.hazards or other.hazards,
        max(first.time, other.time),
    )


def controls(framework: str, threads: int, folder: Path) -> list[Control]:
    """The controls for a framework.

    Args:
        framework: "torch" or "keras".
        threads: what SAMEBITS_THREADS is now.
        folder: where a dirty keras.json can be put.
    """
    everything = [
        Control("again", "nothing: the same run again", Variant(time=2), expected="never"),
        Control("seed", "another seed", Variant(arguments=("--seed", "1")), expected="always"),
        Control("evaluation", "an evaluation after the first epoch", _evaluation(framework)),
        Control("workers", "two workers", Variant(arguments=("--workers", "2"))),
        Control("draw-python", "stray draws from Python's generator", _draw("random")),
        Control("draw-numpy", "stray draws from NumPy's generator", _draw("numpy.random")),
        Control("draw-torch", "stray draws from torch's generator", _draw("torch"), frameworks=("torch",)),
        Control("draw-keras", "stray draws from Keras's generator", _draw("keras"), frameworks=("keras",)),
        Control(
            "draw-tensorflow",
            "stray draws from TensorFlow's generator",
            _draw("tensorflow"),
            frameworks=("keras",),
        ),
        Control(
            "set-order",
            "a set's order, PYTHONHASHSEED=1",
            Variant(("--order-from-set",), environment=(("PYTHONHASHSEED", "1"),)),
            baseline=Variant(("--order-from-set",)),
            allow="PYTHONHASHSEED",
        ),
        Control(
            "threads",
            f"{threads + 1} threads in place of {threads}",
            Variant(environment=(("SAMEBITS_THREADS", str(threads + 1)),)),
            expected="may",
            cannot_bite=lambda device: None if device == "cpu" else "the sums are made on the GPU",
        ),
        Control(
            "keras-json",
            "floatx float64 in keras.json",
            Variant(environment=(("KERAS_HOME", str(folder / "keras")),)),
            allow="KERAS_HOME",
            cannot_bite=lambda device: "PyTorch reads no keras.json" if framework == "torch" else None,
        ),
        Control(
            "atomics",
            "the hazards again, racing on a GPU",
            Variant(hazards=True, time=2),
            baseline=Variant(hazards=True),
            unprotected=_any_kernel(framework),
            cannot_bite=lambda device: (
                "no operation of the hazards races on a CPU" if device == "cpu" else None
            ),
        ),
    ]
    return [control for control in everything if framework in control.frameworks]


def write_keras_json(folder: Path) -> None:
    """Somebody's own ~/.keras/keras.json, where `controls` expects it."""
    settings = {
        "floatx": "float64",
        "epsilon": 1e-3,
        "backend": "tensorflow",
        "image_data_format": "channels_last",
    }
    (folder / "keras").mkdir()
    (folder / "keras" / "keras.json").write_text(json.dumps(settings))


def environment(variant: Variant, outside: Mapping[str, str]) -> dict[str, str]:
    """The variables to start a variant with; what the user allows stays allowed."""
    variables = dict(variant.environment)
    if "SAMEBITS_ALLOW" in variables and outside.get("SAMEBITS_ALLOW"):
        variables["SAMEBITS_ALLOW"] += "," + outside["SAMEBITS_ALLOW"]
    return variables


def _draw(generator: str) -> Variant:
    return Variant(("--draw", generator))


def _evaluation(framework: str) -> Variant:
    flags = ("--evaluate",) if framework == "keras" else ()
    return Variant(flags, arguments=("--evaluate-every", "1"))


def _any_kernel(framework: str) -> Variant:
    """The kernels that a framework would choose by itself: open_run leaves every switch as it is."""
    allowed, variables = [row.name for row in read_switches()], []
    if framework == "keras":  # which has a variable of the same meaning
        allowed.append("TF_DETERMINISTIC_OPS")
        variables.append(("TF_DETERMINISTIC_OPS", "0"))
    return Variant(environment=(("SAMEBITS_ALLOW", ",".join(allowed)), *variables))
