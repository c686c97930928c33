"""A run is compared with the committed hash for its kind of machine, and a difference is explained."""

import copy
import json
import re
import subprocess

import pytest
from click.testing import CliRunner
from tests.conftest import ROOT

from samebits import UsageError
from samebits.fingerprint import golden

AVX512 = "avx avx2 avx512bw avx512cd avx512dq avx512f avx512vl fma"
INTEL = {"model": "Xeon", "vendor": "GenuineIntel", "instructions": f"amx_tile {AVX512}", "mkl": "AVX512_E1"}
AMD = {"model": "EPYC", "vendor": "AuthenticAMD", "instructions": AVX512, "mkl": "AUTO"}
MATCHES = "matches the golden hash"
BEGUN = {"initial weights": "1", "first 8 batches": "2", "weights after each epoch": "11 22 33"}


def manifest(weights="a" * 64, epochs=20, cpu=INTEL, framework="torch", profile="run", **more):
    return {
        "format": 2,
        "framework": framework,
        "device": "cpu",
        "profile": profile,
        "weights_sha256": weights,
        "deciding_settings": {"seed": 0, "epochs": epochs, "rate": 0.5, "fast": True},
        "code": {"commit": "c" * 40, "dirty": False, "diff": None, "files": {"train.py": "1" * 64}},
        "fingerprint": {
            "profile": profile,
            "python": "3.11.2",
            "locks": {"requirements.lock": "2" * 64},
            "libraries": {"torch": "2.10.0", "other": "1"},
            "data": {"digits.csv.gz": "3" * 64},
            "cpu": cpu,
            "effective": {"numpy": {"cpu_features": ["AVX2", *cpu["instructions"].upper().split()]}},
            "loaded": {"libx.so": "/here/libx.so sha256:" + "4" * 64},
            "variables": {"OMP_NUM_THREADS": "1", "TZ": "UTC", "LD_PRELOAD": None},
        },
    } | more


def changed(run, *path, to):
    """The manifest with one value changed."""
    run = copy.deepcopy(run)
    place = run
    for name in path[:-1]:
        place = place.setdefault(name, {})
    place[path[-1]] = to
    return run


@pytest.fixture
def committed(tmp_path, monkeypatch):
    """A golden file made by the command, from three finished runs."""
    (tmp_path / "determinism.env").symlink_to(ROOT / "determinism.env")
    monkeypatch.setattr("samebits.process.variables.find_root", lambda: tmp_path)
    runs = (manifest(), manifest(framework="keras"), manifest("d" * 64, profile="portable"))
    for run in runs:
        assert make(tmp_path, run).exit_code == 0
    return tmp_path / "golden.toml"


def make(folder, run):
    """`samebits golden` of one run."""
    (folder / "run").mkdir(exist_ok=True)
    (folder / "run" / "manifest.json").write_text(json.dumps(run))
    return CliRunner().invoke(golden.command, [str(folder / "run")])


def reason(run, committed):
    """What the line says after the two hashes."""
    line, hint = golden.compare(run, committed).splitlines()
    assert len(line) < 300
    said = re.fullmatch(r"another hash \((\w{12})…\) than golden.toml's ([\w-]+) \((\w{12})…\)(.*)", line)
    assert said, line
    assert said[1] == run["weights_sha256"][:12]
    assert f"samebits fingerprint diff {said[2]} runs" in hint
    return said[4]


def test_the_same_hash_matches(committed):
    assert golden.compare(manifest(), committed) == MATCHES
    assert golden.compare(manifest(cpu=AMD), committed) == MATCHES, "another kind of CPU that gives the same"
    assert golden.compare(manifest("d" * 64, profile="portable", cpu=AMD), committed) == MATCHES


def test_another_kind_of_cpu_is_expected_to_give_another_hash(committed):
    run = manifest("b" * 64, cpu=AMD)
    assert reason(run, committed) == ", as expected: that one was made on Intel, this CPU is AMD"
    hint = golden.compare(run, committed).splitlines()[1]
    assert hint.startswith("  PROFILE=portable gives one hash on both; why they differ: ")
    older = manifest("b" * 64, cpu=INTEL | {"instructions": "avx avx2 fma", "mkl": "AVX2"})
    assert reason(older, committed).endswith("made on Intel with AVX-512, this CPU is Intel with AVX2")
    near = manifest("b" * 64, cpu=INTEL | {"instructions": AVX512, "mkl": "AVX512"})
    said = reason(near, committed)
    assert "on another machine (cpu.mkl: AVX512_E1 → AVX512, cpu.instructions: −amx_tile)" in said


def test_what_somebody_changed_comes_before_the_cpu(committed):
    """An edit of the code is not blamed on the CPU, in the profile portable neither."""
    for profile in ("run", "portable"):
        run = manifest("b" * 64, cpu=AMD, profile=profile)
        dirty = changed(run, "code", "dirty", to=True)
        dirty = changed(dirty, "code", "files", "train.py", to="e" * 64)
        data = changed(dirty, "fingerprint", "data", to={"wine_data.csv": "e" * 64})
        settings = changed(data, "fingerprint", "variables", "TZ", to="CET")
        code = "the code has uncommitted changes (train.py)"
        wine = "your data differ (digits.csv.gz → wine_data.csv)"
        rest = "; that one was made on Intel, this CPU is AMD" if profile == "run" else ""
        assert reason(dirty, committed) == f": {code}{rest}"
        assert reason(data, committed) == f": {wine}; {code}{rest}"
        assert reason(settings, committed) == f": TZ differs (UTC → CET); {wine}; {code}{rest}"
        assert "PROFILE=portable gives" not in golden.compare(data, committed)
    run = manifest("b" * 64)
    dirty = changed(run, "fingerprint", "variables", "TZ", to="CET")
    dirty = changed(dirty, "code", "dirty", to=True)
    assert reason(dirty, committed) == ": TZ differs (UTC → CET); the code has uncommitted changes", (
        "not as expected"
    )
    other = changed(changed(run, "code", "commit", to="d" * 40), "code", "files", "train.py", to="e" * 64)
    assert reason(other, committed) == ": the code is other code (train.py)"
    edited = changed(run, "fingerprint", "data", "digits.csv.gz", to="e" * 64)
    assert reason(edited, committed) == ", as expected: your data differ (another digits.csv.gz)"
    newer = changed(run, "fingerprint", "libraries", "torch", to="3")
    newer = changed(newer, "fingerprint", "python", to="3.11.9")
    assert reason(newer, committed) == ", perhaps for this reason: torch differs (2.10.0 → 3)"


def test_threads_are_one_reason_and_come_first(committed):
    """Only variables that this framework's arithmetic reads are named, each with what it is by default."""
    variables = {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "TF_NUM_INTRAOP_THREADS": "2"}
    noise = {"OPENBLAS_CORETYPE": "Haswell", "TF_ENABLE_ONEDNN_OPTS": "0", "ATEN_CPU_CAPABILITY": "avx2"}
    run = changed(manifest("b" * 64), "fingerprint", "variables", to={"TZ": "UTC", **variables})
    threads = "the number of threads differs (1 → 2)"
    assert reason(run, committed) == f", as expected: {threads}"
    run = changed(run, "fingerprint", "variables", to={**variables, **noise})
    assert reason(run, committed) == f", as expected: {threads}; ATEN_CPU_CAPABILITY differs (not set → avx2)"
    run["framework"] = "keras"
    assert reason(run, committed) == f", as expected: {threads}; TF_ENABLE_ONEDNN_OPTS differs (1 → 0)"
    alone = changed(manifest("b" * 64), "fingerprint", "variables", to={"OPENBLAS_CORETYPE": "Haswell"})
    assert reason(alone, committed) == ", as expected: OPENBLAS_CORETYPE differs (not set → Haswell)"


def test_of_many_reasons_some_are_named_and_the_others_counted(committed):
    many = {"TZ": "CET", "OMP_NUM_THREADS": "2", "ATEN_CPU_CAPABILITY": "avx2", "LC_ALL": "de"}
    run = changed(manifest("b" * 64), "fingerprint", "variables", to=many)
    run = changed(run, "fingerprint", "libraries", "torch", to="3")
    first = "the number of threads differs (1 → 2); ATEN_CPU_CAPABILITY differs (not set → avx2)"
    assert reason(run, committed) == f", as expected: {first}; LC_ALL differs (C.UTF-8 → de); 2 more"


def test_the_portable_profile_is_not_excused_by_the_cpu(committed):
    run = manifest("b" * 64, cpu=AMD, profile="portable")
    said = golden.compare(run, committed)
    assert "only the CPU differs (Xeon → EPYC): PROFILE=portable promises one hash on both" in said
    assert "this is a fault, `make portable-proof` looks for the operation" in said


def test_another_hash_under_the_same_facts_is_not_explained_away(committed):
    run = manifest("b" * 64)
    later = changed(run, "code", "commit", to="d" * 40)
    for repeated in (run, later, changed(run, "fingerprint", "image", to="x")):
        said = reason(repeated, committed)
        assert "nothing that is known differs: the code changed (samebits itself, or" in said
        assert "`make smoke`" in golden.compare(repeated, committed)


def test_each_kind_of_cpu_has_an_entry_of_its_own(committed):
    said = make(committed.parent, manifest("b" * 64, cpu=AMD)).output
    assert said == "torch-cpu-amd-avx512: new, bbbbbbbbbbbb…\n"
    older = manifest("e" * 64, cpu=INTEL | {"mkl": "AVX512"})
    assert make(committed.parent, older).output.startswith("torch-cpu-intel-avx512-2: new, ")
    kinds = ("amd-avx512", "intel-avx512", "intel-avx512-2", "portable")
    assert list(golden.read(committed)) == [
        "keras-cpu-intel-avx512",
        *(f"torch-cpu-{kind}" for kind in kinds),
    ]
    for run in (manifest(), manifest("b" * 64, cpu=AMD), older):
        assert golden.compare(run, committed) == MATCHES
    assert reason(manifest(cpu=AMD), committed).startswith(", and nothing that is known differs")
    third = manifest("f" * 64, cpu=INTEL | {"instructions": "avx avx2 fma", "mkl": "AVX2"})
    assert "golden.toml's torch-cpu-intel-avx512 (" in golden.compare(third, committed), "not AMD's"
    before = committed.read_text()
    again = make(committed.parent, manifest("d" * 64, profile="portable", cpu=AMD))
    assert again.output.startswith("torch-cpu-portable: the same hash")
    assert committed.read_text() == before, "two machines do not take turns in the file"


def test_an_entry_holds_what_decides_and_no_more(committed):
    facts = golden.read(committed)["torch-cpu-intel-avx512"]["fingerprint"]
    assert sorted(facts) == [
        "code.commit",
        "code.files.train.py",
        *(f"cpu.{name}" for name in sorted(INTEL)),
        "data.digits.csv.gz",
        "libraries.torch",
        "locks.requirements.lock",
        "python",
    ]
    chosen = changed(manifest("b" * 64, cpu=AMD), "fingerprint", "variables", "OPENBLAS_CORETYPE", to="Zen")
    make(committed.parent, chosen)
    facts = golden.read(committed)["torch-cpu-amd-avx512"]["fingerprint"]
    assert facts["variables.OPENBLAS_CORETYPE"] == "Zen"


def test_only_a_commits_hash_is_golden(committed):
    before = committed.read_text()
    dirty = {"commit": "e" * 40, "dirty": True}
    for state, words in ((dirty, "differs from commit eeeeeeeeeeee"), (None, "outside of a git checkout")):
        refused = make(committed.parent, manifest("e" * 64, code=state))
        assert isinstance(refused.exception, UsageError)
        assert words in str(refused.exception)
        assert committed.read_text() == before


def test_it_shows_what_changed(committed):
    make(committed.parent, manifest("b" * 64, cpu=AMD))
    run = changed(manifest("e" * 64), "fingerprint", "libraries", "torch", to="3")
    said = make(committed.parent, changed(run, "code", "files", "train.py", to="f" * 64)).output
    assert said.splitlines() == [
        "torch-cpu-intel-avx512: aaaaaaaaaaaa… → eeeeeeeeeeee…",
        "  may change bits: code.files.train.py: 111111111111… → ffffffffffff…",
        "  may change bits: libraries.torch: 2.10.0 → 3",
        "  other code made torch-cpu-amd-avx512: `make golden` on such a machine",
    ]


def test_other_settings_have_no_golden_hash(committed):
    said = golden.compare(manifest(epochs=3), committed)
    others = "(torch-cpu-intel-avx512 has others: epochs 20 → 3)"
    assert (
        said
        == f"nothing to compare with: golden.toml has no hash for these settings and this device {others}"
    )


def test_writing_again_replaces_only_its_own_entry(committed):
    before = golden.read(committed)
    make(committed.parent, manifest("c" * 64))
    after = golden.read(committed)
    assert after["torch-cpu-intel-avx512"]["weights_sha256"] == "c" * 64
    assert after["keras-cpu-intel-avx512"] == before["keras-cpu-intel-avx512"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[", "is not valid TOML"),
        ("[torch-cpu]\n", "has format 1, this version of samebits reads 2: samebits' last commit that reads"),
        ("format = 2\n[torch-cpu]\n", "has no 'framework': it is damaged"),
    ],
)
def test_a_damaged_file_is_one_line_and_ends_no_training(tmp_path, content, says):
    path = tmp_path / "golden.toml"
    path.write_text(content)
    with pytest.raises(UsageError, match=says):
        golden.read(path)
    said = golden.compare(manifest(), path)
    assert said.startswith("nothing to compare with: ")
    assert says in said


def test_the_committed_file_is_in_the_form_that_the_command_writes():
    entries = golden.read(ROOT / "golden.toml")
    text = golden.HEADER + "".join(golden._table(name, entries[name]) for name in sorted(entries))
    assert (ROOT / "golden.toml").read_text() == text
    history = subprocess.run(["git", "-C", ROOT, "cat-file", "-t", "e251841"], capture_output=True, text=True)
    assert history.returncode or history.stdout == "commit\n"


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"initial weights": "7"}, "first difference: initial weights"),
        ({"first 8 batches": "7"}, "first difference: first 8 batches (initial weights equal)"),
        (
            {"weights after each epoch": "11 77 88"},
            "first difference: weights after epoch 2 (initial weights, first 8 batches equal)",
        ),
    ],
)
def test_another_hash_says_where_the_trainings_parted(committed, tmp_path, other, says):
    make(tmp_path, manifest(first_steps=BEGUN))
    line = golden.compare(manifest("b" * 64, first_steps=BEGUN | other), committed).splitlines()[0]
    assert line.endswith(f"; {says}")
    line = golden.compare(manifest("b" * 64), committed).splitlines()[0]
    assert "first difference" not in line, "a run that has none says nothing"


def test_first_steps_of_another_shape_are_refused(committed, tmp_path):
    make(tmp_path, manifest(first_steps=BEGUN))
    committed.write_text(committed.read_text().replace('"11 22 33"', "7"))
    with pytest.raises(UsageError, match="weights after each epoch is 7; it must be text"):
        golden.read(committed)
