"""Features that others made: each form of file, each fault, and their way through extract."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tricue.config.feature_settings import FeaturesConfig, VideoFeatures
from tricue.extractors.choice import feature_dims
from tricue.extractors.precomputed import located, read_precomputed
from tricue.features.extract import extract
from tricue.types import InputError, Utterance

IDS = np.array(["a", "b", "c"])
VALUES = np.arange(6, dtype=np.float64).reshape(3, 2) + 0.1


def npz(path: Path, **arrays: np.ndarray) -> str:
    np.savez(path, **arrays)
    return str(path)


def test_npz_with_names_and_whole_numbers_beside(tmp_path: Path) -> None:
    source = npz(tmp_path / "au.npz", id=IDS, au=VALUES, au_names=np.array(["AU01", "AU02"]), label=np.array([0, 1, 2]))
    found = read_precomputed(source, "video")
    assert found.dim == 2 and list(found.arrays) == ["a", "b", "c"]
    np.testing.assert_array_equal(found.arrays["b"], VALUES[1:2].astype(np.float32))


def test_sequences_lose_their_padding_alone(tmp_path: Path) -> None:
    values = np.zeros((3, 4, 2), np.float32)
    values[0, :3] = 1.0
    values[0, 1] = 0.0  # a step of zeros inside is a step
    values[1, :, 1] = 2.0
    found = read_precomputed(npz(tmp_path / "x.npz", id=IDS, x=values), "audio")
    assert [len(found.arrays[i]) for i in ("a", "b")] == [3, 4]
    assert found.empty == {"c"}


def test_a_vector_of_zeros_is_a_vector(tmp_path: Path) -> None:
    found = read_precomputed(npz(tmp_path / "x.npz", id=IDS, x=np.zeros((3, 2))), "audio")
    assert not found.empty and found.arrays["a"].shape == (1, 2)


@pytest.mark.parametrize("kind", ["txt", "npy"])
def test_npy_with_its_ids_beside(tmp_path: Path, kind: str) -> None:
    np.save(tmp_path / "x.npy", VALUES)
    if kind == "txt":
        (tmp_path / "x.ids.txt").write_text("a\nb\nc\n")
    else:
        np.save(tmp_path / "x.ids.npy", IDS)
    found = read_precomputed(str(tmp_path / "x.npy"), "text")
    np.testing.assert_array_equal(found.arrays["c"][0], VALUES[2].astype(np.float32))


def test_csv_with_two_byte_order_marks(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("\ufeff\ufeffid,f1\na,1\n", encoding="utf-8")
    assert list(read_precomputed(str(tmp_path / "x.csv"), "text").arrays) == ["a"]


def test_csv_by_id_wherever_the_column_stands(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("f1,id,f2\n0.5,a,1e3\n-1,b,2\n")
    found = read_precomputed(str(tmp_path / "x.csv"), "text")
    np.testing.assert_array_equal(found.arrays["a"], [[0.5, 1000.0]])


@given(values=hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=5),
                         elements=st.floats(-1e6, 1e6, width=32)))  # fmt: skip
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, values: np.ndarray) -> None:
    ids = np.array([f"row {i}" for i in range(len(values))])
    found = read_precomputed(npz(tmp_path_factory.mktemp("p") / "x.npz", id=ids, x=values), "audio")
    assert set(found.arrays) | found.empty == set(ids)
    for id_, array in zip(ids, values, strict=True):
        if id_ in found.empty:
            assert not array.any()
            continue
        kept = found.arrays[str(id_)]
        whole = array.reshape(-1, found.dim)
        np.testing.assert_array_equal(kept, whole[: len(kept)])
        assert not whole[len(kept) :].any()  # nothing but padding was left out


def faulty_files(folder: Path) -> dict[str, tuple[str, str]]:
    """Kind -> (file, part of the message)."""
    bad = VALUES.copy()
    bad[1, 0] = np.nan
    np.save(folder / "alone.npy", VALUES)
    np.save(folder / "short.npy", VALUES)
    (folder / "short.ids.txt").write_text("a\nb\n")
    (folder / "pickled.npz").write_bytes(pickle.dumps({"id": IDS, "x": VALUES}))
    (folder / "objects.npy").write_bytes(b"")
    (folder / "ragged.csv").write_text("id,f1,f2\na,1,2\nb,1\n")
    (folder / "words.csv").write_text("id,f1\na,high\n")
    (folder / "twice.csv").write_text("id,f1\na,1\na,2\n")
    (folder / "noid.csv").write_text("name,f1\na,1\n")
    (folder / "two.csv").write_text("id,f1,id\na,1,2\n")
    (folder / "bars.csv").write_text("ID;f1\na;1\n")
    (folder / "bare.csv").write_text("id,f1\n")
    (folder / "nan.csv").write_text("id,f1\na,nan\n")
    return {
        "no ids": (npz(folder / "1.npz", x=VALUES), "it should hold `id`"),
        "two arrays": (npz(folder / "2.npz", id=IDS, x=VALUES, y=VALUES), "exactly one floating-point array"),
        "no floats": (npz(folder / "3.npz", id=IDS, x=VALUES.astype(int)), "x (3, 2) int64"),
        "repeated": (npz(folder / "4.npz", id=np.array(["a", "b", "a"]), x=VALUES), "more than once: a."),
        "not a number": (npz(folder / "5.npz", id=IDS, x=bad), "in 1 rows: b."),
        "beyond 32 bits": (npz(folder / "6.npz", id=IDS, x=VALUES * 1e300), "in 3 rows: a, b, c."),
        "ids too few": (npz(folder / "7.npz", id=IDS[:2], x=VALUES), "2 ids for 3 rows"),
        "four axes": (npz(folder / "8.npz", id=IDS, x=np.ones((3, 2, 2, 2))), "(3, 2, 2, 2)"),
        "no width": (npz(folder / "9.npz", id=IDS, x=np.ones((3, 0))), "(3, 0)"),
        "empty id": (npz(folder / "10.npz", id=np.array(["a", "", "c"]), x=VALUES), "row 2 has an empty id"),
        "npy without ids": (str(folder / "alone.npy"), "alone.ids.txt"),
        "npy with few ids": (str(folder / "short.npy"), "2 ids for 3 rows"),
        "pickled": (str(folder / "pickled.npz"), "cannot be read as precomputed features"),
        "zero bytes": (str(folder / "objects.npy"), "cannot be read as precomputed features"),
        "ragged": (str(folder / "ragged.csv"), "line 3: 2 columns where the first line has 3"),
        "words": (str(folder / "words.csv"), "line 2, column f1: 'high' is not a number"),
        "repeated in csv": (str(folder / "twice.csv"), "more than once: a."),
        "csv without id": (str(folder / "noid.csv"), "one column `id`"),
        "csv with two ids": (str(folder / "two.csv"), "one column `id`"),
        "csv of semicolons": (str(folder / "bars.csv"), "it is: ID;f1"),
        "csv without rows": (str(folder / "bare.csv"), "no row of features"),
        "NaN in csv": (str(folder / "nan.csv"), "in 1 rows: a."),
        "no such file": (str(folder / "none.npz"), "there is no such file"),
        "another ending": (str(folder / "x.pkl"), "ends in .npz, .npy, .csv"),
    }


def test_each_fault_is_one_message_that_names_it(tmp_path: Path) -> None:
    for kind, (source, part) in faulty_files(tmp_path).items():
        with pytest.raises(InputError) as caught:
            read_precomputed(source, "video")
        assert part in str(caught.value), kind
        assert Path(source).name in str(caught.value), kind


def test_extract_takes_them_by_id(tmp_path: Path) -> None:
    source = npz(tmp_path / "x.npz", id=IDS, x=VALUES)
    config = FeaturesConfig(video=VideoFeatures(precomputed=source))
    rows = [Utterance("b"), Utterance("unknown"), Utterance("a", video=tmp_path / "never-opened.mp4")]
    found = extract(rows, config, ["video"], tmp_path / "store", progress=False)
    assert set(found.arrays["video"]) == {"a", "b"} and found.dims == {"video": (2,)}
    assert [(fault.id, fault.modality) for fault in found.faults] == [("unknown", "video")]
    assert feature_dims(config, ["video"]) == {"video": (2,)}
    with pytest.raises(InputError, match=r"none of the 1 ids, e\.g\. z"):
        extract([Utterance("z")], config, ["video"], tmp_path / "store", progress=False)


def test_a_file_is_looked_for_in_the_corpus_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "corpus").mkdir()
    beside = npz(tmp_path / "corpus" / "x.npz", id=IDS, x=VALUES)
    config = FeaturesConfig(video=VideoFeatures(precomputed="x.npz"))
    monkeypatch.chdir(tmp_path)
    assert located(config, tmp_path / "corpus").video.precomputed == beside
    here = npz(tmp_path / "x.npz", id=IDS, x=VALUES)
    assert located(config, tmp_path / "corpus").video.precomputed == here
    assert located(FeaturesConfig(), None) == FeaturesConfig()
