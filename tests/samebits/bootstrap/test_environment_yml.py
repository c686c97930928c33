"""environment.yml is read with the standard library alone, as a YAML reader would read it."""

import pytest
import yaml
from tests.conftest import ROOT

from samebits.bootstrap.environment_yml import read

PLAIN = """\
name: mine
channels: [conda-forge, "my-forge"]  # in this order
platforms:
- linux-64
dependencies:
- python=3.11.15
- pip:
  - ./vendor/mine-1.0-py3-none-any.whl[fast]
  - 'numpy == 2.4.6'

  - scipy==1.17.0; python_version < "3.12"  # why
- uv=0.12.5
variables:
  A: b
"""


def as_yaml(text: str) -> dict[str, list[str]]:
    content = yaml.safe_load(text)
    (pip,) = (entry["pip"] for entry in content["dependencies"] if isinstance(entry, dict))
    others = [entry for entry in content["dependencies"] if isinstance(entry, str)]
    lists = {"channels": content["channels"], "platforms": content["platforms"]}
    return {**lists, "dependencies": others, "pip": pip}


@pytest.mark.parametrize("text", [PLAIN, (ROOT / "environment.yml").read_text()])
def test_it_reads_what_a_reader_of_yaml_reads(text: str) -> None:
    assert read(text) == as_yaml(text)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("- uv=0.12.5", "- uv: 0.12.5", "`- uv: 0.12.5` below"),
        ("- uv=0.12.5", "- pip:\n  - b==1", "expected one `pip:` list"),
        ("- python=3.11.15", "- [python, uv]", "`- [python, uv]`"),
        ("'numpy == 2.4.6'", "numpy: 2", "`- numpy: 2` below `pip:`"),
        ("- linux-64", "  linux-64", "below `platforms:`: expected one entry a line, `- ENTRY`"),
        ("platforms:", "platforms: linux-64", "expected one entry a line below `platforms:`"),
    ],
)
def test_what_it_does_not_read_it_names(old: str, new: str, says: str) -> None:
    assert PLAIN.count(old) == 1
    with pytest.raises(ValueError, match=r".") as failed:
        read(PLAIN.replace(old, new))
    assert says in str(failed.value)
