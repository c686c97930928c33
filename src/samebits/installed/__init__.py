"""Whether what is installed is what the locks say, file by file."""
