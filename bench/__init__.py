"""What is claimed about speed and safety, as programs that measure it."""
