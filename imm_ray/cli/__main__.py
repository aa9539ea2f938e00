"""``python -m imm_ray.cli`` is the `imm-ray` command."""

from imm_ray.cli.main import app

app(prog_name="imm-ray")
