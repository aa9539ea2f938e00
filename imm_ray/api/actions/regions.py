"""ListRegions."""

from typing import Any, Literal

from imm_ray.api.call import Call
from imm_ray.api.schema import Parameters
from imm_ray.store.database import Tx


class ListRegions(Parameters):
    """Parameters of ListRegions."""

    accept_language: Literal["zh-CN", "en-US", "ja"]


def list_regions(tx: Tx, call: Call, params: ListRegions) -> dict[str, Any]:
    """Return the one region that is served, ``server.region`` of the settings.

    It has the same name in every language: its id.
    """
    region = call.surroundings.settings.server.region
    return {"Regions": [{"RegionId": region, "LocalName": region}]}
