"""What in a user's code will not repeat, found by reading it and without running it.

    sources.py    the files and notebooks below the paths
    names.py      what a name in a file stands for, through imports and aliases
    module.py     one parsed file, as rules see it
    program.py    all files as one: which function or class a call reaches, who calls it
    seeding.py    which generators a file seeds, or the script that imports it
    drawing.py    what draws from them
    splitting.py  splits and shuffles that draw from NumPy's global generator
    execution.py  what a script draws and seeds, in the order in which it runs
    callers.py    parameters that no caller gives
    options.py    branches that the defaults of options and parameters do not take
    unordered.py  what has no order: sets, listings, results of whoever is ready
    order.py      whether anything depends on the order of such a thing
    workers.py    whether loaders have workers
    rules/        the rules, by subject; each gives places and messages
    ignores.py    `# samebits: ignore[SB101]`
    check.py      all of it together

Nothing here imports samebits or any other package, and nothing runs what it reads. The command is
samebits/lint.py.
"""
