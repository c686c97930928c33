"""What can change bits on this machine, as facts: collected, compared, and kept with golden hashes."""
