import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tricue.config.feature_settings import FeaturesConfig
from tricue.extractors import text_extractors as text
from tricue.extractors.choice import prefetch
from tricue.features.extract import extract
from tricue.files.atomic import default_store
from tricue.media import decoding as media
from tricue.modalities import reading
from tricue.modalities.reading import Words
from tricue.types import InputError, Utterance

LIGHT = FeaturesConfig.model_validate({modality: {"encoder": "light"} for modality in ("text", "audio", "video")})
ALL = ("text", "audio", "video")


@pytest.fixture
def rows(make_clip) -> list[Utterance]:
    clips = [make_clip(f"{i}.mp4", seed=i, hertz=150.0 + 40 * i) for i in range(3)]
    return [Utterance(id=f"u{i}", text=f"hello number {i}!", audio=clip, video=clip) for i, clip in enumerate(clips)]


def count_decodes(monkeypatch) -> list[Path]:
    seen: list[Path] = []

    def decode(path: Path, **settings: object) -> media.Clip:
        seen.append(path)
        return media.decode(path, **settings)

    monkeypatch.setattr(reading, "decode", decode)
    return seen


def test_every_modality_of_every_utterance(rows, tmp_path, monkeypatch):
    seen = count_decodes(monkeypatch)
    found = extract(rows, LIGHT, ALL, tmp_path / "store", progress=False)
    assert found.dims == {"text": (256,), "audio": (64, 34), "video": (512,)}
    assert not found.faults and not found.notes
    for modality in ALL:
        assert list(found.arrays[modality]) == ["u0", "u1", "u2"]
        for array in found.arrays[modality].values():
            assert array.dtype == np.float16 and array.shape[1] == sum(found.dims[modality]) and len(array)
    assert seen == [row.video for row in rows]  # once each, though two modalities read them
    again = extract(rows, LIGHT, ALL, tmp_path / "store", progress=False)
    assert len(seen) == 3
    for modality in ALL:
        for id_, array in found.arrays[modality].items():
            np.testing.assert_array_equal(again.arrays[modality][id_], array)


def test_the_key_is_the_content_not_the_name(rows, tmp_path, monkeypatch):
    extract(rows, LIGHT, ["audio", "video"], tmp_path / "store", progress=False)
    seen = count_decodes(monkeypatch)
    moved = tmp_path / "moved.mp4"
    shutil.copy(rows[0].audio, moved)
    same = replace(rows[0], id="other", audio=moved, video=moved)
    assert extract([same], LIGHT, ["audio", "video"], tmp_path / "store").arrays["audio"].keys() == {"other"}
    assert not seen
    part = extract([replace(same, start=0.5, end=1.5)], LIGHT, ["audio"], tmp_path / "store")
    assert seen == [moved] and len(part.arrays["audio"]["other"]) == 10
    shutil.copy(rows[1].audio, moved)
    extract([same], LIGHT, ["audio"], tmp_path / "store")
    assert len(seen) == 1  # the content of u1 is known
    deeper = LIGHT.model_copy(update={"audio": LIGHT.audio.model_copy(update={"rate_hz": 20.0})})
    finer = extract([same], deeper, ["audio"], tmp_path / "store").arrays["audio"]["other"]
    assert 40 <= len(finer) <= 42  # AAC ends in whole frames
    assert len(seen) == 2


def test_what_cannot_be_read_is_a_fault_and_the_rest_goes_on(rows, make_clip, tmp_path, caplog, monkeypatch):
    zero, text = tmp_path / "zero.mp4", tmp_path / "text.mp4"
    zero.write_bytes(b"")
    text.write_text("this is no film")
    silent, single = make_clip("silent.mp4", sound=None), make_clip("single.mp4", frames=1)
    bad = {"zero": zero, "text": text, "gone": tmp_path / "gone.mp4", "silent": silent, "single": single}
    bad_rows = [Utterance(id=id_, text=" ", audio=path, video=path) for id_, path in bad.items()]
    bare = Utterance(id="bare", text="only words")
    found = extract([*rows, *bad_rows, bare], LIGHT, ALL, tmp_path / "store", progress=False)
    lacking = {(fault.id, fault.modality) for fault in found.faults}
    both = {(id_, modality) for id_ in ("zero", "text", "gone") for modality in ("audio", "video")}
    assert lacking == both | {("silent", "audio"), ("single", "video")} | {(id_, "text") for id_ in bad}
    assert set(found.arrays["audio"]) == {"u0", "u1", "u2", "single"}
    assert set(found.arrays["video"]) == {"u0", "u1", "u2", "silent"}
    assert set(found.arrays["text"]) == {"u0", "u1", "u2", "bare"}
    for fault in found.faults:
        assert any(fault.id in m and fault.modality in m and fault.reason in m for m in caplog.messages)
    seen = count_decodes(monkeypatch)
    again = extract([*rows, *bad_rows, bare], LIGHT, ALL, tmp_path / "store", progress=False)
    assert not seen and set(again.faults) == set(found.faults)  # faults are remembered


def test_a_file_that_was_missing_is_read_once_it_is_there(rows, tmp_path):
    late = tmp_path / "late.mp4"
    row = Utterance(id="late", audio=late)
    assert extract([row], LIGHT, ["audio"], tmp_path / "store").faults
    shutil.copy(rows[0].audio, late)
    assert not extract([row], LIGHT, ["audio"], tmp_path / "store").faults


def test_a_passing_trouble_is_not_remembered(rows, tmp_path, monkeypatch):
    """Two utterances share the file that the machine refuses once; both are read in the next run."""
    same = [rows[0], replace(rows[0], id="twin")]

    def refuses(path, **settings):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(media.av, "open", refuses)
        found = extract(same, LIGHT, ["audio"], tmp_path / "store", progress=False)
    assert [fault.id for fault in found.faults] == ["u0", "twin"]
    assert all("Permission denied" in fault.reason for fault in found.faults)
    assert not extract(same, LIGHT, ["audio"], tmp_path / "store", progress=False).faults


def test_a_cut_utterance_is_noted_every_time(rows, tmp_path, caplog):
    short = LIGHT.model_copy(update={"audio": LIGHT.audio.model_copy(update={"max_seconds": 1.0})})
    for _ in range(2):
        found = extract(rows[:1], short, ["audio"], tmp_path / "store")
        assert len(found.arrays["audio"]["u0"]) == 10
        assert not found.faults and "1 s" in found.notes[0].reason
    assert caplog.text.count("only its beginning is read") == 2


def test_a_kill_loses_at_most_a_batch(tmp_path, monkeypatch):
    rows = [Utterance(id=str(i), text=f"word{i}") for i in range(20)]
    monkeypatch.setattr(Words, "batch_size", 4)
    from tricue.extractors.text_extractors import LightText

    encode, calls = LightText.encode, []

    def dies(self, prepared):
        calls.append(len(prepared))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return encode(self, prepared)

    monkeypatch.setattr(LightText, "encode", dies)
    with pytest.raises(KeyboardInterrupt):
        extract(rows, LIGHT, ["text"], tmp_path)
    calls[:] = [0] * 10
    assert len(extract(rows, LIGHT, ["text"], tmp_path).arrays["text"]) == 20
    assert sum(calls[10:]) == 20 - 3 * 4  # three batches were kept


def test_live_text_gives_token_ids_and_stores_nothing(tiny_bert, tmp_path):
    config = FeaturesConfig.model_validate({"text": {"encoder": str(tiny_bert), "context": 1, "max_tokens": 32}})
    rows = [
        Utterance(id="a", text="what?", speaker="Ross", dialogue="d", turn=0),
        Utterance(id="b", text="you are fine", speaker="Joey", dialogue="d", turn=1),
        Utterance(id="c", text=""),
    ]
    found = extract(rows, config, ["text"], tmp_path / "store", live={"text": "all"})
    assert found.dims["text"] == (16,) and not (tmp_path / "store").exists()
    assert [fault.id for fault in found.faults] == ["c"]
    a, b = found.arrays["text"]["a"], found.arrays["text"]["b"]
    assert a.dtype == np.int32 and a.shape[1] == 2 and set(a[:, 1]) == {0, 1}
    assert len(b) > len(a)
    frozen = extract(rows, config, ["text"], tmp_path / "store")
    assert {k: len(v) for k, v in frozen.arrays["text"].items()} == {"a": a[:, 1].sum(), "b": b[:, 1].sum()}
    with pytest.raises(InputError, match="light"):
        extract(rows, LIGHT, ["text"], tmp_path, live={"text": "all"})


def test_hub_encoders_for_all_modalities(rows, tiny_bert, tiny_wav2vec2, tiny_resnet, tmp_path):
    folders = {"text": tiny_bert, "audio": tiny_wav2vec2, "video": tiny_resnet}
    config = FeaturesConfig.model_validate(
        {modality: {"encoder": str(folder)} for modality, folder in folders.items()}
        | {"text": {"encoder": str(tiny_bert), "max_tokens": 64}}
    )
    assert prefetch(config, ALL) == folders
    found = extract(rows, config, ALL, tmp_path)
    assert found.dims == {"text": (16,), "audio": (16, 16, 16, 34), "video": (16,)}
    assert all(len(found.arrays[modality]) == 3 for modality in ALL)
    alone = extract(rows[1:2], config, ALL, tmp_path / "alone")
    for modality in ALL:
        np.testing.assert_allclose(alone.arrays[modality]["u1"], found.arrays[modality]["u1"], rtol=2e-3, atol=2e-3)


def test_light_needs_no_prefetch():
    assert prefetch(LIGHT, ALL) == {}


def test_where_features_lie(monkeypatch, tmp_path):
    monkeypatch.setenv("TRICUE_STORE", str(tmp_path))
    assert default_store() == tmp_path
    monkeypatch.delenv("TRICUE_STORE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert default_store() == tmp_path / "cache/tricue/features"


def test_a_file_that_is_cut_already_is_read_whole_and_halves_are_told_apart(make_clip, tmp_path):
    sentence, dialogue = make_clip("s.m4a", frames=0, sound=1.0), make_clip("d.mp4", frames=48, sound=4.0)
    row = Utterance("u", audio=sentence, video=dialogue, start=2.0, end=3.0, cut="audio", crop="left")
    store = tmp_path / "store"
    found = extract([row], LIGHT, ("audio", "video"), store, progress=False)
    assert not found.faults
    whole = extract([Utterance("u", audio=sentence)], LIGHT, ("audio",), store, progress=False)
    np.testing.assert_array_equal(found.arrays["audio"]["u"], whole.arrays["audio"]["u"])
    other = extract([replace(row, crop="right")], LIGHT, ("video",), store, progress=False)
    assert not np.array_equal(found.arrays["video"]["u"], other.arrays["video"]["u"])
    uncut = extract([replace(row, cut=None)], LIGHT, ("audio",), store, progress=False)
    assert [fault.modality for fault in uncut.faults] == ["audio"]  # nothing of a second lies between 2 and 3 s


def test_context_comes_from_rows_that_need_no_features(tmp_path):
    turns = [Utterance(f"u{i}", text=f"turn {i}", dialogue="d", turn=i, split="train") for i in range(3)]
    seen = []

    def with_context(utterances, count, among=None):
        seen.append([spoken.context for spoken in text.with_context(utterances, 2, among) if spoken])
        return text.with_context(utterances, count, among)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reading, "with_context", with_context)
        extract(turns[2:], LIGHT, ("text",), tmp_path, among=turns, progress=False)
        extract(turns[2:], LIGHT, ("text",), tmp_path, progress=False)
    assert seen == [[("turn 0", "turn 1")], [()]]
