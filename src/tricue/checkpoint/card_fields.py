"""Fields of a checkpoint's config.json: their format, types and bounds, and the digest over all of them."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from tricue.config.migrations import NETWORK_FORMAT, format_of
from tricue.files.json_files import json_digest, read_json
from tricue.registry import CORPORA
from tricue.types import InvalidFileError, ModalityName

DIGEST = "config_sha256"  # of all other fields; files of before it stand without
REMEDY = "Take another copy or train again."
_SHOWN = 5  # faults that one error names
_SHARES_MISS = 1e-3  # by which shares that were rounded may miss a sum of 1


def _stripped(text: Any) -> Any:
    if isinstance(text, str) and text != text.strip():
        raise ValueError("blanks around it")
    return text


Label = Annotated[str, Field(min_length=1, max_length=200), BeforeValidator(_stripped)]
Text = Annotated[str, Field(max_length=10_000)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Positive = Annotated[int, Field(ge=1, le=2**31)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Fields(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False, extra="allow")


class TrainedOn(_Fields):
    """Rows of a run, and those of the run that its weights come from."""

    name: Text = ""
    protocol: Text | None = None
    rows: dict[Text, Count] = {}
    missing_modalities: Count = 0
    digest: Text | None = None
    epochs_chosen_on: Text | None = None
    started_from: "TrainedOn | None" = None


class Check(_Fields):
    verdict: Text
    found: Text


class Audit(_Fields):
    """Summary of the leakage audit of the rows."""

    verdict: Text
    protocol: Text | None = None
    fold: Text | None = None
    rows: dict[Text, Count] = {}
    checks: dict[Text, Check] = {}
    not_checked: dict[Text, Text] = {}


class Calibration(_Fields):
    """What fits answers to val: of the categorical task the temperature, and the expected calibration error before and
    after it; of the multilabel a threshold per class; of the dimensional an affine map per target."""

    temperature: Annotated[float, Field(ge=1e-3, le=1e3)] | None = None
    """Divisor of the logits; training keeps it between 0.02 and 55."""
    rows: Count = 0
    ece_before: Share | None = None
    ece_after: Share | None = None
    thresholds: list[Share] | None = None
    scale: list[float] | None = None
    shift: list[float] | None = None


class BaselineModel(_Fields):
    name: Label
    layers: Annotated[int, Field(ge=1, le=2)]
    calibration: Calibration | None


class LeftOutScore(_Fields):
    """Of the linear model on training rows that it has not met."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, extra="forbid")

    value: float
    standard_error: Annotated[float, Field(ge=0.0)]
    groups: Annotated[int, Field(ge=2, le=2**31)]
    unit: Label


class BaselineFields(_Fields):
    """The baselines, whose weights are in a file of their own."""

    deviations: dict[ModalityName, bool]
    """Pooled modalities; whether deviations over time follow their means."""
    models: Annotated[list[BaselineModel], Field(min_length=1, max_length=10)]
    penalty: Annotated[float, Field(gt=0.0)] | None
    left_out: LeftOutScore | None
    notes: Annotated[list[Text], Field(max_length=10)]
    sha256: Sha256


class SpeakerFields(_Fields):
    """How speakers differ, in a file of its own."""

    count: Positive
    modalities: Annotated[list[ModalityName], Field(min_length=1, max_length=100)]
    sha256: Sha256


class CardFields(_Fields):
    """config.json. A name that it does not have is an error: a damaged name may be that of a field."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, extra="forbid")

    format: Count
    config: dict[str, Any]
    emotions: Annotated[list[Label], Field(min_length=1, max_length=10_000)]
    """Names of the outputs: the classes, or the targets of the dimensional task."""
    dims: dict[ModalityName, Annotated[list[Positive], Field(min_length=1, max_length=1_000)]]
    class_shares: list[Share]
    """Of the training rows; empty for a task whose rows have not one class each."""
    prior: list[float] | None = None
    """What such a task says of a row of which nothing can be read."""
    weights_sha256: Sha256
    modalities: list[ModalityName] | None = None
    toy: bool = False
    leaky: bool = False
    phase: Literal[1, 2, 3] | None = None
    epoch: Count | None = None
    val_score: float | None = None
    val_score_name: Label | None = None
    trained_on: TrainedOn | None = None
    audit: Audit | None = None
    encoders: dict[ModalityName, Text] = {}
    samples: dict[ModalityName, Annotated[list[float], Field(max_length=4_096)]] = {}
    tuned: dict[ModalityName, Text] = {}
    calibration: Calibration | None = None
    versions: dict[Text, Text] | None = None
    rows_sha256: Sha256 | None = None
    baseline: BaselineFields | None = None
    speakers: SpeakerFields | None = None
    live_encoder_digests: dict[ModalityName, Digest] = {}
    """Of all folders of encoders that lie beside the weights."""
    carried_encoders: list[ModalityName] = []
    """Encoders that are not among the weights and lie beside them whole."""
    config_sha256: Sha256 | None = None

    @model_validator(mode="after")
    def _agree(self) -> "CardFields":
        if len(set(self.emotions)) < len(self.emotions):
            raise ValueError(f"emotions repeat: {self.emotions[:20]}")
        if self.prior is not None and not self.class_shares:
            if len(self.prior) != len(self.emotions):
                raise ValueError(f"{len(self.prior)} values of prior for {len(self.emotions)} emotions")
        elif len(self.class_shares) != len(self.emotions):
            raise ValueError(f"{len(self.class_shares)} class_shares for {len(self.emotions)} emotions")
        elif abs(sum(self.class_shares) - 1.0) > _SHARES_MISS:
            raise ValueError(f"class_shares come to {sum(self.class_shares):.4g}, not to 1")
        if self.modalities is not None and set(self.modalities) != set(self.dims):
            raise ValueError(f"modalities are {', '.join(self.modalities)}, dims are of {', '.join(self.dims)}")
        if not set(self.carried_encoders) <= set(self.dims):
            raise ValueError(f"carried_encoders are {', '.join(self.carried_encoders)}, dims of {', '.join(self.dims)}")
        return self


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with the digest over them, so that a value that changes by damage is noticed."""
    written = json.loads(json.dumps(content))  # as it will be read: lists for tuples, names for numbers
    return {**written, DIGEST: json_digest(written)}


def read_fields(path: Path) -> dict[str, Any]:
    """The fields of a config.json, checked by themselves; weights are not looked at.

    Raises:
        InvalidFileError: The file is damaged, of another network, of a later format, lacks a field, or a field is out
            of its bounds.
    """
    content = read_json(path, "the description of a checkpoint", REMEDY)
    if format_of(content, str(path), "a checkpoint") < NETWORK_FORMAT:
        raise InvalidFileError(
            f"{path}: the network of an earlier version, which this version does not build. Train it again from its "
            f"own settings: {_retraining(path, content)}"
        )
    _check_digest(path, content)
    required = {name for name, field in CardFields.model_fields.items() if field.is_required()}
    if lacking := sorted(required - set(content)):
        raise InvalidFileError(f"{path} lacks {', '.join(lacking)}. {REMEDY}")
    try:
        CardFields.model_validate(content)
    except ValidationError as error:
        raise InvalidFileError(f"{path} is not valid: {_told(error)}. {REMEDY}") from error
    return content


def _retraining(path: Path, content: Mapping[str, Any]) -> str:
    """The command that trains a checkpoint again from its settings."""
    match content:
        case {"config": {"data": {"name": str(name)}}} if name in CORPORA:
            rows = ""  # settings name their corpus
        case _:
            rows = " --manifest YOUR.csv"
    return f"tricue train --config {shlex.quote(str(path))}{rows} --save_dir NEW"


def _check_digest(path: Path, content: Mapping[str, Any]) -> None:
    others = {name: value for name, value in content.items() if name != DIGEST}
    if content.get(DIGEST) not in (None, json_digest(others)):
        raise InvalidFileError(
            f"{path} has changed since it was written ({DIGEST} is of other fields): it and the files beside it do "
            f"not belong together. {REMEDY} After a change by hand delete {DIGEST} from it."
        )


def _told(error: ValidationError) -> str:
    faults = error.errors(include_url=False)
    lines = []
    for fault in faults[:_SHOWN]:
        place = ".".join(map(str, fault["loc"]))[:100] or "fields"
        lines.append(f"{place}: {fault['msg'][:200]} (given: {str(fault['input'])[:60]!r})")
    more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
    return "; ".join(lines) + more
