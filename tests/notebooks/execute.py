"""Execute a notebook in one kernel, several times from the top; what the tests start in a process of its own.

    python execute.py NOTEBOOK RUN [EPOCHS]...

Each EPOCHS (0: as it is written) is one pass from the top. Prints, as JSON, per pass what every code cell put
out, {id: [output, …]}, and the weights' hash and golden verdict that RUN, the run's folder, then holds.
"""

import copy
import json
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

path, run, passes = Path(sys.argv[1]), Path(sys.argv[2]), [int(word) for word in sys.argv[3:]]
written = nbformat.read(path, as_version=4)
client = NotebookClient(
    copy.deepcopy(written),
    timeout=600,
    kernel_name="python3",
    allow_errors=True,
    resources={"metadata": {"path": path.parent}},
)
done = []
with client.setup_kernel():
    for epochs in passes:
        client.nb.cells = copy.deepcopy(written.cells)
        for index, cell in enumerate(client.nb.cells):
            if epochs and cell.id == "settings":
                cell.source = cell.source.replace("Settings(", f"Settings(epochs={epochs}, ")
            client.execute_cell(cell, index)
        outputs = {cell.id: cell.outputs for cell in client.nb.cells if cell.cell_type == "code"}
        manifest = run / "manifest.json"
        facts = json.loads(manifest.read_text()) if manifest.exists() else {}
        done.append({"outputs": outputs} | {name: facts.get(name) for name in ("weights_sha256", "golden")})
print(json.dumps(done))
