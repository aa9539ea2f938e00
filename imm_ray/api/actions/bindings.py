"""Actions on bindings; StopBinding and ResumeBinding are those of SDKs before 3.0.0."""

import re
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, Field

from imm_ray.api.call import Call, Written
from imm_ray.api.render import binding_body
from imm_ray.api.schema import Boolean, Integer, NextToken, OfDataset, ShortText, page_size
from imm_ray.errors import InvalidArgument
from imm_ray.model import Binding, Dataset
from imm_ray.store import bindings, datasets
from imm_ray.store.database import Tx

_BUCKET = re.compile(r"(?:(?P<scheme>oss|s3)://)?(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,254})/?")


def _bucket_uri(text: str) -> str:
    found = _BUCKET.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text[:200]!r} is not a bucket like oss://bucket or s3://bucket, without a path"
        )
    return f"{found['scheme'] or 'oss'}://{found['name']}"


BucketUri: TypeAlias = Annotated[str, AfterValidator(_bucket_uri)]
"""``oss://bucket``, whether it was said with a slash at the end or as the name alone."""


class OfBinding(OfDataset):
    """Parameters of an action on a binding."""

    uri: Annotated[BucketUri, Field(alias="URI")]


class CreateBinding(OfBinding):
    """Parameters of CreateBinding."""


class GetBinding(OfBinding):
    """Parameters of GetBinding."""


class ListBindings(OfDataset):
    """Parameters of ListBindings."""

    max_results: Annotated[Integer, page_size(200)] = 100
    name: ShortText = ""
    next_token: NextToken = ""
    uri: Annotated[BucketUri | None, Field(alias="URI")] = None


class DeleteBinding(OfBinding):
    """Parameters of DeleteBinding."""

    cleanup: Boolean = False


class StopBinding(OfBinding):
    """Parameters of StopBinding."""

    reason: ShortText = ""


class ResumeBinding(OfBinding):
    """Parameters of ResumeBinding."""


def create_binding(tx: Tx, call: Call, params: CreateBinding) -> Written:
    """Bind a bucket to a dataset, which shall have its objects as files.

    The bucket must be among ``buckets`` in the settings of the server and be the account's to use:
    another's is as unknown as one that is not there. A URI is bound to a
    dataset once. A new binding is Ready, its Phase empty, until its first scan begins; this version
    keeps bindings and does not scan yet. ``oss://b/`` and ``b`` mean ``oss://b``.
    """
    dataset = _dataset(tx, call, params)
    name = params.uri.partition("://")[2]
    bucket = call.surroundings.settings.buckets.get(name)
    if bucket is None or not bucket.serves(call.account):
        raise InvalidArgument.of(
            "URI",
            f"the bucket {name!r} is not configured; add it to buckets in the settings of the "
            "server",
        )
    binding = Binding(uri=params.uri, created_at=call.now, updated_at=call.now)
    bindings.create(tx, dataset, binding)
    return Written({"Binding": binding_body(binding, dataset)})


def get_binding(tx: Tx, call: Call, params: GetBinding) -> dict[str, Any]:
    """Return a binding."""
    dataset = _dataset(tx, call, params)
    return {"Binding": binding_body(bindings.get(tx, dataset.dataset_id, params.uri), dataset)}


def list_bindings(tx: Tx, call: Call, params: ListBindings) -> dict[str, Any]:
    """Return the bindings of a dataset in the order of their URIs; with ``URI``, that one.

    No action gives a binding a name, so one that has ``Name`` is never found.
    """
    dataset = _dataset(tx, call, params)
    after = call.position(params.next_token, dataset.dataset_id)
    found = (
        []
        if params.name
        else bindings.page(
            tx,
            dataset.dataset_id,
            limit=params.max_results + 1,
            after=str(after[0]) if after else "",
            uri=params.uri or "",
        )
    )
    page, more = call.page(
        found,
        params.max_results,
        resource=dataset.dataset_id,
        position=lambda binding: [binding.uri],
    )
    return {"Bindings": [binding_body(binding, dataset) for binding in page], **more}


def delete_binding(tx: Tx, call: Call, params: DeleteBinding) -> Written:
    """End a binding; the files that the dataset has stay.

    ``Cleanup`` of SDKs before 3.0.0 asks to forget the files that the binding has indexed by
    itself. It has indexed none, so it changes nothing: files that a client has indexed are not
    meant.
    """
    bindings.delete(tx, _dataset(tx, call, params).dataset_id, params.uri)
    return Written({})


def stop_binding(tx: Tx, call: Call, params: StopBinding) -> Written:
    """Pause a binding, for a ``Reason`` that is returned with it; an action of SDKs before 3.0.0.

    One that is stopped already stays as it is.
    """
    dataset_id = _dataset(tx, call, params).dataset_id
    bindings.stop(tx, dataset_id, params.uri, params.reason, call.now)
    return Written({})


def resume_binding(tx: Tx, call: Call, params: ResumeBinding) -> Written:
    """Make a stopped binding Ready again; an action of SDKs before 3.0.0.

    Its Phase is kept. One that is not stopped stays as it is.
    """
    bindings.resume(tx, _dataset(tx, call, params).dataset_id, params.uri, call.now)
    return Written({})


def _dataset(tx: Tx, call: Call, params: OfDataset) -> Dataset:
    return datasets.get(tx, call.account, params.project_name, params.dataset_name)
