"""Who is measured side by side: this gateway, what it stands on, and what firms use today. One module each."""
