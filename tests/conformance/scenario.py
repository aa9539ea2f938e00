"""One sensible life of a project: every action that is served, in an order that works."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from tests.conformance import extension
from tests.conformance.album import ANN, BOB, BUCKET, LOST, uri

PROJECT = {"ProjectName": "conformance"}
ALBUM = {**PROJECT, "DatasetName": "album"}
EMPTY = {**PROJECT, "DatasetName": "empty"}
TOLD = {"MNS": {"TopicName": "told"}}
QUOTAS = {
    "DatasetMaxBindCount": 5,
    "DatasetMaxEntityCount": 10_000,
    "DatasetMaxFileCount": 1000,
    "DatasetMaxRelationCount": 10_000,
    "DatasetMaxTotalFileSize": 10**9,
}
ADDRESS = {
    "Language": "zh-Hans",
    "AddressLine": "文一西路969号",
    "Country": "中国",
    "Province": "浙江省",
    "City": "杭州市",
    "District": "余杭区",
    "Township": "文一西路",
}
LABEL = {
    "Language": "zh-Hans",
    "LabelName": "椅子",
    "LabelAlias": "座椅",
    "ParentLabelName": "家具",
    "LabelLevel": 2,
    "LabelConfidence": 0.95,
    "CentricScore": 0.877,
    "Clips": [{"TimeRange": [0, 40]}],
}
NOBODY = "Cluster-nobody"


class Call(Protocol):
    """Makes a call and returns the response, or {} if there was none."""

    def __call__(self, action: str, /, **parameters: Any) -> Mapping[str, Any]: ...


def play(call: Call, refuse: Callable[..., None], settle: Callable[[], None]) -> None:
    """Make all the calls. ``settle`` returns when the server has done its work."""
    call("ListRegions", AcceptLanguage="en-US")
    _projects(call)
    _datasets(call)
    _bindings(call)
    _files(call, settle)
    _cluster(call, settle)
    _queries(call, refuse)
    _pictures(call, settle)
    _people(call, settle)
    _tasks(call)
    extension.play(call, settle, project=PROJECT, album=ALBUM)
    _deletes(call, settle)


def _projects(call: Call) -> None:
    tag = [{"Key": "team", "Value": "照片 +*~"}]
    call("CreateProject", **PROJECT, Description="a b+c~*é", Tag=tag, **QUOTAS)
    call("CreateProject", ProjectName="conformance-2")
    call("GetProject", **PROJECT, WithStatistics=True)
    call("UpdateProject", **PROJECT, Description="another", ProjectMaxDatasetCount=10)
    page = call("ListProjects", Prefix="conf", MaxResults=1)
    call("ListProjects", Prefix="conf", MaxResults=1, NextToken=page.get("NextToken", ""))


def _datasets(call: Call) -> None:
    workflow = [{"Name": "name", "Value": "value"}]
    call("CreateDataset", **ALBUM, Description="测试", WorkflowParameters=workflow, **QUOTAS)
    call("CreateDataset", **EMPTY)
    call("GetDataset", **ALBUM, WithStatistics=True)
    call("UpdateDataset", **ALBUM, Description="more", TemplateId="Official:ImageManagement")
    page = call("ListDatasets", **PROJECT, MaxResults=1)
    call("ListDatasets", **PROJECT, MaxResults=1, NextToken=page.get("NextToken", ""))


def _bindings(call: Call) -> None:
    where = {**EMPTY, "URI": f"oss://{BUCKET}"}
    call("CreateBinding", **where)
    call("GetBinding", **where)
    call("ListBindings", **EMPTY, MaxResults=1)
    call("StopBinding", **where, Reason="pause usage")
    call("ResumeBinding", **where)
    call("DeleteBinding", **where)


def _files(call: Call, settle: Callable[[], None]) -> None:
    words = ("Title", "Artist", "AlbumArtist", "Composer", "Performer", "Album")
    told = {
        **{word: f"the {word}" for word in words},
        "CustomId": "member-1",
        "CustomLabels": {"Name": "Tim", "Count": "3"},
        "MediaType": "image",
        "ContentType": "image/jpeg",
        "LatLong": "30.134390,120.074997",
        "ProduceTime": "2026-06-29T14:50:13.011643661+08:00",
        "Addresses": [ADDRESS],
        "Labels": [LABEL],
    }
    call("IndexFileMeta", **ALBUM, File={"URI": ANN[0], **told}, Notification=TOLD, UserData="u")
    files = [{"URI": place} for place in (*ANN[1:], *BOB, LOST)]
    call("BatchIndexFileMeta", **ALBUM, Files=files, Notification=TOLD, UserData="u")
    settle()
    call("GetFileMeta", **ALBUM, URI=ANN[0])
    call("BatchGetFileMeta", **ALBUM, URIs=[ANN[1], LOST, uri("never indexed")])
    call("BatchGetFileMeta", **ALBUM, URIs=[ANN[1]], WithFields=["URI", "Size"])
    call("UpdateFileMeta", **ALBUM, File={"URI": ANN[1], "CustomLabels": {"n": "3"}})
    changes = [{"URI": ANN[2], "CustomId": "two"}, {"URI": uri("never indexed"), "CustomId": "x"}]
    call("BatchUpdateFileMeta", **ALBUM, Files=changes)


def _cluster(call: Call, settle: Callable[[], None]) -> None:
    more = {"Notification": TOLD, "Tags": {"test": "val1"}, "UserData": "u"}
    people = call("CreateFigureClusteringTask", **ALBUM, **more)
    alike = call("CreateSimilarImageClusteringTask", **ALBUM, **more)
    settle()
    for created, kind in ((people, "FaceClustering"), (alike, "SimilarImageClustering")):
        asked = {"TaskId": created.get("TaskId", ""), "TaskType": kind, "RequestDefinition": True}
        call("GetTask", **PROJECT, **asked)
    call("GetFileMeta", **ALBUM, URI=ANN[1])
    similar = {**ALBUM, "MaxResults": 1, "Sort": "CreateTime", "Order": "asc"}
    page = call("QuerySimilarImageClusters", **similar)
    call("QuerySimilarImageClusters", **similar, NextToken=page.get("NextToken", ""))


def _queries(call: Call, refuse: Callable[..., None]) -> None:
    images = {"Field": "MediaType", "Operation": "eq", "Value": "image"}
    large = {"Field": "Size", "Operation": "gt", "Value": "10"}
    both = {"Operation": "and", "SubQueries": [images, large]}
    asked = {**ALBUM, "Query": both, "Sort": "Size,Filename", "Order": "asc,desc", "MaxResults": 3}
    page = call("SimpleQuery", **asked)
    call("SimpleQuery", **asked, NextToken=page.get("NextToken", ""))
    call("SimpleQuery", **ALBUM, Query=large, WithFields=["URI", "Size"], WithoutTotalHits=True)
    wanted = [
        {"Field": "Size", "Operation": "sum"},
        {"Field": "MediaType", "Operation": "group"},
    ]
    call("SimpleQuery", **ALBUM, Query=images, Aggregations=wanted)
    call("FuzzyQuery", **ALBUM, Query="bob", MaxResults=2)
    refuse("SemanticQuery", **ALBUM, Query="a person at the sea")


def _pictures(call: Call, settle: Callable[[], None]) -> None:
    call("SearchImageFigureCluster", **ALBUM, SourceURI=ANN[0])
    call("DetectImageFaces", **PROJECT, SourceURI=ANN[0])
    call("CompareImageFaces", **PROJECT, Source={"URI1": ANN[0], "URI2": ANN[1]})
    call("DetectImageScore", **PROJECT, SourceURI=ANN[3])
    sources = [{"URI": ANN[0]}, {"URI": BOB[0]}]
    created = call(
        "CreateFacesSearchingTask", **ALBUM, Sources=sources, MaxResult=3, Notification=TOLD
    )
    settle()
    if created:
        call("GetTask", **PROJECT, TaskId=created["TaskId"], TaskType="FacesSearching")


def _people(call: Call, settle: Callable[[], None]) -> None:
    asked = {**ALBUM, "MaxResults": 1, "Sort": "FaceCount", "Order": "desc"}
    call("QueryFigureClusters", **ALBUM, WithTotalCount=True)
    page = call("QueryFigureClusters", **asked)
    rest = call("QueryFigureClusters", **asked, NextToken=page.get("NextToken", ""))
    found = [*page.get("FigureClusters", ()), *rest.get("FigureClusters", ())]
    one, other = [cluster["ObjectId"] for cluster in found] if len(found) == 2 else (NOBODY,) * 2
    call("GetFigureCluster", **ALBUM, ObjectId=one)
    change = {
        "ObjectId": one,
        "Name": "Ann",
        "CustomId": "ann-1",
        "CustomLabels": {"Bucket": "b"},
        "MetaLockVersion": 0,
    }
    call("UpdateFigureCluster", **ALBUM, FigureCluster=change)
    settle()
    call("BatchGetFigureCluster", **ALBUM, ObjectIds=[one, other])
    created = call(
        "CreateFigureClustersMergingTask", **ALBUM, From=other, To=one, Notification=TOLD
    )
    settle()
    if created:
        task = {"TaskId": created["TaskId"], "TaskType": "FigureClustersMerging"}
        call("GetTask", **PROJECT, **task)
    call("QueryFigureClusters", **ALBUM)


def _tasks(call: Call) -> None:
    asked = {**PROJECT, "MaxResults": 1, "RequestDefinition": True}
    page = call("ListTasks", **asked, TaskTypes=["FaceClustering", "SimilarImageClustering"])
    if page.get("NextToken"):
        types = ["FaceClustering", "SimilarImageClustering"]
        call("ListTasks", **asked, TaskTypes=types, NextToken=page["NextToken"])
    call("ListTasks", **PROJECT, TagSelector="test=val1", Status="Succeeded", Sort="StartTime")


def _deletes(call: Call, settle: Callable[[], None]) -> None:
    call("DeleteFileMeta", **ALBUM, URI=ANN[0])
    call("BatchDeleteFileMeta", **ALBUM, URIs=[*ANN[1:], *BOB, LOST])
    settle()
    call("DeleteDataset", **ALBUM)
    call("DeleteDataset", **EMPTY)
    call("DeleteProject", **PROJECT)
