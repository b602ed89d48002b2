"""Rows in, features out: with a store or without one, in one go or in parts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tricue.config.feature_settings import FeaturesConfig
from tricue.extractors.text_extractors import LightText
from tricue.features.pipeline import FeaturePipeline
from tricue.types import Utterance

MODALITIES = ["text", "audio", "video"]
LIGHT = FeaturesConfig.model_validate({modality: {"encoder": "light"} for modality in MODALITIES})


def pipeline(store: Path | None = None, **settings: Any) -> FeaturePipeline:
    return FeaturePipeline.from_settings(LIGHT, MODALITIES, store, progress=False, **settings)


def test_without_a_store_the_same_values_and_nothing_on_disk(make_clip: Any, tmp_path: Path) -> None:
    clip, gone = make_clip(), tmp_path / "gone.mp4"
    rows = [Utterance("a", text="hello there", audio=clip, video=clip), Utterance("b", text="", audio=gone)]
    found = pipeline()(rows)
    assert list(tmp_path.iterdir()) == [clip]
    stored = pipeline(tmp_path / "store")(rows)
    assert found.faults == stored.faults and {fault.modality for fault in found.faults} == {"text", "audio"}
    assert str(gone) in found.faults[0].reason + found.faults[1].reason
    for modality in MODALITIES:
        np.testing.assert_array_equal(found.arrays[modality]["a"], stored.arrays[modality]["a"])
        assert found.arrays[modality]["a"].dtype == np.float16


def test_parts_without_a_store_are_read_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []
    encode = LightText.encode

    def counted(self: LightText, prepared: Any) -> Any:
        encoded.append(len(prepared))
        return encode(self, prepared)

    monkeypatch.setattr(LightText, "encode", counted)
    parts = [[Utterance(f"{i}{j}", text=f"word {i} {j % 2}") for j in range(4)] for i in range(3)]
    read = pipeline().in_parts(parts)
    assert list(next(read).arrays["text"]) == ["00", "01", "02", "03"] and encoded == [2]  # the same text once
    assert [len(found.arrays["text"]) for found in read] == [4, 4] and encoded == [2, 2, 2]


def test_faults_are_logged_where_somebody_reads_them(caplog: pytest.LogCaptureFixture) -> None:
    row = Utterance("a", audio=Path("gone.wav"))
    pipeline()([row])
    assert "gone.wav: No such file" in caplog.text
    caplog.clear()
    FeaturePipeline(pipeline().extractors, is_logged=False)([row])
    assert not caplog.text


def test_no_rows_have_no_features() -> None:
    found = pipeline()([])
    assert found.dims == {"text": (256,), "audio": (64, 34), "video": (512,)}
    assert not any(found.arrays.values()) and not found.faults
