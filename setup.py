"""What pyproject.toml cannot say: files that lie beside the modules, or in the repository's root.

They have one home, where people look for them. An editable install reads them there.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithRoot(build_py):
    """Puts determinism.env and the rules' pages beside the modules: see `variables.package_file`.

    And what makes a project's environment and its locks: uv's row, and conda-lock with all that it needs.
    Beside the packages, in an editable install, too: samebits_begin.pth, which Python executes at its start.
    """

    def run(self) -> None:
        super().run()
        wheel = self.get_finalized_command("install").install_lib if self.editable_mode else self.build_lib
        self.copy_file("src/samebits_begin.pth", str(wheel))
        if not self.editable_mode:
            rows = Path("locks/requirements-dev.lock").read_text(encoding="utf-8").splitlines(keepends=True)
            (row,) = (row for row in rows if row.startswith("uv=="))
            Path(self.build_lib, "samebits/bootstrap/uv.lock").write_text(row, encoding="utf-8")
            own = "locks/requirements-conda-lock.lock"
            for source in ("determinism.env", own, *map(str, sorted(Path("docs/rules").glob("*.md")))):
                target = Path(self.build_lib, "samebits", source)
                self.mkpath(str(target.parent))
                self.copy_file(source, str(target))


setup(cmdclass={"build_py": BuildWithRoot})
