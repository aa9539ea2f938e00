"""Whether vectors made now can be compared with those that a dataset holds."""

from imm_ray.embed.cards import load_card
from imm_ray.model import Dataset
from imm_ray.settings import Models


def mismatch(dataset: Dataset, models: Models) -> str:
    """Return why vectors of ``models`` can not be compared with those of a dataset; '' if so."""
    for used, name in ((dataset.face_model, models.face), (dataset.image_model, models.image)):
        if (runs := load_card(name).model_id) != used:
            return (
                f"The dataset was made with the model {used}, and this server runs {runs}: their "
                "vectors can not be compared. Set models.face and models.image to those of the "
                "dataset."
            )
    return ""
