"""What the processes share: business keys, money, contracts, canonical customers and projects, project codes."""
