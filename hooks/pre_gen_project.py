"""Refuse wrong answers in one line, before any file of the project is made.

cookiecutter has made the project's folder, and runs this in it. When this fails, it removes the folder and
shows its own traceback after the line.
"""

import json
import keyword
import os
import re
import sys

# A JSON text with no quote that would end this string: tojson writes `"` in an answer as `\"`.
ANSWERS = json.loads(r"""{{ cookiecutter | tojson }}""")
NAME, SLUG, PACKAGE, AUTHOR = (
    ANSWERS[question] for question in ("project_name", "__slug", "package_name", "author")
)
CHOICES = {
    "framework": ("torch", "keras", "both"),
    "licence": ("MIT", "BSD-3-Clause", "Apache-2.0", "proprietary"),
}
LONGEST_NAME, LONGEST_PACKAGE, LONGEST_AUTHOR = 60, 30, 200  # characters
EXTRAS = ("notebook", "slurm", "kubernetes", "devcontainer")
# What a project imports under another name than its package's in the lock, which the other hook looks at.
NAMES = """
absl clang conftest cuda dateutil functorch google grpc isympy markdown_it mpl_toolkits nvidia pasta py pylab
samebits samebits_lint sklearn tests torchgen
"""
IMPORTED = frozenset(NAMES.split())


def complaint() -> str | None:
    """What is wrong with the answers, or None."""
    shown = {question: json.dumps(answer) for question, answer in ANSWERS.items()}  # no control characters
    for question, word in (("project_name", "project name"), ("author", "author")):
        if not ANSWERS[question].isprintable() or not ANSWERS[question].strip():
            return f"the {word} {shown[question]} must be one line of printable characters, and not empty"
    if SLUG == "-":
        return f"the project name {shown['project_name']} has no letter or digit to name a folder with"
    if max(len(NAME), len(SLUG)) > LONGEST_NAME:
        return f"the project name is too long for a folder: expected at most {LONGEST_NAME} characters"
    if len(AUTHOR) > LONGEST_AUTHOR:
        return f"the author has {len(AUTHOR)} characters; expected at most {LONGEST_AUTHOR}"
    if not re.fullmatch("[a-z_][a-z0-9_]*", PACKAGE) or keyword.iskeyword(PACKAGE):
        return (
            f"the package name {shown['package_name']} cannot be imported: expected lower-case letters, "
            "digits and _, not starting with a digit, and no word of Python's"
        )
    if len(PACKAGE) > LONGEST_PACKAGE:
        return f"the package name {PACKAGE} has {len(PACKAGE)} characters; expected at most {LONGEST_PACKAGE}"
    if PACKAGE in sys.stdlib_module_names or PACKAGE in IMPORTED:
        return f"the package name {PACKAGE} is taken by a library that the project uses; choose another"
    if SLUG == "samebits":
        return f"the project name {shown['project_name']} is the template's; choose another"
    for question, choices in CHOICES.items():
        if ANSWERS[question] not in choices:
            return f"the {question} {shown[question]} is none: expected {', '.join(choices)}"
    for extra in ANSWERS["extras"].replace(",", " ").split():
        if extra not in (*EXTRAS, "none"):
            return f"the extra {json.dumps(extra)} is none: expected {', '.join(EXTRAS)}, separated by spaces"
    if os.listdir():
        return (
            f"the folder {SLUG} is there and not empty: a project is made in a folder of its own "
            "(`cruft update` in it brings a later version of the template)"
        )
    return None


if line := complaint():
    sys.exit(f"samebits: {line}")
