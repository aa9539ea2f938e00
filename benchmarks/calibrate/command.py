"""``python -m benchmarks calibrate``: derive the calibration of a model card."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from sqlalchemy import make_url

from benchmarks.calibrate.derive import Derived, derive
from benchmarks.calibrate.embedding import Embedding, Kind
from benchmarks.calibrate.labelled import read_labelled
from benchmarks.calibrate.unlabelled import ThinEvidence, derive_unlabelled, read_evidence
from benchmarks.result import report
from imm_ray.embed.cards import Calibration
from imm_ray.store.database import Database
from imm_ray.store.migrate import WrongSchema

_MODELS: dict[Kind, str] = {"face": "dlib-resnet", "image": "efficientnet-lite0"}


def main(arguments: Sequence[str]) -> None:
    """Print a ``[calibration]`` table and a line of JSON with what speaks for it."""
    options = _options(arguments)
    try:
        derived = _from_store(options) if options.store else _from_labels(options)
    except (ValueError, ThinEvidence, WrongSchema) as error:
        sys.exit(f"calibrate: {error}")
    print(to_toml(derived.calibration), flush=True)
    report("calibrate", **derived.evidence)


def to_toml(calibration: Calibration) -> str:
    """Return the table for a model card.

    >>> print(to_toml(Calibration(different_mean=0.2, same_mean=0.9, threshold=0.6)))
    [calibration]
    different_mean = 0.2
    same_mean = 0.9
    threshold = 0.6
    """
    values = calibration.model_dump(exclude_defaults=True)
    second = values.pop("second_pass", None)
    lines = ["[calibration]", *(f"{key} = {value}" for key, value in values.items())]
    if second is not None:
        lines += ["", "[calibration.second_pass]"]
        lines += [f"{key} = {value}" for key, value in second.items()]
    return "\n".join(lines)


def _from_labels(options: argparse.Namespace) -> Derived:
    kind: Kind = options.kind
    embedding = Embedding(kind, options.model or _MODELS[kind], cache=options.cache)
    folders = [_folder(name, options.data) for name in options.labelled]
    samples = [embedding.sample(folder.name, read_labelled(folder)) for folder in folders]
    return derive(samples, kind)


def _from_store(options: argparse.Namespace) -> Derived:
    url = make_url(options.store)
    if url.drivername.startswith("sqlite") and not Path(url.database or "").is_file():
        raise ValueError(f"there is no file {url.database}: give the URL of an existing store")
    with closing(Database(options.store)) as database:
        card, evidence = read_evidence(database, options.dataset)
    return derive_unlabelled(card, evidence, false_match_rate=options.false_match_rate)


def _folder(name: str, data: Path) -> Path:
    """Return a folder of labelled pictures: given as a path, or a set below ``data``."""
    return Path(name) if Path(name).is_dir() else data / name


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks calibrate",
        description="Derive the calibration of a model card from labelled pictures, or from a "
        "dataset's own store without labels.",
        epilog="Without labels only strangers are known: two faces of one photo. The threshold is "
        "then the cosine that a share --false-match-rate of them reaches. Of whole pictures "
        "nothing is known without labels: --kind image needs --labelled.",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--labelled",
        action="append",
        metavar="FOLDER_OR_SET",
        help="a folder with labels.csv (path,label) or one sub-folder for each identity; repeat",
    )
    source.add_argument("--store", metavar="URL", help="the database of a service, sqlite:///PATH")
    parser.add_argument("--dataset", metavar="ID", help="with --store: its id, or project/name")
    parser.add_argument("--kind", choices=_MODELS, default="face", help="what is labelled")
    parser.add_argument("--model", help="name of a model card; the default one if not given")
    parser.add_argument("--false-match-rate", type=_rate, default=0.001, metavar="RATE")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="labelled sets")
    parser.add_argument("--cache", type=Path, help="where vectors are kept")
    options = parser.parse_args(arguments)
    if options.store and not options.dataset:
        parser.error("--store needs --dataset")
    if options.store and options.kind == "image":
        parser.error(
            "--store calibrates faces only: of pictures nothing is known without labels (two of "
            "one album may be alike); use --labelled with --kind image"
        )
    return options


def _rate(text: str) -> float:
    rate = float(text)
    if not 0 < rate < 0.5:
        raise argparse.ArgumentTypeError(f"{text} is no rate between 0 and 0.5")
    return rate
