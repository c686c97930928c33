"""Which linted files belong together: what a file imports, and its package."""

from collections.abc import Mapping
from pathlib import Path

from samebits_lint.module import Module


def imports(modules: Mapping[Path, Module]) -> dict[Path, set[Path]]:
    """For every file the linted ones that it imports, as far as paths show it; none that are scripts."""
    by_name: dict[str, list[Path]] = {}
    for path, module in modules.items():
        if not module.is_script:
            by_name.setdefault(_parts(path)[-1], []).append(path)
    return {path: _imported(path, module, by_name) for path, module in modules.items()}


def package(path: Path) -> Path:
    """The outermost folder around a file that is a package; the file itself where there is none."""
    outermost, folder = path, path.absolute().parent
    while (folder / "__init__.py").exists():
        outermost, folder = folder, folder.parent
    return outermost


def _imported(path: Path, module: Module, by_name: Mapping[str, list[Path]]) -> set[Path]:
    files = set()
    for dotted in module.aliases.values():
        parts = tuple(part for part in dotted.split(".") if part)
        for end in filter(None, (parts, parts[:-1])):
            files |= {other for other in by_name.get(end[-1], ()) if _parts(other)[-len(end) :] == end}
    return files - {path}


def _parts(path: Path) -> tuple[str, ...]:
    """A file's path as a dotted name has it."""
    parts = path.with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts
