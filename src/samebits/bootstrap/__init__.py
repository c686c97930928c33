"""What makes a project's environment before there is one: shell and Python's standard library alone."""
