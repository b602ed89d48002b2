"""One list of endings, and what it names can be read."""

import numpy as np
import pytest
from tests.clips import write_sound

from tricue.media import formats
from tricue.media.decoding import decode
from tricue.prediction.inputs import read_inputs

_MUXED = {  # ending -> (muxer, codec)
    ".wav": ("wav", "pcm_s16le"), ".mp2": ("mp2", "mp2"), ".m4a": ("ipod", "aac"), ".mka": ("matroska", "aac"),
    ".w64": ("w64", "pcm_s16le"), ".aif": ("aiff", "pcm_s16be"), ".aiff": ("aiff", "pcm_s16be"),
    ".caf": ("caf", "pcm_s16le"), ".flac": ("flac", "flac"), ".oga": ("oga", "flac"), ".opus": ("opus", "libopus"),
    ".aac": ("adts", "aac"), ".ac3": ("ac3", "ac3"), ".au": ("au", "pcm_s16be"), ".mts": ("mpegts", "aac"),
    ".m2ts": ("mpegts", "aac"), ".vob": ("vob", "mp2"), ".wma": ("asf", "wmav2"), ".flv": ("flv", "aac"),
}  # fmt: skip


@pytest.mark.parametrize("ending", sorted(_MUXED))
def test_a_sound_of_each_ending_is_read_singly_and_in_a_folder(tmp_path, ending):
    (muxer, codec), wave = _MUXED[ending], 0.4 * np.sin(np.arange(48_000) * 0.05)
    path = write_sound(tmp_path / f"a{ending}", wave, codec, rate=48_000, muxer=muxer, coding={"b": "64k"})
    assert decode(path).audio.size == pytest.approx(16_000, abs=1600)
    (singly,), (within,) = read_inputs([str(path)]), read_inputs([str(tmp_path)])
    assert singly == within


def test_the_lists_have_no_ending_twice():
    both = [*formats.SOUND_ENDINGS, *formats.VIDEO_ENDINGS]
    assert len(both) == len(set(both)) == len(formats.MEDIA_ENDINGS)
    assert all(ending == ending.lower() and ending.startswith(".") for ending in both)
