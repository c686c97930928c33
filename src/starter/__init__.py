"""The training: data, model and settings. This is the part that you rewrite for your own work."""
