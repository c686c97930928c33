"""Was this process started right: determinism.env, and what the libraries made of it."""
