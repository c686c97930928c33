"""Files that a stranger wrote, of each kind that samebits reads: one line with status 2, and nothing ran."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import FRAMEWORKS, ROOT

from samebits import UsageError, open_run
from samebits._formats import FORMAT
from samebits._printable import printable
from samebits.checkpoint import files
from samebits.checkpoint.state import TrainingState
from samebits.cli import group
from samebits.errors import CheckFailed
from samebits.fingerprint import golden
from samebits.hashing.compare import check_run, compare_runs
from samebits.hashing.weights import Tensor
from samebits.process.program import run_command
from samebits.proof import verify
from samebits.run import folder
from samebits.run.folder import WorkingFolder, put_in_place
from samebits.run.resume import find_checkpoint

ESCAPE = "\x1b]0;mine\x07\x9b31m\u202e\u2028\ud800"
DEEP = "[" * 100_000 + "]" * 100_000
LAYERS: Any = []
for _ in range(300):
    LAYERS = [LAYERS]
GIT = {"commit": "c" * 40, "dirty": False, "diff": None}
MANIFEST = {
    "format": FORMAT,
    "framework": "torch",
    "device": "cpu",
    "profile": "run",
    "command": ["python", "-m", f"starter.train_{FRAMEWORKS[0]}", "--epochs", "2"],
    "working_folder": ".",
    "threads": "1",
    "seed": 0,
    "settings": {"seed": 0, "device": "cpu"},
    "deciding_settings": {"seed": 0},
    "code": None,
    "replaced": [],
    "allowed": [],
    "fingerprint": {"cpu": {"model": "Intel"}, "variables": {"TZ": "UTC"}},
    "metrics": {"epoch": 2, "loss": 0.5, "batches": "a" * 64},
    "metrics_sha256": "b" * 64,
    "steps": 9,
    "chain": [{"from_step": 0, "code": None}],
    "weights_sha256": "a" * 64,
}
VALUES = [
    None, True, 0, -1, 10**200, 1e300, float("nan"), float("inf"), "", "x", "../../x", "/etc", "a\0b", ESCAPE,
    "9" * 5000, [], [1], ["x"], [None], [[]], {}, {"a": 1}, {"x": ESCAPE}, [{}], [{"code": 1}],
    ["python", "9" * 5000], ["python", "-m", "x" * 5000], ["python", "train.py", ESCAPE], LAYERS,
]  # fmt: skip
REMOVED = object()
PLACES = [
    *((name,) for name in MANIFEST),
    *(("fingerprint", name) for name in ("cpu", "variables", "code", "data")),
    ("fingerprint", "variables", "LD_PRELOAD"),
    ("fingerprint", "variables", "OMP_NUM_THREADS"),
    ("metrics", "loss"),
    ("settings", "device"),
]


def put(values: dict[str, Any], place: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A copy that has another value at a place, or lacks it."""
    copy = json.loads(json.dumps(values))
    inner = copy
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    if value is REMOVED:
        del inner[place[-1]]
    return copy


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of a training; what is read has been read by then."""

    def train(children: Any, **options: Any) -> Iterator[Any]:
        for child in children:
            for name, value in child.environment.items():
                assert value is None or (isinstance(value, str) and "\0" not in value), name
        raise CheckFailed("it would train")
        yield

    monkeypatch.setattr(verify, "train", train)
    monkeypatch.chdir(ROOT)


def said(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """A command's status and its one line; fails the test when there are more, or control characters."""
    status = run_command(group, "samebits", [str(argument) for argument in arguments])
    out, err = capfd.readouterr()
    assert printable(out + err) == out + err
    assert status == 0 or re.fullmatch(r"samebits: .+\n", err), err
    return status, err


@pytest.mark.parametrize("place", PLACES, ids=".".join)
def test_any_value_at_any_place_of_a_manifest(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, no_training: None, place: tuple[str, ...]
) -> None:
    """`verify` comes as far as the training or ends in one line; so does `fingerprint diff`."""
    (tmp_path / "good").mkdir()
    (tmp_path / "good/manifest.json").write_text(json.dumps(MANIFEST))
    assert said(capfd, "verify", tmp_path / "good") == (1, "samebits: it would train\n")
    (tmp_path / "run").mkdir()
    for value in (REMOVED, *VALUES):
        (tmp_path / "run/manifest.json").write_text(json.dumps(put(MANIFEST, place, value)))
        status, line = said(capfd, "verify", tmp_path / "run")
        assert (status, line) == (1, "samebits: it would train\n") or status == 2, line
        for option, other in (("--all", tmp_path / "run"), ("--json", tmp_path / "run/manifest.json")):
            assert said(capfd, "fingerprint", "diff", option, tmp_path / "good", other)[0] in (0, 1, 2)


def test_a_commit_is_no_option_of_git(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, no_training: None
) -> None:
    """`git diff --output=FILE` would write there."""
    target = tmp_path / "written"
    code = {"folder": ".", "commit": f"--output={target}", "dirty": False, "diff": None}
    code["files"] = {"pyproject.toml": hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()}
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST | {"code": code, "chain": []}))
    status, line = said(capfd, "verify", tmp_path / "manifest.json")
    assert status == 2
    assert "commit is '--output=" in line
    assert not target.exists()


def test_files_that_are_no_manifest(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for text in (
        "",
        "{",
        "[]",
        "1",
        DEEP,
        f'{{"format": {DEEP}}}',
        '{"format": NaN}',
        "\ufeff{}",
        "\0",
        "null",
    ):
        (tmp_path / "manifest.json").write_text(text)
        assert said(capfd, "verify", tmp_path / "manifest.json")[0] == 2
        assert said(capfd, "fingerprint", "diff", "torch-cpu", tmp_path / "manifest.json")[0] in (1, 2)
    (tmp_path / "manifest.json").write_bytes(b'{"format": "\xff"}')
    assert said(capfd, "verify", tmp_path)[0] == 2
    (tmp_path / "manifest.json").unlink()
    folder.os.mkfifo(tmp_path / "manifest.json")
    assert said(capfd, "verify", tmp_path)[0] == 2, "a pipe would be waited for without end"


def test_what_a_file_says_is_shown_and_not_sent(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """An ESC sequence in the CPU's model came out of `fingerprint diff` as it was."""
    for name, model in (("one", "Intel"), ("other", f"AMD{ESCAPE}")):
        (tmp_path / name).mkdir()
        manifest = put(MANIFEST, ("fingerprint", "cpu", "model"), model)
        (tmp_path / name / "manifest.json").write_text(json.dumps(manifest))
    run_command(
        group, "samebits", ["fingerprint", "diff", "--all", str(tmp_path / "one"), str(tmp_path / "other")]
    )
    out = capfd.readouterr().out
    assert r"AMD\x1b]0;mine\x07\x9b31m\u202e\u2028\ud800" in out
    assert printable(out) == out


def test_a_hash_leads_no_former_run_elsewhere(tmp_path: Path) -> None:
    """The hash in a manifest names the folder that a former run is kept in."""
    for name, sha256 in (("run", "../../x"), ("new", "b" * 64)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text(
            json.dumps({"format": FORMAT, "weights_sha256": sha256})
        )
    with pytest.raises(UsageError, match=r"manifest\.json has no weights_sha256: name another folder"):
        put_in_place(tmp_path / "new", tmp_path / "run", "b" * 64)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "run"]


def weights(header: Any, body: bytes = b"\0" * 8, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + body


def entry(**values: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | values


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 7,
        b"\xff" * 64,
        weights({}, length=1 << 62),
        weights({}, length=1000),
        weights(b"[]"),
        weights(b"1"),
        weights(b'{"w": ' + DEEP.encode() + b"}"),
        weights(b"\xff\xff"),
        weights({"w": 1}),
        weights({"w": {}}),
        weights({"w": entry(dtype=1)}),
        weights({"w": entry(shape="xx")}),
        weights({"w": entry(shape=[2.0])}),
        weights({"w": entry(shape=[True, 2])}),
        weights({"w": entry(shape=[-2])}),
        weights({"w": entry(shape=[3])}),
        weights({"w": entry(shape=[1 << 62, 1 << 62])}),
        weights({"w": entry(data_offsets=[0])}),
        weights({"w": entry(data_offsets=[8, 0])}),
        weights({"w": entry(data_offsets=[-8, 0])}),
        weights({"w": entry(data_offsets=[0, 1 << 62])}),
        weights({"w": entry(data_offsets=[0.0, 8.0])}),
        weights({"w": entry(data_offsets=[float("nan"), 8])}),
        weights({"w": entry(dtype="F4", data_offsets=[0, 800])}),
        weights({"w": entry(), "v": entry()}),
        weights({"w": entry(), "v": entry(data_offsets=[4, 12])}, b"\0" * 12),
        weights({"w": entry(), "v": entry(data_offsets=[16, 24])}, b"\0" * 24),
        weights({"w": entry()}, b"\0" * 9),
        weights({"w": entry()}, b"\0" * 7),
    ],
)
def test_weights(capfd: pytest.CaptureFixture[str], tmp_path: Path, content: bytes) -> None:
    (tmp_path / "weights.safetensors").write_bytes(content)
    (tmp_path / "metrics.jsonl").write_text('{"loss": 1.0}\n')
    with pytest.raises(UsageError, match=r"weights.safetensors is not a (complete )?safetensors file"):
        check_run(tmp_path)


def test_a_type_that_nobody_knows_is_compared_by_its_bytes(tmp_path: Path) -> None:
    for name, size in (("one", 8), ("other", 4)):
        (tmp_path / name).mkdir()
        header = {ESCAPE.replace("\ud800", ""): entry(dtype="F4", data_offsets=[0, size])}
        (tmp_path / name / "weights.safetensors").write_bytes(weights(header, b"\0" * size))
        (tmp_path / name / "metrics.jsonl").write_text("")
    tensor = compare_runs(tmp_path / "one", tmp_path / "other").tensor
    assert tensor is not None
    assert tensor.detail == "8 bytes and 4"


@pytest.mark.parametrize("line", ["[]", "1", "{", DEEP, '"x"', "null", '{"loss": ' + "9" * 5000 + "}"])
def test_metrics(tmp_path: Path, line: str) -> None:
    (tmp_path / "weights.safetensors").write_bytes(weights({"w": entry()}))
    (tmp_path / "metrics.jsonl").write_text(f'{{"loss": NaN}}\n{line}\n')
    with pytest.raises(UsageError, match=r"metrics.jsonl is not a file of JSON lines"):
        check_run(tmp_path)


GOLDEN = {
    "framework": "torch",
    "device": "cpu",
    "profile": "run",
    "weights_sha256": "a" * 64,
    "settings": {},
    "fingerprint": {},
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_entries(tmp_path: Path, name: str) -> None:
    path = tmp_path / "golden.toml"
    path.write_text(golden.HEADER + golden._table("torch-cpu", GOLDEN))
    assert golden.read(path) == {"torch-cpu": GOLDEN}
    for value in ("1", "nan", '""', '"\\u001b[31m"', "[]", "[[1]]", "1979-05-27", "{a = 1}", "{a = {b = 1}}"):
        plain = GOLDEN | {name: "x"}
        text = f"format = {FORMAT}\n[torch-cpu]\n{name} = {value}\n"
        text += "".join(
            f"{key} = {json.dumps(value) if value != {} else '{}'}\n"
            for key, value in plain.items()
            if key != name
        )
        path.write_text(text)
        right = (name in ("framework", "device") and value.startswith('"')) or (
            name == "settings" and value.startswith("{")
        )
        if right:
            golden.read(path)
            continue
        with pytest.raises(UsageError, match=r"golden.toml, \[torch-cpu"):
            golden.read(path)
    path.write_text(f"format = {FORMAT}\ntorch-cpu = 1")
    with pytest.raises(UsageError, match="torch-cpu is 1; it must be a table"):
        golden.read(path)
    for content in (b"\xff", b"a = " + DEEP.encode(), b"[a]\n[a]\n"):
        path.write_bytes(content)
        with pytest.raises(UsageError, match="is not valid TOML"):
            golden.read(path)


STATE = {"objects": {"numbers": {"class": "random.Random", "state": {"$": "tuple", "items": [3, [], None]}}}}
CONTENT = {
    "framework": "torch", "device": "cpu", "settings": {}, "fingerprint": {}, "run": "x",
    "chain": [{"started": "today"}], "epoch": 1, "next": [1, 0], "ended": False, "batches": "0" * 64,
    "batches_seen": False, "collected": {"loss": [0.5]}, "metrics": {"bytes": 0, "sha256": "e3b0c44298fc1c14"
    "9afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}, "state": STATE | {"generators": {}},
}  # fmt: skip


def interrupted(folder: Path, content: dict[str, Any]) -> WorkingFolder:
    """A run that has one checkpoint, whose own digest is right."""
    working = WorkingFolder(folder)
    working.name("x")
    files.write(working.checkpoints, 3, content, {"w": Tensor("F32", (1,), lambda: b"\0" * 4)})
    return working


@pytest.mark.parametrize("name", CONTENT)
def test_any_value_at_any_place_of_a_checkpoint(tmp_path: Path, name: str) -> None:
    assert find_checkpoint(interrupted(tmp_path / "good", CONTENT), "auto") is not None
    refused = 0
    for at, value in enumerate(VALUES[:-1]):
        working = interrupted(tmp_path / f"run{at}", CONTENT | {name: value})
        try:
            checkpoint = find_checkpoint(working, "auto")
        except UsageError:
            refused += 1
        else:
            assert checkpoint is not None
            assert type(checkpoint.content[name]) is type(CONTENT[name])
    assert refused >= len(VALUES) - 9
    lacking = interrupted(tmp_path / "lacking", {key: CONTENT[key] for key in CONTENT if key != name})
    with pytest.raises(UsageError, match=f"has no '{name}'"):
        read_all(lacking)


def read_all(working: WorkingFolder) -> None:
    checkpoint = find_checkpoint(working, "auto")
    assert checkpoint is not None
    for name in CONTENT:
        checkpoint.content[name]


@pytest.mark.parametrize("name", ["step-1", "step-00000001/../../x", "..", "step-00000001x"])
def test_no_other_name_is_a_checkpoints(tmp_path: Path, name: str) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "x").mkdir()
    (tmp_path / "checkpoints" / "step-00000001").mkdir()
    (tmp_path / "checkpoints" / name).mkdir(parents=True, exist_ok=True)
    paths = files.find(tmp_path / "checkpoints")
    assert [path.name for path in paths] == ["step-00000001"]
    with pytest.raises(files.Damaged, match="cannot be read as what it is"):
        files.read(paths[0])


@pytest.mark.parametrize(
    "state",
    [
        1,
        "x",
        {"$": "array", "tensor": "absent", "scalar": False},
        {"$": "array"},
        {"$": "bytes", "hex": "zz"},
        {"$": "complex", "value": [1]},
        {"$": "tuple", "items": 5},
        {"$": "dict", "items": [[[], 1]]},
        {"$": "Counter", "items": [1]},
        {"$": "__import__"},
    ],
)
def test_the_state_of_generators(state: Any) -> None:
    """Whatever stands there: one line, and nothing but data was made of it."""

    class Toolkit:
        @staticmethod
        def make_tensor(node: Any, stored: Any) -> Any:
            return node["no such"]

    training_state = TrainingState.__new__(TrainingState)
    training_state.toolkit = Toolkit  # type: ignore[assignment]
    with pytest.raises(UsageError, match="cannot be restored"):
        training_state.restore_generators({"generators": {"random": state}}, {})


def test_a_damaged_golden_file_is_named_before_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`finish` reads it, and hours of training would have gone."""
    (tmp_path / "golden.toml").write_text(f"format = {FORMAT}\ntorch-cpu = 1")
    monkeypatch.setattr("samebits.run.run.find_root", lambda: tmp_path)
    with (
        pytest.raises(UsageError, match="torch-cpu is 1; it must be a table"),
        open_run(Settings(), framework=FRAMEWORKS[0], folder=tmp_path / "run"),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["golden.toml"]


@dataclass(frozen=True)
class Settings:
    """As few as there can be."""

    seed: int = 0
