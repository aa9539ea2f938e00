"""The wire: IMM's RPC protocol, its signatures, its actions and its JSON."""
