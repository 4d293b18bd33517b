"""PyTorch as an engine of peer.py, at its best: convolutions in channels_last, cudnn.benchmark, no
TF32 in float32, and on a GPU either eager under a CUDA graph or torch.compile."""

import gc

import numpy as np
import torch

import torch_from_onnx
import torch_transformer
from engine import Engine

WARM_UP_RUNS = 3


class Torch(Engine):
    def __init__(self, path, precision, threads):
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = True
        if threads:
            torch.set_num_threads(threads)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._dtype = torch.float16 if precision == "fp16" else torch.float32
        module = torch_transformer.load(path) or torch_from_onnx.load(path)
        self._module = module.to(self._device, self._dtype, memory_format=torch.channels_last)
        name = (torch.cuda.get_device_name() if self._device.type == "cuda" else "CPU")
        self.identity = f"PyTorch {torch.__version__}, {name}"
        if self._device.type == "cuda":
            self.identity += f", cuDNN {torch.backends.cudnn.version()}"
        self._input = self._output = None

    def _place(self, array):
        self._output = None
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        dtype = self._dtype if array.dtype.kind == "f" else torch.int64
        self._input = torch.from_numpy(array).to(self._device, dtype)
        if self._input.ndim == 4:
            self._input = self._input.contiguous(memory_format=torch.channels_last)

    def wait(self):
        if self._device.type == "cuda":
            torch.cuda.synchronize()

    def output(self):
        return self._output.float().cpu().numpy().astype(np.float32)


class Eager(Torch):
    @torch.inference_mode()
    def prepare(self, array):
        self._place(array)

    @torch.inference_mode()
    def start(self):
        self._output = self._module(self._input)


class CudaGraph(Torch):
    """Eager, recorded once and replayed."""

    @torch.inference_mode()
    def prepare(self, array):
        self._graph = None
        self._place(array)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_RUNS):
                self._module(self._input)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._output = self._module(self._input)

    def start(self):
        self._graph.replay()


class Compiled(Torch):
    """The input stays where it is, so that it is not copied into the recorded graph."""

    mode = "reduce-overhead"

    @torch.inference_mode()
    def prepare(self, array):
        torch._dynamo.reset()
        self._compiled = None
        self._place(array)
        torch._dynamo.mark_static_address(self._input)
        self._compiled = torch.compile(self._module, mode=self.mode, dynamic=False)
        for _ in range(WARM_UP_RUNS):
            self.run()

    @torch.inference_mode()
    def start(self):
        self._output = self._compiled(self._input)


class AutoTuned(Compiled):
    mode = "max-autotune"


ENGINES = {"torch-eager": Eager, "torch-graph": CudaGraph, "torch-compile": Compiled,
           "torch-max-autotune": AutoTuned}
