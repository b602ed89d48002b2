import os
from pathlib import Path

import pytest

from tricue.data.manifest import read_manifest
from tricue.data.table import ManifestError
from tricue.data.table_files import read_table
from tricue.types import InputError


def saved(folder: Path, content: bytes) -> Path:
    path = folder / "t.csv"
    path.write_bytes(content)
    return path


def faults_of(path: Path) -> list[tuple[int, str, str]]:
    with pytest.raises(ManifestError) as caught:
        read_manifest(path)
    str(caught.value).encode("utf-8")  # a message that cannot be printed names nothing
    return [(fault.row, fault.column, fault.kind) for fault in caught.value.faults]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_utf8_with_and_without_byte_order_mark(tmp_path: Path, mark: bytes, line_end: bytes) -> None:
    content = mark + line_end.join([b"id,text", "u1,I can’t — “really”…".encode(), b""])
    assert read_manifest(saved(tmp_path, content))[0].text == "I can’t — “really”…"


def test_a_wrong_encoding_is_named_with_row_and_column_beside_the_other_faults(tmp_path: Path) -> None:
    content = "id,text\r\nu1,fine\r\nu2,I can’t\r\nu1,café\r\n".encode("cp1252")
    assert faults_of(saved(tmp_path, content)) == [
        (3, "text", "wrong encoding"),
        (4, "text", "wrong encoding"),
        (4, "id", "duplicate id"),
    ]


def test_utf16_is_a_wrong_encoding(tmp_path: Path) -> None:
    assert [kind for *_, kind in faults_of(saved(tmp_path, "id,text\nu1,hm\n".encode("utf-16")))] == ["wrong encoding"]


def test_a_second_encoding_is_tried_only_where_the_first_does_not_fit(tmp_path: Path) -> None:
    for encoding in ("utf-8", "cp1252"):
        table = read_table(saved(tmp_path, "id,text\n1,I can’t\n".encode(encoding)), ("utf-8-sig", "cp1252"))
        assert table.rows == [(2, {"id": "1", "text": "I can’t"})]
        assert table.faults == []


def test_line_breaks_in_a_cell_do_not_shift_the_rows(tmp_path: Path) -> None:
    table = read_table(saved(tmp_path, b'id,text\n1,"two\nlines"\n\n3,hm\n'))
    assert table.rows == [(2, {"id": "1", "text": "two\nlines"}), (4, {"id": "3", "text": "hm"})]


def test_short_rows_are_blank_at_the_end_and_long_ones_are_a_fault(tmp_path: Path) -> None:
    path = saved(tmp_path, b"id,text,speaker\n1,hm\n2,well, I mean, no\n3,hm,Ann,,\n")
    assert faults_of(path) == [(3, "4", "more cells than columns")]
    assert read_table(path).rows[0] == (2, {"id": "1", "text": "hm", "speaker": ""})
    assert read_table(path).rows[1] == (4, {"id": "3", "text": "hm", "speaker": "Ann"})


def test_an_open_quote_does_not_swallow_the_rest_silently(tmp_path: Path) -> None:
    path = saved(tmp_path, b'id,text\n1,hm\n1,hm\n2,"hm\n3,hm\n')
    assert faults_of(path) == [(3, "id", "duplicate id"), (4, "?", "not valid CSV (unexpected end of data)")]


def test_semicolons_lead_to_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="commas between columns"):
        read_manifest(saved(tmp_path, b"id;text\n1;hm\n"))


@pytest.mark.parametrize("separator", [";", "\t", "|"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_other_separators_are_one_fault_also_for_prediction(tmp_path: Path, separator: str, quote: str) -> None:
    names = separator.join(f"{quote}{name}{quote}" for name in ("id", "text", "emotion"))
    path = saved(tmp_path, f"{names}\n1{separator}hm, well{separator}joy\n".encode())
    for for_prediction in (False, True):
        with pytest.raises(ManifestError, match="save it with commas between columns") as caught:
            read_manifest(path, for_prediction=for_prediction)
        assert len(caught.value.faults) == 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_wide_encodings_are_one_fault(tmp_path: Path, encoding: str) -> None:
    path = saved(tmp_path, "id,text\r\nu1,hm\r\n".encode(encoding))
    assert faults_of(path) == [(1, "?", "wrong encoding")]


@pytest.mark.parametrize(
    ("start", "kind"),
    [(b"PK\x03\x04....", "a ZIP archive, as .xlsx"), (b"\x1f\x8b\x08", "compressed"), (b"PAR1", "a Parquet file")],
)
def test_other_files_named_csv_are_one_fault(tmp_path: Path, start: bytes, kind: str) -> None:
    ((_, _, found),) = faults_of(saved(tmp_path, start + bytes(range(1, 256)) * 20))
    assert kind in found


def test_two_byte_order_marks_and_blanks_around_names(tmp_path: Path) -> None:
    path = saved(tmp_path, b"\xef\xbb\xbf\xef\xbb\xbfid, text ,\xc2\xa0emotion\n1,hm,joy\n")
    assert read_manifest(path)[0].label == "joy"


def test_long_cells_stop_only_the_columns_that_are_read(tmp_path: Path) -> None:
    long = b"x" * 3_000_000
    assert read_manifest(saved(tmp_path, b"id,text,scribble\n1,hm," + long + b"\n"))[0].text == "hm"
    path = saved(tmp_path, b"id,text\n1," + long + b"\n")
    assert faults_of(path) == [(2, "text", "a cell of 3,000,000 characters")]
    path = saved(tmp_path, b"id,text\n1," + b"x" * 200_000 + b"\n")
    assert len(read_manifest(path)[0].text or "") == 200_000


def test_bad_bytes_stop_only_the_columns_that_are_read(tmp_path: Path) -> None:
    assert read_manifest(saved(tmp_path, b"id,text,note\n1,hm,caf\xe9\n"))[0].text == "hm"


def test_a_file_beyond_the_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tricue.data.table.MAX_TEXT_BYTES", 1 << 20)
    path = saved(tmp_path, b"id,text\n" + b"1,x\n" * 300_000)
    assert faults_of(path) == [(1, "?", "a file of more than 1 MiB")]


def test_devices_and_pipes_are_no_tables(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    for name in ("pipe.csv", "zero.csv", "x" * 5000 + ".csv", "a\0b.csv"):
        with pytest.raises(InputError, match="There is no file") as caught:
            read_table(tmp_path / name)
        assert len(str(caught.value)) < 400


def test_a_broken_parquet_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(b"PAR1 no table PAR1")
    assert faults_of(path)[0][2].startswith("not a Parquet file")
