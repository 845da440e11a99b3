"""Project onboarding: a signed statement of work becomes a project in the PSA and the ERP."""
