"""What `gateway/main.py` puts together, a topic a module: each builds its part of the product from the settings."""
