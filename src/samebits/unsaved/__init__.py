"""State that changes from step to step and that no checkpoint holds."""
