"""What a network costs: parameters and floating-point operations, part by part.

A part is a named child of the network (`frontends`, `bilstms`, ...). One multiply-add counts as 2 FLOPs, as
in `torch.utils.flop_counter`, and like there only matrix products and convolutions count: no biases,
activations, norms. That counter does not see fused kernels, so attention runs in its plain form while
counting, and every `nn.LSTM` is counted by formula.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils.rnn import PackedSequence
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.hooks import RemovableHandle

from tricue.types import Batch

OTHER = "other"  # what lies in no named child: the network's own parameters and operations
TOTAL = "total"


def parameters(network: nn.Module) -> dict[str, dict[str, int]]:
    """Parameters per part, and in `total`: `{"total": all, "trainable": those that require a gradient}`.

    A tensor that two parts share counts in each of them, and once in `total`; `other` stands only where the
    network holds parameters of its own.
    """
    counts = {name: _count(list(child.parameters())) for name, child in network.named_children()}
    own = list(network.parameters(recurse=False))
    if own:
        counts[OTHER] = _count(own)
    counts[TOTAL] = _count(list(network.parameters()))
    return counts


def _count(tensors: list[nn.Parameter]) -> dict[str, int]:
    trainable = sum(tensor.numel() for tensor in tensors if tensor.requires_grad)
    return {"total": sum(tensor.numel() for tensor in tensors), "trainable": trainable}


def gflops(network: nn.Module, batch: Batch) -> dict[str, float]:
    """GFLOPs (1e9 FLOPs) per utterance of `network(batch)` in evaluation mode: per part, and in `total`.

    Padded steps cost what valid ones do, so a batch of one utterance gives the price of its true length.
    Frozen encoders that run before the network (feature extraction) are not in it. `other` stands only where
    operations lie outside all named children. Hooks, modes and training flags are put back whatever happens.
    """
    utterances = len(batch.ids)
    flops = dict.fromkeys((name for name, _ in network.named_children()), 0)
    with ExitStack() as stack:
        for module in network.modules():  # one by one: frozen parts may stand in another mode than the rest
            stack.callback(setattr, module, "training", module.training)
        network.eval()
        stack.enter_context(torch.no_grad())
        stack.enter_context(_no_fused_attention())
        counter = stack.enter_context(FlopCounterMode(display=False))
        lstm = _LSTMFlops(counter)

        def clock() -> int:
            return counter.get_total_flops() + lstm.correction

        # LSTM hooks first: a part that is itself an LSTM must find the correction made when it is read off.
        handles = [h for module in network.modules() if isinstance(module, nn.LSTM) for h in lstm.attach(module)]
        for name, child in network.named_children():
            handles += _attach_part(name, child, flops, clock)
        for handle in handles:
            stack.callback(handle.remove)
        network(batch)
        total = clock()
    rest = total - sum(flops.values())
    if rest:
        flops[OTHER] = rest
    flops[TOTAL] = total
    return {name: count / 1e9 / utterances for name, count in flops.items()}


def lstm_flops(module: nn.LSTM, steps: int) -> int:
    """FLOPs of an LSTM over `steps` time steps (of all sequences together).

    Per layer, direction and step: 4 gates of h, each a product with the input and one with the recurrent
    state, 4h (input + state) multiply-adds, and h * state more where the state is projected (`proj_size`);
    the equations of https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html.
    """
    directions = 2 if module.bidirectional else 1
    state = module.proj_size or module.hidden_size
    multiply_adds = 0
    for layer in range(module.num_layers):
        width = module.input_size if layer == 0 else directions * state
        multiply_adds += directions * 4 * module.hidden_size * (width + state)
        multiply_adds += directions * module.hidden_size * module.proj_size
    return 2 * multiply_adds * steps


class _LSTMFlops:
    """What to add to the counter so that each LSTM call counts by formula, and only by formula.

    On some paths (packed sequences, a GPU without cuDNN) torch runs an LSTM as plain products, which the
    counter does see: those are taken off again.
    """

    def __init__(self, counter: FlopCounterMode) -> None:
        self.correction = 0
        self._counter = counter
        self._seen_before = 0

    def attach(self, module: nn.LSTM) -> list[RemovableHandle]:
        return [module.register_forward_pre_hook(self._before), module.register_forward_hook(self._after)]

    def _before(self, module: nn.Module, inputs: tuple[object, ...]) -> None:
        self._seen_before = self._counter.get_total_flops()

    def _after(self, module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        assert isinstance(module, nn.LSTM)
        values = inputs[0]
        rows = values.data if isinstance(values, PackedSequence) else values
        assert isinstance(rows, torch.Tensor)
        seen = self._counter.get_total_flops() - self._seen_before
        self.correction += lstm_flops(module, rows.numel() // module.input_size) - seen


def _attach_part(name: str, part: nn.Module, flops: dict[str, int], clock: Callable[[], int]) -> list[RemovableHandle]:
    """Hooks that add to `flops[name]` what passes on the clock while any module of the part runs.

    All modules of it, because a container (ModuleDict, ModuleList) is never called itself; only the outermost
    call counts.
    """
    starts: list[int] = []

    def before(module: nn.Module, inputs: tuple[object, ...]) -> None:
        starts.append(clock())

    def after(module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        start = starts.pop()
        if not starts:
            flops[name] += clock() - start

    return [
        handle
        for module in part.modules()
        for handle in (module.register_forward_pre_hook(before), module.register_forward_hook(after))
    ]


@contextmanager
def _no_fused_attention() -> Iterator[None]:
    """Attention as plain matrix products, which torch's counter sees."""
    fastpath = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fastpath)
