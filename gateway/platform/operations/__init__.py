"""What is under way and what waits for somebody."""
