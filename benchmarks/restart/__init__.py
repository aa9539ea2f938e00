"""How long a restart takes, with a snapshot and without."""
