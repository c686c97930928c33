"""Of a package's wheels, the lock has the one that an installer would choose."""

from typing import Any

import pytest

from samebits.errors import CheckFailed
from samebits.lock.wheels import best_wheel, wheel_tags


def package(*tags: str) -> dict[str, Any]:
    """A row of pylock.toml whose wheels' hashes are their places in `tags`."""
    wheels = [
        {"url": f"https://example.org/%2B/p-1.0-{tag}.whl#x", "hashes": {"sha256": str(place)}}
        for place, tag in enumerate(tags)
    ]
    return {"name": "p", "version": "1.0", "wheels": wheels}


@pytest.mark.parametrize(
    "tags",
    [
        ("cp311-cp311-manylinux_2_28_x86_64", "cp39-abi3-manylinux_2_28_x86_64", "py3-none-any"),
        (
            "cp39-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64",
            "py3-none-any",
            "cp312-cp312-manylinux_2_28_x86_64",
        ),
        ("cp311-cp311-manylinux_2_28_x86_64", "cp311-cp311-manylinux2014_x86_64", "cp311-cp311-linux_x86_64"),
        ("py3-none-any", "cp311-cp311-manylinux_2_34_x86_64", "cp311-cp311-musllinux_1_2_x86_64"),
        ("2-cp311-cp311-manylinux_2_28_x86_64", "1-cp311-cp311-manylinux_2_28_x86_64", "1-py3-none-any"),
        ("10-py3-none-any", "9-py3-none-any", "py3-none-any"),
        ("py3-none-manylinux1_x86_64", "cp311-cp311-macosx_11_0_arm64", "cp311-cp311-manylinux_2_17_aarch64"),
    ],
)
def test_the_wheel_is_the_one_that_an_installer_would_choose(tags: tuple[str, ...]) -> None:
    ranks = wheel_tags("3.11")
    assert best_wheel(package(*tags), ranks) == "0"
    assert best_wheel(package(*reversed(tags)), ranks) == str(len(tags) - 1)


def test_a_package_without_a_fitting_wheel_is_refused() -> None:
    ranks = wheel_tags("3.11")
    with pytest.raises(CheckFailed, match=r"p 1\.0 has no wheel"):
        best_wheel(package("cp311-cp311-win_amd64"), ranks)
    nameless = package("py3-none-any")
    nameless["wheels"][0]["hashes"] = {"md5": "0"}
    with pytest.raises(CheckFailed, match="no sha256"):
        best_wheel(nameless, ranks)
