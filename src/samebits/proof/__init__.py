"""The commands that show it: smoke, seeds, verify, resume-proof, matrix, controls and the portable tables."""
