"""What a project needs to be run reproducibly: `samebits init` writes it."""
