"""What a run saves and resumes from: its checkpoints, when one is due, and what they hold."""

import sys
from collections.abc import Mapping
from typing import Any

from samebits._files import shown
from samebits._printable import printable
from samebits.chance.memory import look_at_held
from samebits.checkpoint.files import Checkpoint
from samebits.checkpoint.state import TrainingState
from samebits.checkpoint.writer import Saver
from samebits.errors import UsageError
from samebits.hashing.weights import Tensor
from samebits.process import memory
from samebits.run import resume
from samebits.run.folder import WorkingFolder
from samebits.run.metrics import Metrics
from samebits.run.options import Options
from samebits.unsaved.carried import Carried

# The next epoch and its batch, and whether the code at that epoch's head comes before it.
Position = tuple[int, int, bool]


class Saving:
    """The checkpoints of one run.

    Args:
        options: when to save, what to keep, how to resume.
        working: the run's folder.
        metrics: the lines so far; a checkpoint says how far they were.

    Attributes:
        resume_from: the checkpoint to resume, until all of it is restored; None where there is nothing.
        state: what `run.checkpoint` named; None before.
        attributes: those of its objects that checkpoints hold by themselves; None before.
        every: steps between checkpoints; 0: each epoch's end.
        within_epochs: whether checkpoints within an epoch are asked for.
        due: a checkpoint is, since a step.
        chain: a table for each process that had a part in this run, the first one first.
        step: after which the newest one was made; -1 without one.
        position: the one of the newest, or of the one that was restored.
    """

    def __init__(self, options: Options, working: WorkingFolder, metrics: Metrics) -> None:
        self.resume_from: Checkpoint | None = None
        self.state: TrainingState | None = None
        self.attributes: Carried | None = None
        self.every = options.checkpoint_every
        self.due = False
        self.step = -1
        self.position: Position | None = None
        self._steps = frozenset(options.keep_steps)
        self.within_epochs = bool(self.every or self._steps)
        self._looks_at_memory = memory.filled()
        self._options, self._working, self._metrics = options, working, metrics
        self._facts: Mapping[str, Any] = {}
        self.chain: list[dict[str, Any]] = []
        self._taken: tuple[tuple[Any, Any], dict[str, Tensor]] | None = None
        self._saver = Saver(working.checkpoints, options.keep_checkpoints, self._steps, working.metrics)

    def find(self) -> None:
        """Look for what to resume from.

        Raises:
            UsageError: as `resume.find_checkpoint`.
        """
        self.resume_from = resume.find_checkpoint(self._working, resume.mode(self._options.resume))

    def checkpoint(self, state: TrainingState, facts: Mapping[str, Any], link: Mapping[str, Any]) -> None:
        """What checkpoints hold from now on.

        Args:
            state: of the training.
            facts: what must be the same when the run resumes elsewhere.
            link: what the manifest's chain says of this process.

        Raises:
            UsageError: what is to be resumed was made in another way, or by other objects.
        """
        forced: list[str] = []
        step = 0
        if self.resume_from is not None:
            forced = resume.refuse_or_note(self.resume_from, facts, resume.mode(self._options.resume))
            state.check(self.resume_from.content["state"], self.resume_from.tensors)
            self._looks_at_memory = False  # NaN in a checkpoint are what the training computed
            self.chain, step = list(self.resume_from.content["chain"]), self.resume_from.content["step"]
        for line in forced:
            print(f"samebits: resumes although {printable(line)}", file=sys.stderr)
        self.state, self._facts = state, facts
        self.chain.append({"from_step": step, **link, "forced": forced})

    def restore(self) -> dict[str, Any] | None:
        """Where there is something to resume from, put back what is held, the generators and the metrics.

        Returns:
            What the checkpoint says besides; None without one.

        Raises:
            UsageError: nothing is held.
        """
        if self.resume_from is None:
            return None
        if self.state is None:
            raise UsageError(
                f"{shown(self._working.path)} is an interrupted run, and this one saves no checkpoints: call "
                "run.checkpoint(…) first, or `--resume never` starts from the beginning"
            )
        content = self.resume_from.content
        self.state.restore(content["state"], self.resume_from.tensors)
        if self.attributes is not None:
            self.attributes.restore(content.get("attributes"), self.resume_from.tensors)
            self.chain[-1]["restored"] = self.attributes.restored
        self._metrics.restore(content)
        self.step, self.position = content["step"], (*content["next"], content["ended"])
        return content

    def begin_step(self) -> None:
        """To be called before each step of the training."""
        if self.state is None:
            return
        if self._looks_at_memory:
            self._looks_at_memory = False
            look_at_held(self.state.objects, self.state.capture()[1])
        self.state.begin_step()

    def count(self, step: int) -> None:
        """A step is complete."""
        self.due |= step in self._steps or bool(self.every and step % self.every == 0)

    def take(self) -> None:
        """Copy the state as it is now: it is what `save` writes, if another batch follows."""
        self._taken = self._capture()

    def save_taken(self, progress: Mapping[str, Any], position: Position) -> None:
        """Save what `take` copied, where it did."""
        if self._taken is not None:
            self.save(progress, position)

    def drop_taken(self) -> None:
        """What `take` copied is not saved: no batch followed."""
        self._taken = None

    def save(self, progress: Mapping[str, Any], position: Position) -> None:
        """Begin to write a checkpoint, unless the newest one is of the same position.

        Args:
            progress: how far the training is: `epoch`, `step`, and what the loop reads back.
            position: where it is resumed.

        Raises:
            UsageError: the one before could not be written.
        """
        self.due = False
        if position == self.position:
            return
        (state, attributes), tensors = self._taken or self._capture()
        content = {
            **self._facts,
            "run": self._working.run,
            "chain": self.chain,
            **progress,
            "next": position[:2],
            "ended": position[2],
            **self._metrics.saved(),
            "state": state,
            "attributes": attributes,
        }
        self._saver.save(progress["step"], content, tensors)
        # Last: a signal that comes before must not take this checkpoint for made.
        self.step, self.position, self._taken = progress["step"], position, None

    def wait(self) -> None:
        """Return when everything is on disk.

        Raises:
            UsageError: it could not be written.
        """
        self._saver.wait()

    def close(self) -> None:
        """Whatever is being written is written."""
        self._saver.close()

    def _capture(self) -> tuple[tuple[Any, Any], dict[str, Tensor]]:
        """A copy of what is held now: of its states and of its other attributes, and the tensors of both."""
        assert self.state is not None
        assert self.attributes is not None
        self._saver.wait()  # what is being written are the copies that are made next
        state, tensors = self.state.capture()
        return (state, self.attributes.capture(tensors)), tensors
