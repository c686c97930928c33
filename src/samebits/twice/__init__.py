"""Every operation of a training executed twice, and its results compared: `samebits twice`."""
