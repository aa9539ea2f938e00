"""SimpleQuery, FuzzyQuery and SemanticQuery: files by what is known of them."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from imm_ray.api.call import Call
from imm_ray.api.file_query import Query, read_condition, read_field, read_sort
from imm_ray.api.json_text import write_json
from imm_ray.api.paging import Position
from imm_ray.api.render import file_body, rfc3339
from imm_ray.api.schema import (
    AsJson,
    Boolean,
    Integer,
    NextToken,
    OfDataset,
    Uri,
    Wire,
    WithFields,
    page_size,
)
from imm_ray.errors import InvalidArgument
from imm_ray.model import Dataset, from_microseconds, to_microseconds
from imm_ray.store import datasets
from imm_ray.store.database import Tx
from imm_ray.store.query import page as queries
from imm_ray.store.query.expression import Scope
from imm_ray.store.query.field import FieldType
from imm_ray.store.query.function import fold
from imm_ray.store.query.page import Aggregate, Found, SortValue
from imm_ray.store.query.tree import Condition, Mentions

MAX_FILES = 100
MAX_GROUPS = 2000
MAX_AGGREGATIONS = 20
MAX_QUERY_BYTES = 1024 * 1024
MAX_WORDS = 32

_OF_NUMBERS = (Aggregate.MIN, Aggregate.MAX, Aggregate.AVERAGE, Aggregate.SUM)


def _is_query(text: str) -> str:
    if len(text.encode()) > MAX_QUERY_BYTES:
        raise ValueError(f"it has more than {MAX_QUERY_BYTES} bytes")
    if not text.split():
        raise ValueError("it has no word")
    return text


def _of_few_words(text: str) -> str:
    different = len(set(fold(text).split()))
    if different > MAX_WORDS:
        raise ValueError(f"it has {different} different words, and may have {MAX_WORDS}")
    return text


class Aggregation(Wire):
    """One aggregation over the files that match."""

    field: Annotated[str, Field(max_length=256)]
    operation: Literal["min", "max", "average", "sum", "count", "distinct", "group"]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        field = read_field(self.field)
        if field is None:
            return self
        if field.type in (FieldType.ARRAY, FieldType.PLACE):
            raise ValueError(f"{self.field} is an array or a place, and can not be aggregated")
        operation = Aggregate(self.operation)
        added = field.type is FieldType.TIME and operation is Aggregate.SUM
        if added or (field.type is FieldType.TEXT and operation in _OF_NUMBERS):
            raise ValueError(f"{self.operation} is for numbers, and {self.field} is none")
        return self


class _Sorted(OfDataset):
    sort: Annotated[str, Field(max_length=1024)] = ""
    order: Annotated[str, Field(max_length=128)] = ""
    next_token: NextToken = ""
    with_fields: WithFields | None = None

    @model_validator(mode="after")
    def _sortable(self) -> Self:
        try:
            read_sort(self.sort, self.order)
        except ValueError as error:
            raise InvalidArgument.of("Sort", str(error)) from error
        return self


class SimpleQuery(_Sorted):
    """Parameters of SimpleQuery."""

    query: Query | None = None
    aggregations: (
        Annotated[list[Aggregation], Field(max_length=MAX_AGGREGATIONS), AsJson] | None
    ) = None
    max_results: Annotated[Integer, page_size(MAX_GROUPS)] = 100
    without_total_hits: Boolean = False

    @model_validator(mode="after")
    def _files_of_one_page(self) -> Self:
        if not self.aggregations and self.max_results > MAX_FILES:
            raise InvalidArgument.of(
                "MaxResults", f"{self.max_results} is not between 0 and {MAX_FILES}"
            )
        return self


class FuzzyQuery(_Sorted):
    """Parameters of FuzzyQuery."""

    query: Annotated[str, AfterValidator(_is_query), AfterValidator(_of_few_words)]
    max_results: Annotated[Integer, page_size(200)] = 100


class SemanticQuery(OfDataset):
    """Parameters of SemanticQuery."""

    query: Annotated[str, AfterValidator(_is_query)] | None = None
    source_uri: Annotated[Uri | None, Field(alias="SourceURI")] = None
    max_results: Annotated[Integer, Field(gt=0, le=100)] = 100
    media_types: (
        Annotated[list[Literal["image", "video", "audio", "document", "archive", "other"]], AsJson]
        | None
    ) = None
    with_fields: WithFields | None = None

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if (self.query is None) == (self.source_uri is None):
            raise InvalidArgument("Give exactly one of the parameters Query and SourceURI.")
        return self


def simple_query(tx: Tx, call: Call, params: SimpleQuery) -> dict[str, Any]:
    """Return the files for which a tree of conditions holds, or aggregations over them.

    Every member of File that files have here can be asked for; one that IMM knows and no file has
    here matches nothing, an unknown one is InvalidArgument. A condition on a member of an array
    holds when it does for any element; ``nested`` asks for one element that fulfils all its
    ``SubQueries``. ``not`` holds when none of its ``SubQueries`` does. What a file does not say
    fulfils no comparison. ``match-phrase`` finds the value anywhere in the text, whatever the case
    of letters; the other comparisons of texts are exact, but for custom labels, whose keys and
    values have no case, and which compare with ``gt`` … ``lte`` as numbers where the value is one.
    ``LatLong`` has the geo operations; a box whose left is east of its right crosses 180 degrees;
    a polygon lies on the plane of degrees. A time without a zone counts as UTC. ``Figures`` show
    the visible run, and the id of a retired cluster finds the figures of its heir. A query that
    says nothing matches every file, whatever its ``ObjectStatus``. ``WithFields`` is that of
    GetFileMeta.

    At most 100 conditions below at most 5 groups, 500 points in all polygons, and 1024 characters
    in the value of a ``match-phrase``. Without ``Sort`` files come in the order of their URIs.
    Files without the member to sort by come last, in either direction, and a label's numbers before
    its other texts. ``TotalHits`` is counted for the first page, and the following pages repeat it.

    With ``Aggregations`` only these are returned. ``count`` is the number of files that have the
    member, a group's ``Count`` that of the files that have the value; groups come the most frequent
    first. ``min``, ``max`` and ``average`` of times are milliseconds since 1970, ``sum`` of nothing
    is 0, and what has no value is left out.
    """
    dataset = datasets.get(tx, call.account, params.project_name, params.dataset_name)
    condition = read_condition(params.query)
    if params.aggregations:
        scope = queries.scope_of(tx, dataset, condition)
        done = [
            _aggregated(tx, scope, condition, wanted, params.max_results)
            for wanted in params.aggregations
        ]
        return {"Aggregations": done}
    return _page(tx, call, dataset, condition, params, counted=not params.without_total_hits)


def fuzzy_query(tx: Tx, call: Call, params: FuzzyQuery) -> dict[str, Any]:
    """Return the files in whose texts every word of the query occurs, whatever the case of letters.

    The words are what blanks separate, and may occur anywhere, in the midst of other words too. At
    most 32 different words: each is looked for in the texts of every file. The texts of a file are
    its URI (and so its Filename), CustomId, Title, Artist, AlbumArtist, Composer, Performer, Album,
    the names and aliases of its Labels and of their parents, the parts of its Addresses and the
    values of its CustomLabels. Sorted and paged as SimpleQuery.
    """
    dataset = datasets.get(tx, call.account, params.project_name, params.dataset_name)
    condition = Mentions(tuple(fold(params.query).split()))
    return _page(tx, call, dataset, condition, params, counted=True)


def semantic_query(tx: Tx, call: Call, params: SemanticQuery) -> dict[str, Any]:
    """Refuse: no model here puts texts and images on one scale yet.

    The parameters are checked as for IMM: exactly one of ``Query`` and ``SourceURI``, 1 to 100
    results. The answer to a request in order is InvalidArgument, which says what is missing.
    """
    dataset = datasets.get(tx, call.account, params.project_name, params.dataset_name)
    raise InvalidArgument(
        "SemanticQuery needs a dataset whose model compares texts with images, and the image model "
        f"of the dataset {dataset.name} is {dataset.image_model}, which compares images only. Use "
        "SimpleQuery or FuzzyQuery, or create the dataset with such a model configured."
    )


def _page(
    tx: Tx,
    call: Call,
    dataset: Dataset,
    condition: Condition,
    params: SimpleQuery | FuzzyQuery,
    *,
    counted: bool,
) -> dict[str, Any]:
    """Return a page; all pages of a listing tell the number of hits that the first one counted."""
    scope, limit = queries.scope_of(tx, dataset, condition), params.max_results
    hits, after = _position(call.position(params.next_token, dataset.dataset_id))
    sort = read_sort(params.sort, params.order)
    found = queries.page(
        tx, dataset, condition, sort=sort, limit=limit + 1, after=after, scope=scope
    )
    if counted and after is None:
        all_here = len(found) <= limit
        hits = len(found) if all_here else queries.count(tx, dataset, condition, scope=scope)
    items, more = call.page(
        found, limit, resource=dataset.dataset_id, position=lambda last: _after(last, hits)
    )
    fields = params.with_fields or ()
    body = {"Files": [file_body(item.file, dataset, fields) for item in items], **more}
    return body if hits is None else body | {"TotalHits": hits}


def _after(found: Found, hits: int | None) -> Position:
    """Return the number of hits and a file's place in the order as one text, for any sort value."""
    return [write_json([hits, *(_written(value) for value in found.position)])]


def _position(after: Position | None) -> tuple[int | None, list[SortValue] | None]:
    if after is None:
        return None, None
    hits, *values = json.loads(str(after[0]))
    return hits, [_read(value) for value in values]


def _written(value: SortValue) -> Any:
    if isinstance(value, datetime):
        return {"us": to_microseconds(value)}
    return value


def _read(value: Any) -> SortValue:
    if isinstance(value, dict):
        return from_microseconds(value["us"])
    read: SortValue = value
    return read


def _aggregated(
    tx: Tx, scope: Scope, condition: Condition, wanted: Aggregation, limit: int
) -> dict[str, Any]:
    body: dict[str, Any] = {"Field": wanted.field, "Operation": wanted.operation}
    field, operation = read_field(wanted.field), Aggregate(wanted.operation)
    if field is None:
        return body | _of_nothing(operation)
    if operation is Aggregate.GROUP:
        groups = queries.groups(tx, scope.dataset, condition, field, limit=limit, scope=scope)
        return body | {"Groups": [{"Value": _text(g.value), "Count": g.count} for g in groups]}
    value = queries.aggregate(tx, scope.dataset, condition, field, operation, scope=scope)
    return body if value is None else body | {"Value": value}


def _of_nothing(operation: Aggregate) -> dict[str, Any]:
    if operation is Aggregate.GROUP:
        return {"Groups": []}
    counts = (Aggregate.SUM, Aggregate.COUNT, Aggregate.DISTINCT)
    return {"Value": 0.0} if operation in counts else {}


def _text(value: SortValue) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    return f"{value:.15g}" if isinstance(value, float) else str(value)
