"""PROFILE=portable is shown for versions, by name."""

import importlib
import importlib.metadata

import pytest
from tests.conftest import FRAMEWORKS, ROOT

from samebits import UsageError
from samebits.installed.packages import locked
from samebits.process.portable_versions import NUMPY, refuse_unshown

SHOWN = dict(NUMPY)
for framework in FRAMEWORKS:
    SHOWN |= importlib.import_module(f"samebits.{framework}.portable").VERSIONS


def test_it_was_shown_with_what_is_locked() -> None:
    rows = locked([ROOT / "requirements.lock"])
    for package in SHOWN.keys() & rows.keys():
        assert rows[package][0] in SHOWN[package]
        refuse_unshown({package: SHOWN[package]})


@pytest.mark.parametrize("package", list(SHOWN))
def test_another_version_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "99.1+cpu")
    with pytest.raises(
        UsageError, match=rf"is verified with {package} \d.*, and 99\.1 is installed: install"
    ):
        refuse_unshown({package: SHOWN[package]})
    monkeypatch.setattr(importlib.metadata, "version", lambda name: f"{SHOWN[name][0]}+cpu")
    refuse_unshown({package: SHOWN[package]})
