"""What of a manifest runs unasked: Python on tracked code of this checkout, and nothing else."""

import json
import os
import pty
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import FRAMEWORKS, ROOT, Started, one_line
from tests.samebits.proof.test_verify import commit

from samebits import UsageError
from samebits._formats import FORMAT
from samebits.proof import trust

Start = Callable[..., Started]
CUT = "`sh -c 'touch pwned'`"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of the user's own, where they are, and beside it what is none of theirs."""
    folder = tmp_path / "checkout"
    for file in ("train.py", "sub/also.py", "package/__init__.py", "package/__main__.py", "package/run.py"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    (tmp_path / "evil.py").touch()
    (folder / "link.py").symlink_to(tmp_path / "evil.py")
    (folder / "out").symlink_to(tmp_path)
    commit(folder, "train.py", "sub", "package", "link.py", "out")
    for file in ("untracked.py", "untracked/__init__.py", "untracked/run.py"):
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).touch()
    (folder / "runs/unpacked").mkdir(parents=True)
    (folder / "runs/unpacked/train.py").touch()
    commit(folder / "runs/unpacked", "train.py")
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ("train.py",),
        ("-u", "train.py", "--epochs", "5", "--data=sub/x.csv", "config/small.py", "--rate", "1e-3"),
        ("./sub/../train.py",),
        ("sub/also.py",),
        ("-m", "package"),
        ("-m", "package.run", "--data", "./digits.csv"),
    ],
)
def test_tracked_code_runs_unasked(checkout: Path, words: tuple[str, ...]) -> None:
    assert trust.doubt(("python", *words), checkout) == ""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("sh", "-c", "touch pwned"), "only Python on a file of this checkout"),
        (("./python", "train.py"), "it starts './python'"),
        (("samebits", "exec", "sh"), "it starts 'samebits'"),
        (("python", "-c", "import os"), "the option '-c'"),
        (("python", "-X", "importtime", "train.py"), "the option '-X'"),
        (("python", "-W", "error::evil.Warning", "train.py"), "the option '-W'"),
        (("python", "-Wmodule", "train.py"), "the option '-Wmodule'"),
        (("python", "-um", "pip"), "the option '-um'"),
        (("python", "-mpip"), "the option '-mpip'"),
        (("python", "-i", "train.py"), "the option '-i'"),
        (("python", "-m"), "the option '-m'"),
        (("python", "-m", "pip", "install", "evil"), "the module pip, which is not a file of this"),
        (("python", "-m", "http.server"), "the module http.server"),
        (("python", "-m", "../evil"), "the module ../evil"),
        (("python", "-m", "package.absent"), "the module package.absent"),
        (("python", "-m", "untracked.run"), "is not in the checkout's commit"),
        (("python", "untracked.py"), "is not in the checkout's commit"),
        (("python", "absent.py"), "there is no file"),
        (("python", "../evil.py"), "in none of your checkouts"),
        (("python", "link.py"), "in none of your checkouts"),
        (("python", "out/evil.py"), "in none of your checkouts"),
        (("python", "runs/unpacked/train.py"), "in none of your checkouts"),
        (("python", "/proc/self/fd/0"), "there is no file"),
        (("python", "train.py", "--out", "/etc/cron.d/x"), "'/etc/cron.d/x' leads out of the checkout"),
        (("python", "train.py", "--out=../../x"), "'--out=../../x' leads out"),
        (("python", "train.py", "--out=~/.bashrc"), "'--out=~/.bashrc' leads out"),
        (("python", "train.py", "--out=/etc/x=1"), "'--out=/etc/x=1' leads out"),
        (("python", "train.py", "-o/etc/x"), "'-o/etc/x' leads out"),
        (("python", "train.py", "--files", "a.csv,~root/b.csv"), "'a.csv,~root/b.csv' leads out"),
        (("python", "train.py", "out/x"), "'out/x' leads out of the checkout"),
        (("python", "-m", "samebits", "exec", "sh"), "can start other programs"),
        (("python", "-m", "samebits.proof.controls.perturb", "pip"), "can start other programs"),
        (("python", str(ROOT / "src/samebits/cli.py"), "exec", "sh"), "can start other programs"),
        (("python", str(ROOT / "tools/proof.py")), "can start other programs"),
    ],
)
def test_anything_else_does_not(checkout: Path, words: tuple[str, ...], says: str) -> None:
    # The project's own modules are looked at from its own folder: elsewhere Python looks there first.
    place = ROOT if words[2:] and words[2].startswith("samebits") and words[1] == "-m" else checkout
    assert says in trust.doubt(words, place)


def test_a_module_is_not_taken_from_the_folder_where_it_starts(checkout: Path, tmp_path: Path) -> None:
    """`python -m` looks there first: a folder `samebits` in a stranger's archive would be run."""
    words = ("python", "-m", f"samebits.proof.hazards_{FRAMEWORKS[0]}")
    assert "looks for modules in" in trust.doubt(words, checkout)
    (tmp_path / "samebits").mkdir()
    assert "not a file of this checkout" in trust.doubt(words, tmp_path)


def test_a_new_project_without_a_commit_or_git_is_its_makers(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the image and in an unpacked archive: the project's src/, and no other folder."""
    (checkout / "determinism.env").touch()
    (checkout / "src").mkdir()
    for name in ("src/train.py", "other.py"):
        (checkout / name).touch()
    monkeypatch.setenv("SAMEBITS_ROOT", str(checkout))
    assert "is not in the checkout's commit" in trust.doubt(("python", "src/train.py"), checkout)
    for undo in (lambda: (checkout / ".git/HEAD").write_text("ref: refs/heads/new\n"), None):
        if undo is None:
            shutil.rmtree(checkout / ".git")
        else:
            undo()
        assert trust.doubt(("python", "src/train.py"), checkout) == ""
        assert trust.doubt(("python", "-m", "train"), checkout) != ""
        assert "is not in the checkout's commit" in trust.doubt(("python", "other.py"), checkout)


@pytest.mark.parametrize("name", ["../../..", "/", "/etc", "src/../.."])
def test_a_working_folder_leads_nowhere_else(name: str) -> None:
    with pytest.raises(UsageError, match="leads out of the project"):
        trust.working_folder({"working_folder": name}, Path("run"))


def test_a_link_out_of_the_project_is_no_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "determinism.env").touch()
    (tmp_path / "project" / "link").symlink_to("/")
    monkeypatch.setenv("SAMEBITS_ROOT", str(tmp_path / "project"))
    with pytest.raises(UsageError, match="leads out of the project"):
        trust.working_folder({"working_folder": "link/etc"}, Path("run"))
    assert trust.working_folder({"working_folder": "."}, Path("run")) == (tmp_path / "project").resolve()
    assert trust.working_folder({"working_folder": "gone"}, Path("run")) is None


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("LD_PRELOAD", "/tmp/evil.so", "can name a file or code"),
        ("LD_PRELOAD", "evil.so", "can name a file or code"),
        ("LD_AUDIT", "evil.so", "can name a file or code"),
        ("LD_LIBRARY_PATH", ".", "can name a file or code"),
        ("PYTHONPATH", "evil", "can name a file or code"),
        ("PYTHONHOME", "evil", "can name a file or code"),
        ("IPYTHONDIR", "/tmp/evil", "can name a file or code"),
        ("TORCHINDUCTOR_CACHE_DIR", "/tmp/evil", "can name a file or code"),
        ("XLA_FLAGS", "--xla_gpu_cuda_data_dir=evil", "can name a file or code"),
        ("XLA_FLAGS", "--xla_gpu_autotune_level=0 --xla_dump_to=evil", "can name a file or code"),
        ("TZ", ":/etc/passwd", "can name a file or code"),
        ("TZ", "../../evil", "can name a file or code"),
        ("PYTHONHASHSEED", "1\0", "can name a file or code"),
        ("SAMEBITS_ALLOW", "", "no variable of determinism.env"),
        ("PATH", "/tmp/evil", "no variable of determinism.env"),
    ],
)
def test_a_variable_that_can_load_code_is_not_taken(name: str, value: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        trust.refuse_variables({name: value}, Path("run"))


def test_choices_of_bits_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = {
        "ATEN_CPU_CAPABILITY": "avx2",
        "XLA_FLAGS": "--xla_gpu_deterministic_ops=true --xla_gpu_autotune_level=0",
        "TZ": "Europe/Berlin",
        "PYTHONHASHSEED": "7",
        "GLIBC_TUNABLES": "glibc.cpu.x86_rep_movsb_threshold=2048",
        "PYTORCH_ALLOC_CONF": "expandable_segments:True",
        "OMP_THREAD_LIMIT": "4",
        "LD_PRELOAD": None,
    }
    trust.refuse_variables(chosen, Path("run"))
    monkeypatch.setenv("LD_PRELOAD", "/usr/lib/mine.so")
    monkeypatch.setenv("SAMEBITS_ALLOW", "LD_PRELOAD")
    trust.refuse_variables({"LD_PRELOAD": "/usr/lib/mine.so"}, Path("run"))
    with pytest.raises(UsageError):
        trust.refuse_variables({"LD_PRELOAD": "/tmp/evil.so"}, Path("run"))


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """A manifest whose command leaves a mark, and does not train."""
    manifest = {
        "format": FORMAT,
        "framework": "torch",
        "device": "cpu",
        "command": ["sh", "-c", "touch pwned"],
        "settings": {},
        "deciding_settings": {},
        "fingerprint": {},
        "code": None,
        "weights_sha256": "a" * 64,
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path


def test_the_command_of_a_stranger_is_shown_and_not_run(start: Start, stranger: Path) -> None:
    done = start("samebits", "verify", "manifest.json", cwd=stranger)
    assert done.returncode == 2
    line = one_line(done.stderr)
    assert CUT in line
    assert """--command 'sh -c '"'"'touch pwned'"'"''""" in line
    assert [path.name for path in stranger.iterdir()] == ["manifest.json"], "nothing ran, nothing is left"


def test_a_command_of_ones_own_is_run(start: Start, stranger: Path) -> None:
    done = start("samebits", "verify", "manifest.json", "--command", "touch mine", cwd=stranger)
    assert "ended without an error but left no run" in one_line(done.stderr)
    assert (stranger / "mine").exists()
    assert not (stranger / "pwned").exists()
    for words, says in (("'", "no command: No closing quotation"), ("", "--command is empty")):
        assert says in one_line(
            start("samebits", "verify", "manifest.json", "--command", words, cwd=stranger).stderr
        )


@pytest.mark.parametrize(("answer", "ran"), [("yes\n", True), ("y\n", False), ("\n", False), ("\x04", False)])
def test_a_terminal_is_asked(stranger: Path, answer: str, ran: bool) -> None:
    ours, theirs = pty.openpty()
    command = [ROOT / "entrypoint", "samebits", "verify", "manifest.json"]
    os.write(ours, answer.encode())
    with open(stranger / "said", "wb") as said:
        done = subprocess.run(command, cwd=stranger, stdin=theirs, stdout=said, stderr=theirs, timeout=60)
    shown = os.read(ours, 10000).decode()
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 2
    assert "sh -c 'touch pwned'" in shown
    assert "Type yes to run it: " in shown
    assert (stranger / "pwned").exists() is ran
