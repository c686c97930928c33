"""A run is a folder: settings, loop, metrics, signals, resuming, and the manifest at its end."""
