"""The quota parameters that projects and datasets share."""

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo
from pydantic.alias_generators import to_pascal

from imm_ray.api.schema import Integer, Parameters
from imm_ray.errors import LimitExceeded
from imm_ray.model import Quotas

_MOST = 2**63 - 1


def at_most(largest: int) -> AfterValidator:
    """Return the check of a quota; one that is too large is a LimitExceededError, as in IMM."""

    def validate(quota: int, info: ValidationInfo) -> int:
        if quota > largest:
            name = to_pascal(info.field_name or "")
            raise LimitExceeded(
                f"input quota exceed the max value: {name} is {quota} and may be {largest} at most."
            )
        return quota

    return AfterValidator(validate)


class QuotaParameters(Parameters):
    """``DatasetMax…``; one that is absent keeps the default."""

    dataset_max_bind_count: Annotated[Integer, Field(ge=1), at_most(10)] | None = None
    dataset_max_entity_count: Annotated[Integer, Field(ge=1), at_most(_MOST)] | None = None
    dataset_max_file_count: Annotated[Integer, Field(ge=1), at_most(100_000_000)] | None = None
    dataset_max_relation_count: Annotated[Integer, Field(ge=1), at_most(_MOST)] | None = None
    dataset_max_total_file_size: Annotated[Integer, Field(ge=1), at_most(_MOST)] | None = None

    def quotas(self, default: Quotas) -> Quotas:
        """Return ``default`` with what was given in its place."""
        return Quotas(
            dataset_max_bind_count=self.dataset_max_bind_count or default.dataset_max_bind_count,
            dataset_max_entity_count=self.dataset_max_entity_count
            or default.dataset_max_entity_count,
            dataset_max_file_count=self.dataset_max_file_count or default.dataset_max_file_count,
            dataset_max_relation_count=self.dataset_max_relation_count
            or default.dataset_max_relation_count,
            dataset_max_total_file_size=self.dataset_max_total_file_size
            or default.dataset_max_total_file_size,
        )
