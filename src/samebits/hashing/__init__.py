"""All that makes or compares a hash: weights as canonical safetensors, batches, two runs bit by bit."""
