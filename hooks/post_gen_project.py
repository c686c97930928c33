"""Make the project that was asked for out of the copy of the template's repository in the current folder.

cookiecutter has copied what the links in the templated folder point to, unrendered; what is left to do is to
take away what was not asked for and to write the project's names in place of the template's.
"""

import hashlib
import json
import re
import shutil
import sys
from pathlib import Path

ANSWERS = json.loads(r"""{{ cookiecutter | tojson }}""")
PACKAGE, FRAMEWORK, AUTHOR = ANSWERS["package_name"], ANSWERS["framework"], ANSWERS["author"]
NAME, SLUG = ANSWERS["project_name"], ANSWERS["__slug"]
SPDX = ANSWERS["licence"] if ANSWERS["licence"] != "proprietary" else "LicenseRef-Proprietary"

# The template's own files and tests.
STAYS_BEHIND = (
    "docs/template.md",
    "docs/library.md",
    "tests/template",
    "tests/test_wheel.py",
    "tests/tools/test_bench.py",
    "tests/tools/test_supported.py",
    "tools/bench.py",
    "tools/plain_torch.py",
    "tools/supported.py",
    "tools/wheel.py",
)
# What may lie in a working copy and is in no commit.
LEFTOVERS = ("**/__pycache__", "**/*.egg-info", "**/.ipynb_checkpoints")
# Files and folders that are named for a framework belong to it.
OF_FRAMEWORK = (
    "docs/*_{0}.md",
    "notebooks/*_{0}.ipynb",
    "src/*/proof/*_{0}.py",
    "src/*/proof/controls/*_{0}.py",
    "src/*/proof/portable/{0}_operations.py",
    "src/*/{0}",
    "src/starter/*_{0}.py",
    "tests/samebits/{0}",
)

# `starter` where it is a package or a folder, and not the English word.
STARTER = re.compile(r"\bstarter(?=[./]\w)|(?<=[\"/])starter(?=[\"/])|(?<=src/)starter\b|(?<=from )starter\b")

# `samebits` where it is the image's name, or of what is made of the image; in these files.
IMAGE = re.compile(
    r"(?<![\w.])samebits(?=\.sif|\.tar|-runs|-train|:latest|:compile|:python)"
    r"|(?<=[ \"=])samebits(?=\"?,?$| (?:train|python|sleep|samebits|\\|--)| \"\$)",
    re.MULTILINE,
)
NAMES_IMAGE = (
    ".devcontainer/devcontainer.json",
    ".github/workflows/image.yml",
    "CITATION.cff",
    "deploy/*",
    "docs/c*.md",
    "tests/deploy/*.py",
    "tests/image/test_devcontainer.py",
)


SHA256 = re.compile(r"\b[0-9a-f]{64}\b")


def sha256(text: str) -> str:
    """The SHA-256 of a text file."""
    return hashlib.sha256(text.encode()).hexdigest()


def refuse_a_taken_name() -> None:
    """Installed under the name of a package of the locks, the project would take its place."""
    locks = Path("requirements.lock").read_text() + Path("locks/requirements-dev.lock").read_text()
    taken = {re.sub(r"[-_.]+", "-", name).lower() for name in re.findall(r"^([\w.-]+)==", locks, re.M)}
    if PACKAGE.replace("_", "-") in taken:
        sys.exit(
            f"samebits: the package name {PACKAGE} is taken by a library that the project uses; "
            "choose another"
        )
    if SLUG in taken:
        sys.exit(
            f"samebits: the project name {json.dumps(NAME)} is that of a package that the project installs; "
            "choose another"
        )


def remove(pattern: str, needed: bool = True) -> None:
    """Remove what a pattern matches, which must be something where `needed`."""
    found = list(Path().glob(pattern))
    if needed and not found:
        sys.exit(f"samebits: the template has no {pattern}, which its hook means to leave out")
    for path in found:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def replace(file: str, old: str, new: str) -> None:
    """Replace a piece of text that a file must have."""
    path = Path(file)
    text = path.read_text()
    if old not in text:
        sys.exit(f"samebits: the template's {file} has no {old!r}, which its hook means to replace")
    path.write_text(text.replace(old, new))


def write_licence() -> None:
    """The project's licence is its owner's; samebits, which comes with it, keeps its own."""
    shutil.copy("LICENSE", "src/samebits/LICENSE")
    if ANSWERS["licence"] == "MIT":
        text = re.sub(
            r"Copyright \(c\) .*", lambda match: f"Copyright (c) {AUTHOR}", Path("LICENSE").read_text()
        )
    else:
        text = Path("licences", ANSWERS["licence"]).read_text().replace("AUTHOR", AUTHOR)
    Path("LICENSE").write_text(text)
    shutil.rmtree("licences")


def write_names() -> None:
    """The places where the template's name is the project's."""
    for pattern in NAMES_IMAGE:
        for path in Path().glob(pattern):
            path.write_text(IMAGE.sub(SLUG, path.read_text()))
    replace("CITATION.cff", "the samebits authors", json.dumps(AUTHOR, ensure_ascii=False))
    replace("CITATION.cff", "license: MIT", f"license: {SPDX}")
    replace("README.md", "# samebits\n", f"# {NAME}\n")
    replace(
        "README.md",
        "MIT licence.",
        f"Licence: {SPDX}. Made from the samebits template; `src/samebits` is under MIT.",
    )
    replace("pyproject.toml", 'name = "samebits"', f'name = "{SLUG}"')
    replace("pyproject.toml", 'dynamic = ["version"]', 'version = "0.1.0"')
    replace("pyproject.toml", 'license = "MIT"', f'license = "{SPDX}"')
    replace("Dockerfile", "image.title=samebits", f"image.title={SLUG}")
    replace("Dockerfile", "image.licenses=MIT", f"image.licenses={SPDX}")


def main() -> None:
    if not Path("src").is_dir():
        sys.exit("samebits: the template's links were lost on the way: give its address or a git clone of it")
    refuse_a_taken_name()
    # git reads no .gitignore that is a link, and says so at every command.
    Path("gitignore").rename(".gitignore")
    for pattern in LEFTOVERS:
        remove(pattern, needed=False)
    for path in STAYS_BEHIND:
        remove(path)
    others = {"torch", "keras"} - {FRAMEWORK} if FRAMEWORK != "both" else set()
    for other in others:
        for pattern in OF_FRAMEWORK:
            remove(pattern.format(other), needed=not pattern.startswith("docs"))
        golden = re.sub(
            rf"^\[{other}-(.*\n)+?(?=^\[(?!{other}-)|\Z)", "", Path("golden.toml").read_text(), flags=re.M
        )
        Path("golden.toml").write_text(golden)

    sys.dont_write_bytecode = True
    sys.path.insert(0, "src")
    from samebits.bootstrap.only import select

    renamed: dict[str, str] = {}  # a file's SHA-256 in the template, and as it is here
    for path in Path().rglob("*"):
        if path.is_file() and not path.is_symlink():
            try:
                text = path.read_text()
            except UnicodeDecodeError:
                continue
            new = STARTER.sub(PACKAGE, select(text, FRAMEWORK))
            if new != text:
                path.write_text(new)
                renamed[sha256(text)] = sha256(new)
    golden = Path("golden.toml").read_text()  # it names the files that its hashes were made with
    Path("golden.toml").write_text(SHA256.sub(lambda match: renamed.get(match[0], match[0]), golden))
    for folder in ("src", "tests"):
        Path(folder, "starter").rename(Path(folder, PACKAGE))
    write_licence()
    write_names()
    print(f"{SLUG}: a samebits project. Next: cd {SLUG} && git init && make train")


main()
