"""Tiny wheels, made in a test, and a package index on this machine that serves them."""

import base64
import contextlib
import functools
import hashlib
import http.server
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote


def make_wheel(folder: Path, name: str, version: str, requires: Sequence[str] = ()) -> Path:
    """A wheel with one module, `VERSION = "…"`."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {need}\n" for need in requires)
    files = {
        f"{name}.py": f'VERSION = "{version}"\n',
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).decode().rstrip("=")
        rows.append(f"{path},sha256={digest},{len(content)}\n")
    files[f"{info}/RECORD"] = "".join([*rows, f"{info}/RECORD,,\n"])
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in files.items():
            archive.writestr(member, content)
    return path


def make_index(folder: Path, *packages: tuple[str, str] | tuple[str, str, Sequence[str]]) -> Path:
    """A folder that a static server turns into a package index: a page a package, with hashes.

    Args:
        folder: where its pages go; what lies there already, such as a .tar.gz, is listed, too.
        packages: name, version and, for some, requirements of each wheel.
    """
    for package in packages:
        make_wheel(folder / package[0], *package)
    for page in folder.iterdir():
        links = [f'<a href="{source.name}">{source.name}</a>\n' for source in sorted(page.glob("*.tar.gz"))]
        for wheel in sorted(page.glob("*.whl")):
            digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
            # Solvers read what a wheel needs beside it, and not in it.
            with zipfile.ZipFile(wheel) as archive:
                (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
                (page / f"{wheel.name}.metadata").write_bytes(archive.read(metadata))
            address = f"{quote(wheel.name)}#sha256={digest}"
            links.append(f'<a href="{address}" data-core-metadata="true">{wheel.name}</a>\n')
        (page / "index.html").write_text("".join(links))
    return folder


@contextlib.contextmanager
def served(folder: Path, asked: Callable[[str], None] = lambda _: None) -> Iterator[str]:
    """The address of a server of this folder, while in the block.

    Args:
        folder: what it serves.
        asked: is called with the path of each request, before it is answered.
    """

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            asked(self.path)
            super().do_GET()

        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
