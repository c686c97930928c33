"""Random numbers: seeds and streams derived from one seed, and one registry of every global generator."""
