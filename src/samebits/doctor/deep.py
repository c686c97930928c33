"""`samebits doctor --deep`: every installed file, and what the frameworks really loaded. It takes seconds."""

import os
import re
import sys
import sysconfig
from collections import defaultdict
from pathlib import Path

from samebits._progress import bar
from samebits._report import Finding
from samebits.doctor.traps import FIX
from samebits.fingerprint import shared_libraries
from samebits.framework import installed, load_toolkit
from samebits.installed import packages
from samebits.installed.attest import differing, in_short
from samebits.process.command_line import hint

# The locked wheels bring these; from elsewhere it is another build, or the driver's.
FROM_WHEELS = re.compile(
    r"lib(?:cublas|cublasLt|cudart|cudnn|cufft|curand|cusolver|cusparse|nccl|nvJitLink|nvrtc)\b"
)


def report() -> list[Finding]:
    """Every file against its RECORD, then every framework imported, and the libraries that this loaded."""
    files = _files()  # first: its worker processes are forked, which a framework's threads would not survive
    return [files, *_imported(), *_libraries()]


def _files() -> Finding:
    site = Path(sysconfig.get_path("purelib"))
    installed = packages.installed(site)
    rows, faults = [], []
    for package in installed:
        recorded, _, wrong = package.recorded()
        rows += recorded
        faults += wrong
    faults += [f"{shared_libraries.place(str(path))} {fault}" for path, fault in differing(rows)]
    size = sum(row.size for row in rows) / 1e9
    if faults:
        return Finding(
            "installed files", "fail", in_short(faults), f"{FIX}; `{hint('samebits', 'attest')}` has more"
        )
    state = f"{len(rows):,} of {len(installed)} packages are as recorded, {size:.2f} GB"
    return Finding("installed files", "ok", state)


def _imported() -> list[Finding]:
    findings = []
    for name in bar(installed(), "importing"):
        toolkit = load_toolkit(name)
        toolkit.make_deterministic()
        facts = {key: value for key, value in toolkit.determinism().items() if value not in (None, "")}
        findings.append(Finding(name, "ok", ", ".join(f"{key} {value}" for key, value in facts.items())))
    return findings


def _libraries() -> list[Finding]:
    """Each library that computes comes from the environment and is there once."""
    findings = []
    copies = defaultdict(list)
    for path in shared_libraries.mapped():
        name = os.path.basename(path)
        if not shared_libraries.COMPUTING.match(name):
            continue
        if path.endswith(shared_libraries.DELETED):
            fix = "start this program again"
            findings.append(Finding(name, "fail", f"{path}: replaced since this process loaded it", fix))
        copies[re.split(r"\.so\b", name)[0]].append(path)
    prefixes = tuple(f"{prefix}{os.sep}" for prefix in (sys.prefix, os.path.realpath(sys.prefix)))
    for name, paths in copies.items():
        outside = [path for path in paths if not path.startswith(prefixes)]
        if FROM_WHEELS.match(name) and outside:
            fix = "unset LD_LIBRARY_PATH and LD_PRELOAD, and start through ./entrypoint"
            findings.append(Finding(name, "fail", f"{outside[0]} is not the locked wheels'", fix))
        elif FROM_WHEELS.match(name) and len(paths) > 1:
            findings.append(Finding(name, "fail", f"loaded {len(paths)} times: {', '.join(paths)}", FIX))
    if not findings:
        what = f"{len(copies)} that compute, each once, CUDA's from the locked wheels"
        findings.append(Finding("loaded libraries", "ok", what))
    return findings
