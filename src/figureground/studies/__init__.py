"""Questions that we ask, a folder each; every answer is a record that is saved."""
