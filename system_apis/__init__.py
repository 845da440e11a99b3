"""System APIs: one contract for each family of systems, one folder for each vendor."""
