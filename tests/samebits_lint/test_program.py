"""Calls and imports are followed through the linted files, in the order in which a script runs."""

import textwrap

import pytest

from samebits_lint import rules
from samebits_lint.check import check

STEP = "loss.backward()\n    optimizer.step()\n"
NETS = """
import torch
class Base(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(4, 1)
class Net(Base):
    pass
"""
ENGINE = """
import torch
class Engine:
    def __init__(self, model, seed=None):
        self.model = model
        if seed is not None:
            torch.manual_seed(seed)
    def fit(self):
        step()
def fit(model, seed):
    torch.manual_seed(seed)
    step()
def step():
    loss.backward()
    optimizer.step()
"""
ADAPTED = """
import torch
from torch import nn
class Adapter(nn.Module):
    def __init__(self, base):
        super().__init__()
        self.base, self.down = base, nn.Parameter(torch.randn(2, base.in_features))
def adapt(model):
    for name, child in model.named_children():
        if isinstance(child, nn.Linear):
            setattr(model, name, Adapter(child))
    return model
"""


def problems_of(tmp_path, **files):
    """The problems in these files, as `file:line rule`; main.py is one that is started."""
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text).strip() + "\n")
    return [
        f"{problem.file.rpartition('/')[2]}:{problem.line} {problem.rule}"
        for problem in check([tmp_path], rules.load())
    ]


def main(*lines):
    body = "".join(f"    {line}\n" for line in lines)
    return (
        "import random\nimport torch\n"
        "from engine import Engine, fit\nfrom adapted import adapt\nimport nets\n"
        f"def main(options):\n{body}if __name__ == '__main__':\n    main(read())\n"
    )


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["model = nets.Net()", "fit(model, 3)"], ["main.py:7 SB302"]),
        (["fit(None, 3)", "model = nets.Net()"], []),
        (["model = adapt(torch.load('base.pt'))", "Engine(model, seed=3).fit()"], ["main.py:7 SB302"]),
        (["model = adapt(torch.load('base.pt'))", "Engine(model, seed=options.seed).fit()"], []),
        (["model = nets.Net()", "torch.manual_seed(0)", "print(model(torch.randn(3)))"], []),
        (["model = nets.Net()", "Engine(model, seed=3)", "print(model(torch.randn(3)))"], []),
        (["with torch.device('meta'):", "    model = nets.Net()", "fit(model, 3)"], []),
        (["model = nets.Net()", "model.load_state_dict(torch.load('base.pt'))", "fit(model, 3)"], []),
        (
            ["model = nets.Net()", "if options.resume:", "    model.load_state_dict(x)", "fit(model, 3)"],
            ["main.py:7 SB302"],
        ),
        (["if options.new:", "    model = nets.Net()", "fit(model, 3)"], []),
        (["setup(options)", "model = nets.Net()", "fit(model, 3)"], []),
        (["with torch.random.fork_rng():", "    torch.manual_seed(0)", "model = nets.Net()"], []),
        (
            [
                "model = nets.Net()",
                "with torch.random.fork_rng():",
                "    torch.manual_seed(0)",
                "model.fit()",
            ],
            [],
        ),
        (["make = lambda: nets.Net()", "fit(make, 3)"], []),
        (["port = random.randrange(9)", "random.seed(3)"], []),
    ],
)
def test_a_seed_in_another_file_comes_too_late(tmp_path, lines, expected):
    assert problems_of(tmp_path, main=main(*lines), nets=NETS, engine=ENGINE, adapted=ADAPTED) == expected


def test_a_late_seed_names_both_places(tmp_path):
    files = {"main": main("model = nets.Net()", "fit(model, 3)"), "nets": NETS, "engine": ENGINE}
    problems_of(tmp_path, **files, adapted=ADAPTED)
    (problem,) = check([tmp_path], rules.load())
    assert problem.message == (
        "Net(…) draws from torch's generator (nets.py:5) before its seed is set (engine.py:10)"
    )


def test_what_is_imported_runs_where_it_is_imported(tmp_path):
    files = {"nets": NETS + "\nmodel = Net()", "main": "import torch\ntorch.manual_seed(0)\nimport nets\n"}
    start = "\nif __name__ == '__main__':\n    nets.model.fit()"
    assert problems_of(tmp_path, nets=files["nets"], main=files["main"] + start) == []
    late = "import torch\nimport nets\ntorch.manual_seed(0)\n" + start
    assert problems_of(tmp_path, main=late) == ["nets.py:9 SB302"]


AUGMENT = """
import numpy as np
class Compose:
    def __init__(self, strength=0.1, seed=None):
        self.rng = np.random.default_rng(seed)
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("augment = Compose(0.5)", ["main.py:4 SB307"]),
        ("augment = Compose(seed=None)", ["main.py:4 SB307"]),
        ("augment = Compose(0.5, 3)", []),
        ("augment = Compose(**options)", []),
        ("augment = Compose() if seed is None else Compose(seed=seed)", []),
    ],
)
def test_a_class_of_another_file_gets_no_seed(tmp_path, line, expected):
    script = f"from augment import Compose\n\nif __name__ == '__main__':\n    {line}\n"
    assert problems_of(tmp_path, augment=AUGMENT, main=script) == expected


def test_tests_are_no_callers(tmp_path):
    script = "from augment import Compose\n\nif __name__ == '__main__':\n    Compose()\n"
    test = "import pytest\nfrom augment import Compose\n\ndef test_it():\n    Compose(seed=3)\n"
    assert problems_of(tmp_path, augment=AUGMENT, main=script, test_it=test) == ["main.py:4 SB307"]
    other = "from augment import Compose\n\nif __name__ == '__main__':\n    Compose(seed=3)\n"
    assert problems_of(tmp_path, other=other) == []


def test_an_order_is_followed_into_the_file_that_uses_it(tmp_path):
    read = """
    from concurrent.futures import as_completed
    def read(futures):
        return [future.result() for future in as_completed(futures)]
    """
    script = "from read import read\nrows = read(futures)\ntrain, test = rows[:80], rows[80:]\n"
    assert problems_of(tmp_path, read=read, main=script) == ["read.py:3 SB107"]
    assert problems_of(tmp_path, main=script.replace("read(futures)", "sorted(read(futures))")) == []


def test_a_parameter_is_written_by_the_file_that_imports_it(tmp_path):
    nets = "import torch\nclass Net(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    nets += "        self.gate = torch.nn.Parameter(torch.empty(3))\n"
    script = "import torch\nimport nets\ntorch.manual_seed(0)\n"
    script += f"def main():\n    {STEP}    model = nets.Net()\n"
    assert problems_of(tmp_path, nets=nets, main=script) == ["nets.py:5 SB309"]
    # A library's network brings weights of its own, and another script reads those that were trained.
    script += "    text = transformers.CLIPTextModel.from_pretrained('small')\n"
    predict = "import nets\nif __name__ == '__main__':\n    model = nets.Net()\n"
    predict += "    model.load_state_dict(weights)\n    print(model(1))\n"
    named = problems_of(tmp_path, main="import transformers\n" + script, predict=predict)
    assert named == ["nets.py:5 SB309"]
    assert problems_of(tmp_path, main=script + "    model.load_state_dict(weights)\n") == []
    assert problems_of(tmp_path, main=script + "    torch.nn.init.ones_(model.gate)\n") == []


ALBUMENTS = (
    "import albumentations as A\nimport torch\ntorch.manual_seed(0)\naugment = A.Compose([A.Blur()])\n"
)


def test_an_older_library_has_no_generator_of_its_own(tmp_path):
    assert problems_of(tmp_path, main=ALBUMENTS + f"def main():\n    {STEP}") == []  # nobody says which it is


@pytest.mark.parametrize(
    ("file", "text", "is_new"),
    [
        ("requirements.txt", "torch==2.3\nalbumentations==2.0.8\n", True),
        ("requirements.txt", "torch==2.3\nalbumentations  # augments\n", True),
        ("requirements.txt", "albumentations[x]>=1.3.0\n", True),
        ("requirements.txt", "albumentations>=1.3,<1.4\n", False),
        ("requirements.txt", "torch==2.3\nalbumentations==1.3.1\n", False),
        ("requirements.txt", "# albumentations>=1.0.3\nalbumentations-more==2.0\n", False),
        ("environment.yml", "dependencies:\n  - albumentations=1.3.0=py_0\n", False),
        ("environment.yml", "dependencies:\n  - albumentations>1.0\n", True),
        ("pyproject.toml", 'dependencies = ["torch==2.3", "albumentations>=1,<1.4"]\n', False),
        ("pyproject.toml", 'description = "with albumentations"\nalbumentations = "^1.3"\n', False),
        ("pyproject.toml", 'albumentations = "*"\n', True),
        ("docker/requirements.txt", "albumentations==0.4.1\n", False),
    ],
)
def test_the_version_that_a_project_asks_for(tmp_path, file, text, is_new):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)
    named = problems_of(tmp_path, main=ALBUMENTS + f"def main():\n    {STEP}")
    assert named == (["main.py:4 SB308"] if is_new else [])


def test_a_long_sum_ends_in_no_traceback(tmp_path):
    """Python nests it: 2000 levels deep, more than a function may call itself."""
    long = " + ".join(['"a"'] * 2000)
    lines = f"import torch\nfrom mine import f\nwith torch.autocast('cuda'):\n    x = f({long})\n"
    script = lines + "net = torch.nn.Linear(1, 1)\ntorch.manual_seed(0)\nnet.fit()\n"
    assert problems_of(tmp_path, main=script) == ["main.py:6 SB302"]
    chain = "built = f()" + ".add(1)" * 900
    assert problems_of(tmp_path, main=f"import torch\nfrom mine import f\n{chain}\nbuilt.fit()\n") == []


def test_circles_end(tmp_path):
    assert (
        problems_of(
            tmp_path,
            a="import b\nclass A(b.B):\n    pass\ndef f(seed=None):\n    b.g(seed=seed)\n",
            b="import a\nclass B(a.A):\n    pass\ndef g(seed=None):\n    a.f(seed=seed)\n    g()\n",
            main="import a\nfrom . import main\nif __name__ == '__main__':\n    a.f()\n    a.A().missing()\n",
        )
        == []
    )


def test_what_measures_or_tries_something_trains_nothing(tmp_path):
    step = "import torch\nfor x in batches:\n    loss.backward()\n    optimizer.step()\n"
    assert problems_of(tmp_path, main=step) == ["main.py:3 SB301"]
    (tmp_path / "main.py").unlink()
    assert problems_of(tmp_path, benchmark=step, dry_run=step) == []


def test_the_trainer_sets_the_seed_and_not_its_settings(tmp_path):
    script = (
        "from datasets import load_dataset\nfrom transformers import Trainer, TrainingArguments\n"
        "data = load_dataset('imdb', split='train').train_test_split(0.1)\n"
        "settings = TrainingArguments('out')\n"
        "trainer = Trainer(net, settings, train_dataset=data['train'])\ntrainer.train()\n"
    )
    assert problems_of(tmp_path, main=script) == ["main.py:5 SB302"]
