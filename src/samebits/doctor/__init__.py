"""`samebits doctor`: what is not right here, and how to fix it."""
