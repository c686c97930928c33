"""Chance that no seed decides: what a process really drew, by file and line."""
