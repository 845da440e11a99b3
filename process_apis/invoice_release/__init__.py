"""What is ready becomes an invoice in the ERP, posted once, unless a rule or a hold says no."""
