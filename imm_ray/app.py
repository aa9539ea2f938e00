"""The composition root of a cluster: what ``serve_config.yaml`` names."""

from pathlib import Path
from typing import Any

from ray.serve import Application

from imm_ray.runtime.deployments import assemble, prepare
from imm_ray.settings import load_settings


def build_app(args: dict[str, Any]) -> Application:
    """Return the Serve application for ``serve_config.yaml``.

    Parameters
    ----------
    args
        Settings by section, and ``config``: the path of a settings file (weaker than the rest).
    """
    values = dict(args)
    file = values.pop("config", None)
    settings = load_settings(Path(file) if file else None, **values)
    return assemble(settings, prepare(settings))
