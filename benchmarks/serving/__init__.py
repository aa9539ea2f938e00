"""How fast requests are answered, and how much of the time is ours."""
