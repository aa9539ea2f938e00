"""The ``imm-ray`` command."""
