"""Was this process started right: determinism.env, what the libraries made of it, and how to start another."""
