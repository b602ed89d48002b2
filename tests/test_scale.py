"""The same values, store and faults through Ray as on this machine; Ray's own processes may die."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tricue.config.feature_settings import FeaturesConfig
from tricue.extractors.text_extractors import LightText, Spoken
from tricue.features.extract import extract
from tricue.features.store import Row
from tricue.features.worker import KILLED, Job, Worker
from tricue.modalities.reading import MediaFile, Words
from tricue.modalities.requests import Request
from tricue.registry import MODALITIES
from tricue.types import InputError, Utterance

ray = pytest.importorskip("ray")
from tricue import scale  # noqa: E402
from tricue.scale import ray_engine  # noqa: E402

HALF_STEP = 2.0**-10  # of a float16, relative


@pytest.fixture
def rows(make_clip: Any) -> list[Utterance]:
    """More than one batch of clips."""
    made = [make_clip(f"{i}.mp4", seed=i, hertz=150.0 + 40 * i, frames=12, sound=1.0 + 0.2 * i) for i in range(3)]
    return [
        Utterance(f"u{i}", text=f"you are fine {i}", audio=clip, video=clip, start=0.02 * (i // 3))
        for i in range(MediaFile.batch_size + 5)
        for clip in [made[i % 3]]
    ]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """One for several tests: it takes its time to start."""
    assert scale._connect(None)
    yield
    ray.shutdown()


@dataclass(frozen=True)
class Fatal(LightText):
    """Some words kill their process: `always`, or `once`."""

    folder: Path = Path()

    def prepare(self, spoken: Spoken) -> list[str]:
        words = super().prepare(spoken)
        if words[0] in ("always", "once"):
            deaths = self.folder / words[0]
            with deaths.open("a") as file:
                file.write(f"{os.getpid()}\n")
            if words[0] == "always" or len(deaths.read_text().splitlines()) == 1:
                os.kill(os.getpid(), signal.SIGKILL)
        return words


def job_of(id_: str, key: str, words: str) -> Job:
    return Job(id_, {"text": key}, {"text": Request(Words(Spoken(words)))})


def test_an_address_without_a_cluster_is_told_within_seconds() -> None:
    worker, batch = (
        Worker({"text": LightText(64)}),
        [Job("a", {"text": "k"}, {"text": Request(Words(Spoken("hello")))})],
    )
    for address in ("127.0.0.1:9", "ray://127.0.0.1:9", "nonsense", "127.0.0.1:99999"):
        begun = time.monotonic()
        with pytest.raises(InputError, match=f"--ray-address {address}: no Ray cluster there"):
            next(ray_engine(address)(worker, [batch]))
        assert time.monotonic() - begun < 30.0
    assert not ray.is_initialized()


@pytest.mark.slow
def test_ray_gives_what_this_machine_gives(
    rows: list[Utterance], tiny_bert: Path, tiny_wav2vec2: Path, tiny_resnet: Path, tmp_path: Path,
    cluster: None,
) -> None:  # fmt: skip
    config = FeaturesConfig.model_validate(
        {
            "text": {"encoder": str(tiny_bert), "max_tokens": 64},
            "audio": {"encoder": str(tiny_wav2vec2)},
            "video": {"encoder": str(tiny_resnet), "frames": 3},
        }
    )
    bad = Utterance("bad", audio=tmp_path / "bad.mp4")
    (tmp_path / "bad.mp4").write_text("no film")
    here = extract([*rows, bad], config, MODALITIES, tmp_path / "here", workers=1, progress=False)
    there = extract([*rows, bad], config, MODALITIES, tmp_path / "there", engine=ray_engine(None, 2), progress=False)
    assert there.dims == here.dims and there.faults == here.faults and len(here.faults) == 1
    for modality in MODALITIES:
        assert there.arrays[modality].keys() == here.arrays[modality].keys() and len(here.arrays[modality]) == len(rows)
        for id_, array in here.arrays[modality].items():
            np.testing.assert_allclose(there.arrays[modality][id_], array, rtol=HALF_STEP, atol=1e-4)
    deeper = config.model_copy(update={"text": config.text.model_copy(update={"layer": 7})})
    with pytest.raises(InputError, match=r"features\.text\.layer=7: the encoder has layers 0 to 2"):
        extract(rows, deeper, ["text"], tmp_path / "there", engine=ray_engine(None, 1), progress=False)
    folders = [sorted(path.name for path in (tmp_path / place).iterdir()) for place in ("here", "there")]
    assert set(folders[0]) < set(folders[1])  # the same store: what one engine has done the other need not do
    again = extract([*rows, bad], config, MODALITIES, tmp_path / "there", workers=1, progress=False)
    assert again.faults == here.faults


@pytest.mark.slow
def test_a_lost_actor_is_replaced_and_a_job_that_kills_each_is_named(tmp_path: Path, cluster: None) -> None:
    words = [*["hello"] * 2, "always", "once", *["hello"] * 4]
    jobs = [job_of(f"u{i}", f"k{i}", word) for i, word in enumerate(words)]
    worker = Worker({"text": Fatal(64, folder=tmp_path)})
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # actors cannot import a test
    batches = [jobs[:2], jobs[2:3], jobs[3:5], jobs[5:]]
    results = [result for batch in ray_engine(None, 2)(worker, batches) for result in batch]
    assert sorted(result.key for result in results) == [job.keys["text"] for job in jobs]
    for result in results:
        if result.id == "u2":
            assert result.row == Row(None, KILLED) and result.passing
        else:
            assert result.row.values is not None and not result.passing
    assert len((tmp_path / "once").read_text().splitlines()) == 2
    assert len((tmp_path / "always").read_text().splitlines()) <= 6  # not for ever


@pytest.mark.slow
def test_the_command_line_through_ray(rows: list[Utterance], tmp_path: Path) -> None:
    lines = [f"{row.id},{row.text},{row.audio}" for row in rows]
    (tmp_path / "rows.csv").write_text("\n".join(["id,text,audio", *lines]) + "\n")
    command = [
        sys.executable, "-m", "tricue.cli", "extract", "--manifest", "rows.csv", "--modalities", "text,audio",
        "--set", "features.text.encoder=light", "--set", "features.audio.encoder=light", "--store", "store",
    ]  # fmt: skip
    done = subprocess.run(
        [*command, "--engine", "ray", "--workers", "1"], cwd=tmp_path, env=os.environ, capture_output=True,
        text=True, timeout=180,
    )  # fmt: skip
    count = len(rows)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        f"Features of {count} utterances: text {count}, audio {count}; 0 missing modalities. Store: store\n"
    )
    assert "Traceback" not in done.stderr and "Warning" not in done.stderr
    checked = subprocess.run([*command, "--verify"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stdout
