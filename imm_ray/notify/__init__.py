"""Notifications on their way out: from a message to a file or an HTTP endpoint."""
