"""The actions by family; ``registry.ACTIONS`` is the table of all of them."""
