"""Looks into a picture where a request says that it is, if its account may read there."""

from imm_ray.api.asking import Asking, analysis_of
from imm_ray.api.call import Call
from imm_ray.model import ImageAnalysis, Refused, Source
from imm_ray.settings import NOT_ALLOWED


async def look_at(asking: Asking, call: Call, uri: str, parameter: str) -> ImageAnalysis:
    """Return what is in the picture at the URI of a parameter, or raise as `Asking.look` does.

    What is another account's is refused as what is not configured: here, before any model is
    asked, and by whoever would read it.
    """
    if call.surroundings.settings.forbids(uri, call.account):
        return analysis_of(Refused(NOT_ALLOWED), parameter)
    wanted = Source(uri=uri, media_type="image", account=call.account)
    return await asking.look(wanted, parameter)
