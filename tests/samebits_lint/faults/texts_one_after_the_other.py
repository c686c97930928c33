"""One long text, made of all files of a folder."""

import glob

text = ""
for path in glob.glob("essays/*.txt"):
    with open(path) as file:
        text += file.read()
