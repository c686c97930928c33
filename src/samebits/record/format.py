"""What a record holds: one JSON table a line, one file a process. `record` writes it, `diff` reads it.

A record is a folder. Each process below the command writes `<pid>.jsonl` there (`<pid>-2.jsonl` where the
number was used before). A line is written whole and at once, so a file is good up to its last whole line: a
process that was killed leaves no `end`, and perhaps one half line. A process that did nothing leaves an
empty file. The tensors themselves, of the steps for which they were asked, stand in files of their own: see
values.py.

Digests are DIGITS hexadecimal digits. The digests of many tensors stand in one string, in the order of a
`names` line that was written before: two such strings are compared without being cut up. MISSING stands for a
tensor that is not there, such as the gradient of a frozen parameter.

A digest is XXH3-128 (samebits.hashing.digest), of tensors on a GPU a sum of mixed words that the GPU computes
(samebits.torch.device_digest). The second kind is told, with its version, beside the digests: "digests" of a
`names` line, "digest" of a call or an evaluation.

Two files can be compared where FORMAT and the digest's version are the same, and where both or neither are
what a run records by itself: its digests are other ones. Two digests can be compared where they are of the
same kind; others say nothing about each other. Processes are matched by their role and rank, steps by their
optimiser and its own count, tensors by their names; nothing by its line in the file.
"""

from typing import Any, Literal, NotRequired, TypedDict

FORMAT = 2  # of each level: a reader that does not know the lines inside a step ignores them
STEP, LAYER, OPERATION = LEVELS = ("step", "layer", "operation")  # each holds what those before it hold, too
INSIDE = (LAYER, OPERATION)  # the events within a step; they stand before the line of what they belong to
RUN_FILE = "record.jsonl"  # in a run's folder
OF_A_RUN = "first steps"  # the level of what a run records by itself: samebits.run.first_steps
DIGITS = 32
MISSING = "." * DIGITS
AFTER_BACKWARD, AT_OPTIMIZER = "after backward", "at optimizer"  # where gradients are looked at

Digest = str  # DIGITS long
Digests = str  # as many times DIGITS as there are names
# "python", "numpy", "torch", "cuda:0", "tensorflow", "keras:dropout" (a layer's): of a generator's state
Generators = dict[str, Digest]
# How generators moved since the event before this one, in order; the first 64. Each: the generator, the
# digest of its new state, during what it moved, such as "iter() of a DataLoader", and the user's line.
Moves = list[list[str]]


class Record(TypedDict):
    """The first line of a file: which process this is."""

    event: Literal["record"]
    format: int
    digest: int  # the version of samebits.hashing.digest
    level: str  # one of LEVELS
    samebits: str  # its version
    python: str
    command: list[str]  # paths shortened as in manifests; words that look like secrets are "***"
    folder: str | None  # where it was started, seen from the project
    pid: int
    parent: int  # the pid of the process that started it
    role: str  # "main"; "worker 0" of a data loader; else multiprocessing's name, such as "Process-2"
    steps: NotRequired[list[int]]  # the first and the last that have lines inside; not there: all
    rank: NotRequired[int]  # these three where torchrun, or what works like it, has set them
    local_rank: NotRequired[int]
    world_size: NotRequired[int]


class Settings(TypedDict):
    """What can change bits; written before the first `initial` of a framework."""

    event: Literal["settings"]
    framework: str
    device: str
    fingerprint: dict[str, Any]  # the facts of a manifest: samebits.fingerprint.facts
    code: dict[str, Any]  # as a manifest has it: commit, and the SHA-256 of the user's own modules


class File(TypedDict):
    """A file that was opened for reading, the first time; not one of installed packages or of Python."""

    event: Literal["file"]
    path: str  # shortened as in manifests
    size: int
    digest: Digest | None  # of its bytes; None where it is too large to be read for this
    written: NotRequired[bool]  # this process has written it before


class Listing(TypedDict):
    """The names that a folder gave, each time that a folder was listed with another result."""

    event: Literal["listing"]
    path: str
    count: int
    digest: Digest  # of the names in the order in which the folder gave them
    set: Digest  # of the names in sorted order


class Chance(TypedDict):
    """At the end: who asked for chance that no seed decides, as `samebits watch --json` prints it."""

    event: Literal["chance"]
    sources: list[dict[str, Any]]


class Names(TypedDict):
    """The tensors whose digests follow in one string. Written again, with a new number, when they change."""

    event: Literal["names"]
    id: int  # counted from 0 in this file
    kind: Literal["parameters", "buffers", "state"]
    owner: str  # the class of the model or the optimiser
    names: list[str]
    shapes: list[list[int]]  # of an optimiser's state that is no tensor: []; -1: a size that is not fixed
    dtypes: list[str]  # such as "float32"; of what is no tensor: its type
    digests: NotRequired[list[str]]  # the kind of each one's digest, "" for XXH3-128; not there: of all


class Initial(TypedDict):
    """A model is seen for the first time: before its first call, or before a step with its parameters."""

    event: Literal["initial"]
    model: str  # its class, or the optimiser's where no module was called
    line: str  # of the user's code: "train.py:12"; "" where there is none
    names: dict[str, int]  # "parameters", "buffers": the id of their Names
    parameters: Digests
    buffers: Digests
    generators: Generators
    moves: NotRequired[Moves]


class Call(TypedDict):
    """An outermost module call with gradients: a part of the batch."""

    module: str  # its class
    training: bool
    other_mode: NotRequired[list[str]]  # layers in another mode than the module itself; the first 64
    autocast: NotRequired[str]  # the types that it computes with: "mixed_bfloat16"; not there: its own
    arguments: Digest
    outputs: NotRequired[Digest]  # of what it returned; not there if it raised an exception
    digest: NotRequired[str]  # the kind of these digests; not there: XXH3-128
    shapes: list[list[int]]  # of the tensors among the arguments, in order
    rows: str | None  # samebits.hashing.digest.rows of the first of these; None of a long or a computed one


class Step(TypedDict):
    """A call of an optimiser's `step`, or one that a GradScaler skipped. In Keras: a call of its `apply`.

    In Keras the first of `calls` is the batch that `model.fit` gives to a step: inputs, targets, weights. A
    function that XLA compiled has one call, no losses, and no gradients.
    """

    event: Literal["step"]
    optimizer: int  # in the order in which the optimisers were made, from 0
    # "class" stands here, too: the optimiser's (no name for a field in Python)
    step: int  # its own count, from 1
    skipped: bool
    line: str  # of the user's code that called it, or called who called it: "train.py:34"
    calls: list[Call]  # since the last step, in order; the first 1,000
    # Of each batch that torch's data loaders have given since the last step: its samples' indices, or the
    # digest of each that is no number; of more than 1,024 one digest.
    samples: NotRequired[list[list[int | str]]]
    losses: list[list[Any]]  # [digest, value or None] of each backward since the last step; the first 64
    lrs: list[float]  # of each parameter group
    names: dict[str, int]  # "parameters" (also of the gradients), "buffers", "state": the id of their Names
    gradients: dict[str, Digests]  # AFTER_BACKWARD; AT_OPTIMIZER only where it is another string
    held: NotRequired[int]  # gradients that were there before the first backward, not zero; not there: 0
    parameters: Digests  # of the optimiser, after the step
    buffers: Digests  # of the models that were called, after the step
    state: Digests  # of the optimiser, after the step
    epoch: NotRequired[
        int | None
    ]  # from 1, where it is certain: the pass through the one data loader that fed it
    generators: dict[str, Generators]  # "before" the first call and "after" the step
    moves: NotRequired[Moves]


class Epoch(TypedDict):
    """The end of an epoch. Only what a run records by itself has it: its steps lack weights but the first."""

    event: Literal["epoch"]
    epoch: int  # from 1
    step: int  # of the whole run, after which it ended
    names: dict[str, int]  # "parameters": the id of their Names
    parameters: Digests


class Evaluation(TypedDict):
    """The outermost module calls without gradients between two steps, together."""

    event: Literal["evaluation"]
    after: dict[str, int]  # the steps that each optimiser has made, by its number as text
    count: int
    models: list[str]  # the classes that were called, each once
    training: list[bool]  # the modes in which they were called: [false], [true] or both
    other_mode: NotRequired[list[str]]  # layers in another mode than their model, in any call; the first 64
    arguments: Digest  # of all arguments, in order
    outputs: Digest
    line: str  # of the first call
    digest: NotRequired[str]  # the kind of these digests; not there: XXH3-128
    generators: Generators  # after the last call
    moves: NotRequired[Moves]


class Inside(TypedDict):
    """What the lines inside a step have in common: those of a layer and of an operation.

    They stand in the order in which they ended, so what is computed within a layer stands before it, and all
    of them before the `step` or the `evaluation` that they belong to. A line is known by what stands here
    from `after` to `occurrence`, whatever its place is.
    """

    event: Literal["layer", "operation"]
    after: dict[str, int]  # the steps that each optimiser has made, by its number as text
    evaluation: NotRequired[Literal[True]]  # the outermost call is one without gradients
    thread: NotRequired[str]  # its name, where it is not the main one
    direction: Literal["forward", "backward", ""]  # "": of the optimiser, or of code outside of modules
    module: str  # its path in the outermost model: "features.3"; "" for that itself, and for none
    # "class" stands here, too: the module's (no name for a field in Python)
    model: str  # the class of the outermost
    name: NotRequired[str]  # of an operation: "aten::convolution_backward"
    occurrence: int  # how often it was there since the last step of this thread, from 1
    line: str  # of the user's code, "model.py:41"; of backward: where the forward call stands
    inputs: Digests  # of each tensor, as it was before
    outputs: Digests  # of each tensor; "" where an exception ended it
    shapes: list[list[int]]  # of the outputs
    dtypes: list[str]  # of the outputs
    digest: NotRequired[str]  # the kind of these digests; not there: XXH3-128
    generators: NotRequired[dict[str, list[Digest]]]  # that moved: their states before and after


class Layer(Inside):
    """A call of a module, or its backward.

    Behind the digests of tensors stands one of everything together, where there is more than tensors:
    numbers, texts, the keys of a table. Of backward, `inputs` are the gradients of the module's outputs and
    `outputs` those of what it has computed with: MISSING for a gradient that nobody has asked for.
    """

    training: bool
    settings: str  # what torch's own modules print of themselves: "eps=1e-05, momentum=0.1"; else ""
    weights: NotRequired[Digests]  # forward: of its own parameters and buffers before it, in their order
    compiled: NotRequired[Literal[True]]  # by torch.compile: there is no line of what it consists of
    of: NotRequired[list[str]]  # backward: whose gradients the outputs are: "input", "input 1", "weight"


class Operation(Inside):
    """A call of an operation of torch, such as those of ATen. See samebits.torch.operations for which.

    What it only overwrites is MISSING among the inputs, and so is an output that was not computed. Behind the
    outputs stands what it has written into. Of what processes exchange, the outputs are MISSING.
    """

    settings: NotRequired[str]  # the arguments that are no tensors, as Python writes them; the first 200
    of: NotRequired[list[str]]  # the names of the outputs, where they have any: "grad_weight", "self[3]"


class Logs(TypedDict):
    """What Keras's own loop tells its callbacks at the end of an epoch: what `fit` prints."""

    event: Literal["logs"]
    epoch: int  # from 1
    values: dict[str, Any]  # by the name of the metric; NaN and infinity as text


class Unseen(TypedDict):
    """What is computed and not recorded, such as in a function that XLA compiles; each once."""

    event: Literal["unseen"]
    what: str


class Stopped(TypedDict):
    """The recording ended here, the training did not."""

    event: Literal["stopped"]
    why: str


class End(TypedDict):
    """The process came to its end; not there when it was killed."""

    event: Literal["end"]
    steps: int  # of all its optimisers
    exception: str | None  # the class of the exception that ended it
