"""The story: a CRM calls, two real systems answer. It talks to the gateway over REST only, as a CRM would."""
