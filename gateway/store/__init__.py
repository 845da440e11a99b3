"""Generic tables and their access. Everything that may not be lost is here; every query carries its caller."""
