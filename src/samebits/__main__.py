"""`python -m samebits`, which is what the command `samebits` runs.

`lint` needs no package besides Python's own modules, so it is started before any other is imported.
"""

import os
import sys

from samebits import _extras
from samebits._files import cannot_look
from samebits._printable import printable
from samebits.errors import SamebitsError


def main() -> None:
    """The console script."""
    try:
        if sys.argv[1:2] == ["lint"]:
            from samebits.lint import main as lint

            sys.exit(lint(sys.argv[2:]))
        from samebits import cli
    except BrokenPipeError:  # nobody reads the output any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except SamebitsError as error:
        line, status = str(error), error.status
    except ModuleNotFoundError as error:
        line, status = _extras.explain(error) or "", 2
        if not line:
            raise
    except OSError as error:
        line, status = cannot_look(error) or "", 2
        if not line:
            raise
    except KeyboardInterrupt:
        line, status = "interrupted", 130
    else:
        cli.main()
        return
    print(f"samebits: {printable(line)}", file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
