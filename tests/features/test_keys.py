"""Features that were stored stay valid: the keys and folders that version 0.1.0 wrote, as literals."""

from pathlib import Path

from tricue.config.feature_settings import FeaturesConfig
from tricue.features.extract import extract
from tricue.features.shard import read_batches
from tricue.registry import MODALITIES
from tricue.types import Utterance

LIGHT = FeaturesConfig.model_validate({modality: {"encoder": "light"} for modality in MODALITIES})


def stored_keys(store: Path) -> dict[str, set[str]]:
    """Folder of a store -> keys of its rows."""
    found: dict[str, set[str]] = {}
    for shard in store.glob("*/shard-*.arrow"):
        for batch in read_batches(shard):
            found.setdefault(shard.parent.name, set()).update(batch.column("key").to_pylist())
    return found


def test_keys_of_texts_and_files(tmp_path: Path) -> None:
    """A file's content decides, not what it holds: this one is no media file, which is stored, too."""
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"no film, and always the same bytes")
    rows = [
        Utterance("words", text="  I can't believe it!  "),
        Utterance("whole", audio=clip, video=clip),
        Utterance("part", audio=clip, video=clip, start=0.5, end=1.25, crop="left"),
        Utterance("cut", audio=clip, video=clip, start=2.0, end=3.0, cut="audio"),
    ]
    extract(rows, LIGHT, MODALITIES, tmp_path / "store", progress=False)
    assert stored_keys(tmp_path / "store") == {
        "text-light-8d02b44ded70": {"d43e7d81715d12488418d60c4c64d315"},
        "audio-light-9bb5ccea3930": {"869b82c4be4323ab5f99c75d55f2c197", "4f748094df5c1eae04d9816bdb91a84a"},
        "video-light-827291b7e4b5": {
            "869b82c4be4323ab5f99c75d55f2c197",
            "fe4fb1d460d828996f391e46ad3ec85a",
            "bc4cd7146ccf3ddf4f77dc1e7e1839ed",
        },
    }


def test_keys_of_texts_with_context(tiny_bert: Path, tmp_path: Path) -> None:
    config = FeaturesConfig.model_validate({"text": {"encoder": str(tiny_bert), "context": 2}})
    rows = [
        Utterance("a", text="what?", speaker="Ross", dialogue="d", turn=0),
        Utterance("b", text="you are fine", speaker="Joey", dialogue="d", turn=1),
        Utterance("c", text="so happy \ud83d\ude21", dialogue="d", turn=2),
    ]
    extract(rows, config, ["text"], tmp_path / "store", progress=False)
    (keys,) = stored_keys(tmp_path / "store").values()
    assert keys == {
        "c10e57407ab69b204b0256141da4e549",
        "ccc13ef7968a2bf57d558d94e5d21b92",
        "dd8202176dced082283d368614dd1f63",
    }
