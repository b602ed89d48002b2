"""Issue row "Endings": one list, and what it names can be read."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from tricue.features import formats
from tricue.features.media import decode
from tricue.inputs import read_inputs

_MUXED = {  # ending -> (muxer, codec)
    ".wav": ("wav", "pcm_s16le"), ".mp2": ("mp2", "mp2"), ".m4a": ("ipod", "aac"), ".mka": ("matroska", "aac"),
    ".w64": ("w64", "pcm_s16le"), ".aif": ("aiff", "pcm_s16be"), ".aiff": ("aiff", "pcm_s16be"),
    ".caf": ("caf", "pcm_s16le"), ".flac": ("flac", "flac"), ".oga": ("oga", "flac"), ".opus": ("opus", "libopus"),
    ".aac": ("adts", "aac"), ".ac3": ("ac3", "ac3"), ".au": ("au", "pcm_s16be"), ".mts": ("mpegts", "aac"),
    ".m2ts": ("mpegts", "aac"), ".vob": ("vob", "mp2"), ".wma": ("asf", "wmav2"), ".flv": ("flv", "aac"),
}  # fmt: skip


def write_sound(path: Path, muxer: str, codec: str, rate: int = 48_000) -> Path:
    with av.open(str(path), "w", format=muxer) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        wave = np.sin(np.arange(rate) * 0.05).astype(np.float32)[None] * 0.4
        frame = av.AudioFrame.from_ndarray(wave, "fltp", "mono")
        frame.sample_rate, frame.pts = rate, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("ending", sorted(_MUXED))
def test_a_sound_of_each_ending_is_read_singly_and_in_a_folder(tmp_path, ending):
    path = write_sound(tmp_path / f"a{ending}", *_MUXED[ending])
    assert decode(path).audio.size == pytest.approx(16_000, abs=1600)
    (singly,), (within,) = read_inputs([str(path)]), read_inputs([str(tmp_path)])
    assert singly == within


def test_the_lists_have_no_ending_twice():
    both = [*formats.SOUND_ENDINGS, *formats.VIDEO_ENDINGS]
    assert len(both) == len(set(both)) == len(formats.MEDIA_ENDINGS)
    assert all(ending == ending.lower() and ending.startswith(".") for ending in both)
