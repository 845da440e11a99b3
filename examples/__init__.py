"""What shows the product at work. Nothing of it ships."""
