"""Make the environment of the project in the current folder, with nothing installed but a Python.

    python3 vendor/samebits-VERSION-py3-none-any.whl/samebits/bootstrap [PYTHON]

Python starts a folder within a zip file that has a `__main__.py`, and a wheel is a zip file. This unpacks the
wheel into a temporary folder and starts `create-env` there. Any Python 3 can do that: create-env finds the
one that the environment is made with.
"""

import os
import signal
import subprocess
import sys
import tempfile
import zipfile
import zlib


def main():  # type: ignore[no-untyped-def] # older Pythons than ours read this
    """Start create-env; its exit status, or 1 with one line when the wheel is damaged."""
    here = os.path.dirname(os.path.abspath(__file__))
    library = os.path.dirname(os.path.dirname(here))
    if os.path.isdir(library):
        return create_env(here)
    with tempfile.TemporaryDirectory(prefix="samebits-") as folder:
        try:
            with zipfile.ZipFile(library) as wheel:
                wheel.extractall(folder)
        except (zipfile.BadZipFile, zlib.error) as error:
            name = os.path.relpath(library)
            line = "samebits: {} is damaged ({}): restore it (git checkout {})"
            print(line.format(name, error, name), file=sys.stderr)
            return 1
        except OSError as error:
            line = "samebits: {} cannot be written ({}): TMPDIR names another folder"
            print(line.format(folder, error.strerror), file=sys.stderr)
            return 1
        return create_env(os.path.join(folder, "samebits", "bootstrap"))


def create_env(folder):  # type: ignore[no-untyped-def]
    """Run the script and wait for it, whatever signal comes: it cleans up, and then so does this process."""
    started = subprocess.Popen(["sh", os.path.join(folder, "create-env"), *sys.argv[1:]])
    signal.signal(signal.SIGINT, lambda *_: None)  # the terminal sends it to both
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: started.send_signal(number))
    status = started.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
