"""INT8 by Intel Neural Compressor, through optimum: dynamic, static, and by quantization-aware training.

The module models/inc_model.py loads what is written here, without unpickling anything but tensors.
"""

from __future__ import annotations

import copy
import math
import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nertool.errors import NertoolError
from nertool.int8.config import QuantizationConfig
from nertool.models.inc_model import WEIGHTS, load_int8
from nertool.progress import silenced
from nertool.workspace.disk_errors import full_disk

ALGORITHMS = {"minmax": "minmax", "mse": "kl"}
"""Observers by Neural Compressor's names; its "kl" is torch's HistogramObserver, which looks for the least error."""
EXACT = {"weight": {"dtype": ["fp32"]}, "activation": {"dtype": ["fp32"]}}
"""Settings of an operator that stays in FP32."""
WRAPPED = ".module"
"""What Neural Compressor adds to the name of a linear layer whose bias it adds itself."""
Inputs = Mapping[str, Any]


def quantize(
    model: Any,
    directory: Path,
    quantization: QuantizationConfig,
    calibration: Sequence[Inputs] = (),
    trust_remote_code: bool = False,
) -> list[str]:
    """Write an INT8 model into a directory that is marked as one.

    Args:
        model: FP32; it stays as it is.
        calibration: inputs of the model, on which static ranges are found.
        trust_remote_code: run code that comes with the model.

    Returns:
        Names of the layers whose weights are in FP32, embeddings among them.

    Raises:
        NertoolError: Neural Compressor cannot quantize such a model.
    """
    with silenced(), _interruptible(), TemporaryDirectory() as scratch:
        import neural_compressor
        from optimum.intel import INCQuantizer

        def calibrate(prepared: Any) -> None:
            for batch in calibration:
                prepared(**batch)

        neural_compressor.set_workspace(scratch)
        quantizer = INCQuantizer.from_pretrained(model, calibration_fn=calibrate, task="token-classification")
        try:
            with redirect_stderr(StringIO()):  # it prints tracebacks of its own
                quantizer.quantize(_post_training_config(quantization), directory)
        except RuntimeError as error:
            if full_disk(error):
                raise
            raise NertoolError(
                f"Neural Compressor cannot quantize a {type(model).__name__}: {str(error).splitlines()[0]}",
                "Take the other backend: --backend onnx",
            ) from error
    return _left_in_fp32(load_int8(directory, model.config, trust_remote_code))


def _post_training_config(quantization: QuantizationConfig) -> Any:
    """The same in Neural Compressor's terms."""
    from neural_compressor.config import PostTrainingQuantConfig

    by_type = None
    if quantization.approach == "static":
        by_type = {"Linear": {"activation": {"algorithm": [ALGORITHMS[quantization.observer]]}}}
    by_name = {}
    for layer in quantization.in_fp32:
        by_name[f"{re.escape(layer)}({re.escape(WRAPPED)})?"] = EXACT
    return PostTrainingQuantConfig(
        approach=quantization.approach,
        quant_level=1,
        op_type_dict=by_type,
        op_name_dict=by_name,
        reduce_range=quantization.weight_bits == 7,
        excluded_precisions=["bf16"],  # falls back to FP32 everywhere, so that equal runs on unlike CPUs agree
    )


def train_aware(
    model: Any,
    directory: Path,
    batches: Sequence[Inputs],
    learning_rate: float,
    step: Callable[[float], None],
    trust_remote_code: bool = False,
) -> list[str]:
    """Quantization-aware training: fine-tune with simulated INT8, then write the INT8 model.

    Args:
        model: FP32; it stays as it is.
        batches: inputs of the model with `labels`, a step each, in their order.
        learning_rate: of the first step; it decays linearly to 0.
        step: called with the loss after each step.
        trust_remote_code: run code that comes with the model.

    Returns:
        As `quantize` does.
    """
    with silenced(), _interruptible():
        from neural_compressor import QuantizationAwareTrainingConfig
        from neural_compressor.training import prepare_compression

        # Rounding what layer norms give was half of what INT8 lost on WNUT'17 before training, and saves nothing.
        config = QuantizationAwareTrainingConfig(op_type_dict={"LayerNorm": EXACT})
        compression = prepare_compression(copy.deepcopy(model), config)
        compression.callbacks.on_train_begin()
        _fine_tune(compression.model.train(), batches, learning_rate, step)
        compression.callbacks.on_train_end()
        compression.save(str(directory))
        (directory / "best_model.pt").rename(directory / WEIGHTS)
        model.config.save_pretrained(directory)
    return _left_in_fp32(load_int8(directory, model.config, trust_remote_code))


def _fine_tune(model: Any, batches: Sequence[Inputs], learning_rate: float, step: Callable[[float], None]) -> None:
    """Take a step on each batch, with a learning rate that decays linearly to 0.

    Raises:
        NertoolError: the loss is no number.
    """
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.0, fused=True)
    for number, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * (1 - number / len(batches))
        loss = model(**batch)["loss"]
        if not math.isfinite(loss):
            raise NertoolError(
                f"the loss is {float(loss)} at step {number + 1} of {len(batches)} of quantization-aware training",
                f"Take a --qat-learning-rate below {learning_rate:g}.",
            )
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        step(float(loss))


def _left_in_fp32(model: Any) -> list[str]:
    """Names of the layers that were not replaced by quantized ones, which have no parameters: those with matrices."""
    names = []
    for name, module in model.named_modules():
        if any(weight.dim() > 1 for weight in module.parameters(recurse=False)):
            names.append(name.removesuffix(WRAPPED))
    return list(dict.fromkeys(names))  # a layer and what wraps it


@contextmanager
def _interruptible() -> Iterator[None]:
    """Neural Compressor swallows Ctrl-C; raise it again once it has let go."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupted = []

    def remember(number: int, frame: Any) -> None:
        interrupted.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if interrupted:
            raise KeyboardInterrupt
