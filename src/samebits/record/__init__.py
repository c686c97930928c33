"""A record of what a training computed, in order, as digests: `samebits record` writes it."""
