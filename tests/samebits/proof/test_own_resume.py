"""`samebits resume-proof --resume-with`: trainings that save and load by themselves."""

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import ROOT, Started, one_line
from tests.test_readme import pattern

Prove = Callable[..., Started]
WITH = ("--resume-with", "--resume {checkpoint}")
PRETENDS = ("--", "python", "pretends.py")


@pytest.fixture
def prove(start: Callable[..., Started], tmp_path: Path) -> Prove:
    """Run the command in a folder with the training that computes nothing."""
    shutil.copy(Path(__file__).parent / "pretends.py", tmp_path)

    def prove(*words: object) -> Started:
        return start("samebits", "resume-proof", *words, cwd=tmp_path, ROOT_OF_TESTS=str(ROOT))

    return prove


def test_it_is_stopped_early_in_the_middle_and_late(prove: Prove, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/step-99.pkl").write_bytes(b"of another training")
    done = prove(*WITH, *PRETENDS)
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines[1:]] == [
        f"resumes: stopped after step {stop}, resumed after step {after} from out/step-{after}.pkl: "
        "the same bits until the end, step 9"
        for stop, after in ((3, 2), (4, 2), (5, 4), (8, 6))
    ]
    assert last.startswith(
        "resumes: stopped and resumed 4 times, the same bits as 9 steps in one go, weights "
    )
    assert not (tmp_path / "runs").exists()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["step-99.pkl"]  # the copies had theirs


LOST = {
    "the place": "after step 4 from out/step-4.pkl: first difference: step 5, the batch; lost: the position "
    "in the data: the batch of step 1 comes again",
    "the schedule": "the learning rate: 0.1 in A, 0.7 in B (A: in one go); lost: the schedule's state",
    "the state": "state `0.weight.momentum_buffer` (and 3 more of 4) after it; lost: the optimiser's state",
    "the end": "control flow: A ends after 9 steps, B continues to 13 (A: in one go); lost: the step counter",
    "the option": "it began with the initial weights: it did not load out/step-4.pkl, or not its weights",
    "the weights": "the checkpoint does not hold the weights of any step, or the model is used before they "
    "are loaded: 3 of 4 tensors are those of step 4, not `0.bias`",
}


@pytest.mark.parametrize("lose", LOST)
def test_what_was_lost_is_named(prove: Prove, tmp_path: Path, lose: str) -> None:
    done = prove("--at", 5, "--json", "--resume-with", f"--resume {{checkpoint}} --lose '{lose}'", *PRETENDS)
    assert done.returncode == 1, done.stderr
    assert "does not resume: stopped after step 5" in one_line(done.stderr)
    assert LOST[lose] in done.stderr
    told = json.loads(done.stdout)
    (trial,) = told["trials"]
    assert (told["same"], told["steps"], trial["stopped_after"]) == (False, 9, 5)
    assert trial["checkpoint"] == "out/step-4.pkl"
    assert trial["resumed_after"] == (None if lose in ("the option", "the weights") else 4)
    assert (tmp_path / told["kept"] / "resumed-5.record").is_dir()


@pytest.mark.parametrize(
    ("save", "at", "after"),
    [("one at a time", 7, 6), ("slowly", 7, 4), ("cut", 7, 4)],
)
def test_the_last_complete_file_is_taken(prove: Prove, save: str, at: int, after: int) -> None:
    done = prove("--at", at, *WITH, *PRETENDS, "--save", save)
    assert done.returncode == 0, done.stderr
    assert f"stopped after step {at}, resumed after step {after} from out/step-{after}.pkl" in done.stdout


def test_it_may_resume_by_itself_and_save_when_it_is_asked(prove: Prove) -> None:
    done = prove("--at", 5, "--resume-with", "", *PRETENDS, "--save", "by itself")
    assert done.returncode == 0, done.stderr
    assert "stopped after step 5, resumed after step 4: the same bits" in done.stdout
    done = prove("--at", 1, "--resume-with", "", *PRETENDS, "--save", "by itself")
    assert done.returncode == 2
    assert "stopped after step 1: nothing was written before, so it began again" in one_line(done.stderr)


def test_what_is_saved_after_sigterm_is_taken(prove: Prove) -> None:
    whole = "python pretends.py --resume {checkpoint}"  # not with the words of the command
    words = ("--at", 5, "--json", "--resume-with", whole, *PRETENDS, "--save", "when asked")
    done = prove("--signal", "TERM", *words)
    assert done.returncode == 0, done.stderr
    (trial,) = json.loads(done.stdout)["trials"]
    assert (trial["checkpoint"], trial["resumed_after"]) == ("out/step-5.pkl", 5)
    assert "nothing was written that may be the {checkpoint}" in one_line(prove(*words).stderr)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((*WITH, *PRETENDS, "--save", "nothing"), "before the last step, 9, nothing was written that may be"),
        ((*WITH, "--at", 9, *PRETENDS), "--at 9: the training has 9 steps, so give 1 to 8"),
        ((*WITH, "--at", 1, *PRETENDS), "step 1: nothing was written before that may be the {checkpoint}"),
        ((*WITH, "--checkpoint", "no/*", *PRETENDS), "nothing was written that may be the {checkpoint}"),
        ((*WITH, *PRETENDS, "--steps", 1), "the training has a single step"),
        ((*WITH, "--", "python", "-c", "1"), "took no step of an optimiser"),
        (("--resume-with", "--from {file}", *PRETENDS), "has {file}, and the only placeholder is"),
        (("--resume-with", "--resume '{checkpoint}", *PRETENDS), "shell could read (No closing quotation)"),
        (("--resume-with", "--resume {checkpoint} \\", *PRETENDS), "shell could read (No escaped character)"),
        (("--at", 5, "--resume-with", "--from {checkpoint}", *PRETENDS), "the command has no option --from"),
        ((*WITH, "--at", 5, "--signal", "TERM", *PRETENDS, "--save", "never mind"), "SIGTERM did not"),
        (("--at", 5, *PRETENDS), "--at is for a training that saves by itself: give --resume-with, too"),
        ((*WITH, "--only", "stop", *PRETENDS), "--only chooses trials of a training with run.checkpoint"),
    ],
)  # fmt: skip
def test_wrong_use_is_one_line(prove: Prove, tmp_path: Path, words: tuple[object, ...], says: str) -> None:
    done = prove(*words)
    assert done.returncode == 2, done.stderr + done.stdout
    assert says in one_line(done.stderr)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("save", ["in place", "renamed"])
def test_the_only_checkpoint_that_is_written_where_it_stands_is_named(prove: Prove, save: str) -> None:
    done = prove("--at", 7, *WITH, *PRETENDS, "--save", save)
    assert done.returncode == 0, done.stderr
    assert "resumed after step 6 from out/last.pkl" in done.stdout
    note = "note: out/last.pkl is the only checkpoint, and is written again where it stands: if the training"
    assert (note in done.stdout) == (save == "in place")


def test_a_training_that_does_not_repeat_is_told_so_once(prove: Prove) -> None:
    done = prove(*WITH, *PRETENDS, "--save", "noise")
    assert done.returncode == 1
    says = "does not repeat: stopped after step 3: it differs before it is resumed: the initial parameter"
    assert says in one_line(done.stderr)
    assert "solve this first (1 of 1 trials)" in done.stderr


def test_a_command_that_cannot_resume_says_why(prove: Prove) -> None:
    done = prove("--at", 5, "--resume-with", "--resume nothing.pkl", *PRETENDS)
    assert done.returncode == 1
    assert "the command that resumes ended with status 1: FileNotFoundError: " in one_line(done.stderr)


# ---------------------------------------------------------------- real trainings
REAL = Path(__file__).parent / "own_resume"
BLOCK = re.compile(
    r"^<!-- resume: ([^\n]*) -->\n```console\n\$ ([^\n]*)\n(.*?)^```", re.DOTALL | re.MULTILINE
)
PAGE = {name: (words, said) for name, words, said in BLOCK.findall((ROOT / "docs/resume.md").read_text())}


def shown(text: str) -> str:
    """A text without the name of a folder that is new each time."""
    return re.sub(r"runs/resume-\w+", "runs/resume-NEW", text)


@pytest.mark.parametrize("lose", ["place", pytest.param("nothing", marks=pytest.mark.slow)])
def test_what_the_page_shows(start: Callable[..., Started], tmp_path: Path, lose: str) -> None:
    shutil.copy(REAL / "plain.py", tmp_path / "train.py")
    words, said = PAGE[lose]
    done = start(*shlex.split(words), cwd=tmp_path, LOSE=lose)
    assert done.returncode == (lose != "nothing"), done.stderr
    assert pattern(shown(said).splitlines()).fullmatch(shown(done.stdout + done.stderr)), done.stdout


NOT_LOADED = {
    "optimizer": ("step 7, the learning rate: 0.005 in A, 0.01 in B (A: in one go)", "the optimiser's state"),
    "schedule": ("step 11, the learning rate: 0.0025 in A, 0.005 in B", "the schedule's state"),
    "scaler": ("step 7, the loss (", "the GradScaler's state"),
    "average": ("all steps are the same, but `average.0.weight`", "an average of the weights (EMA)"),
    "step": ("run A evaluates after step 8, B does not", "the step counter, or what a callback remembers"),
    "generator": ("step 7, the model's output", "the state of torch's generator"),
    "order": (
        "step 9, the batch",
        "the state of the generator that orders the data: the batch of step 1 comes",
    ),
    "model": (
        "it began with the initial weights: it did not load out/step-6.pt, or not its weights, or uses",
        "",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("lose", NOT_LOADED)
def test_what_a_script_does_not_load_is_named(
    start: Callable[..., Started], tmp_path: Path, lose: str
) -> None:
    shutil.copy(REAL / "plain.py", tmp_path / "train.py")
    words = ("samebits", "resume-proof", "--at", 7, *WITH, "--", "python", "train.py")
    done = start(*words, cwd=tmp_path, LOSE=lose)
    assert done.returncode == 1, done.stderr
    place, lost = NOT_LOADED[lose]
    assert place in one_line(done.stderr)
    assert not lost or f"; lost: {lost}" in done.stderr


OTHERS = {
    "hugging_face.py": (
        "--from {checkpoint}",
        (7,),
        "resumed after step 6 from out/checkpoint-6: the same bits",
    ),
    "light.py": (
        "--ckpt-path {checkpoint}",
        (6,),
        "resumed after step 4 from out/epoch=0-step=4.ckpt: the same",
    ),
    "with_keras.py": ("--load {checkpoint}", (6,), "resumed after step 4 from out/1.keras: the same bits"),
    "with_keras.py backup": ("", (7,), "resumed after step 4: the same bits"),
    "with_keras.py backup often": (
        "",
        (8,),
        "the batch; lost: the position in the data: the batch of step 5",
    ),
    "with_keras.py dropout": (
        "--load {checkpoint}",
        (6,),
        "lost: the state of the seed generator of `dropout`",
    ),
    "with_keras.py early": ("--load {checkpoint}", (6,), "A ends after 12 steps, B continues to 16"),
    "hugging_face.py --no-skip": ("--from {checkpoint}", (8,), "the batch; lost: the position in the data"),
}


@pytest.mark.slow
@pytest.mark.parametrize("script", OTHERS)
def test_what_libraries_save(start: Callable[..., Started], tmp_path: Path, script: str) -> None:
    name, *words = script.split()
    resume_with, at, says = OTHERS[script]
    shutil.copy(REAL / name, tmp_path)
    stops = [word for step in at for word in ("--at", step)]
    command = ("samebits", "resume-proof", *stops, "--resume-with", resume_with, "--", "python", name, *words)
    done = start(*command, cwd=tmp_path)
    assert done.returncode == ("the same" not in says), done.stderr + done.stdout
    assert says in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("lose", [(), ("lose",)])
def test_several_processes_are_compared_rank_by_rank(
    start: Callable[..., Started], tmp_path: Path, lose: tuple[str, ...]
) -> None:
    shutil.copy(REAL / "ranks.py", tmp_path)
    launched = ("--", "torchrun", "--standalone", "--nproc-per-node", 2, "ranks.py", *lose)
    done = start("samebits", "resume-proof", "--at", 5, *WITH, *launched, cwd=tmp_path)
    assert done.returncode == len(lose), done.stderr + done.stdout
    place = "first difference: rank 1, step 5, the batch" if lose else "the same bits until the end, step 6"
    assert f"stopped after step 5, resumed after step 4 from out/4.pt: {place}" in done.stdout
