"""A record of what a training computed, in order: digests, written by any Python command that runs below it."""
