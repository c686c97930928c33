"""Put the files that the answers chose in their places: each answer has a folder in choices/.

It runs in the new project. A zip may have lost the modes of files, so what is executed gets its mode here.
"""

import json
import re
import shutil
import sys
from pathlib import Path

ANSWERS = json.loads(r"""{{ cookiecutter | tojson }}""")
PACKAGE, SLUG = ANSWERS["package_name"], ANSWERS["__slug"]
CHOICES = Path("choices")

extras = [extra for extra in ANSWERS["extras"].replace(",", " ").split() if extra != "none"]
for answer in (ANSWERS["framework"], ANSWERS["licence"], *extras):
    shutil.copytree(CHOICES / answer, ".", dirs_exist_ok=True)
shutil.rmtree(CHOICES)
for command in ("entrypoint", "slurm.sh"):
    if Path(command).exists():
        Path(command).chmod(0o755)

# Installed under the name of a package of the lock, the project would take its place.
lock = Path("requirements.lock").read_text(encoding="utf-8")
taken = {re.sub(r"[-_.]+", "-", name).lower() for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)}
for kind, name in (("package", PACKAGE), ("project", SLUG)):
    if name.replace("_", "-") in taken:
        sys.exit(
            f"samebits: the {kind} name {name} is that of a package that the project installs; choose another"
        )
print(f"{SLUG}: a project with samebits. Next: cd {SLUG} && git init && make train")
