"""What decides how a training continues, as plain state; its files; and the thread that writes them."""
