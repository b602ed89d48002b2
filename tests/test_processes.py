"""What a child process of ours computes with."""

import importlib
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import pytest
from threadpoolctl import threadpool_info

from tricue import processes


def test_a_worker_computes_with_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it has loaded and with what it loads later: torch with the first hub encoder, OpenCV with faces."""
    import torch

    cv2 = pytest.importorskip("cv2")
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=importlib.import_module, initargs=("numpy.linalg",)) as pool:
        pool.submit(processes.limit_threads).result()
        before = pool.submit(threadpool_info).result()
        assert pool.submit(torch.get_num_threads).result() == 1
        assert pool.submit(cv2.getNumThreads).result() == 1
        after = pool.submit(threadpool_info).result()
    assert before and len(after) > len(before)
    assert all(library["num_threads"] == 1 for library in after)
