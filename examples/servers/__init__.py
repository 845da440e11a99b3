"""Start the real servers: programs of their own, run beside ours and never imported by them."""
