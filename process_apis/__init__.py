"""Process APIs: rules, order, compensation and money over several systems. They know ports, never vendors."""
