"""Floor 0: what every other room may lean on, and nothing of ours that leans on anything."""
