"""Reads two records, or two finished runs, and says where they differ first, and why."""
