"""Given, nothing to write here: starts processes that talk by torch.distributed, collects results.

`launch` is for single functions of ddp_worker.py: a fresh group each time, over a file, so that no
port can collide. `torchrun` runs ddp_worker.main as the command of that name does.
"""

import importlib
import multiprocessing.connection
import os
import sys
import tempfile
import time
import traceback
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

SECONDS = 20  # a group that takes longer hangs
POINT_TO_POINT = ("isend", "send", "irecv", "recv")
COLLECTIVES = ("all_reduce", "all_gather", "all_gather_into_tensor", "broadcast", "reduce", "reduce_scatter",
               "reduce_scatter_tensor", "gather", "scatter", "all_to_all", "all_to_all_single",
               "batch_isend_irecv")


def method():
    """How processes start: a copy of this one where that is safe, since it imports nothing anew."""
    return "forkserver" if torch.cuda.is_available() else "fork"


def launch(job, world, *args):
    """Run job(*args), a function of this module, in `world` processes; return results by rank.

    Raises:
        RuntimeError: a process failed, or none of them came to an end; with what it said.
    """
    context = multiprocessing.get_context(method())
    with tempfile.TemporaryDirectory() as folder:
        ours, processes = [], []
        for rank in range(world):
            receiver, sender = context.Pipe(duplex=False)
            arguments = (job, rank, world, f"{folder}/store", sender, args)
            processes.append(context.Process(target=_process, args=arguments, daemon=True))
            processes[-1].start()
            sender.close()
            ours.append(receiver)
        try:
            return _results(ours, time.monotonic() + SECONDS)
        finally:
            for process in processes:
                process.kill()
                process.join()


def _results(receivers, ends):
    waiting, results = dict(enumerate(receivers)), {}
    while waiting:
        ready = multiprocessing.connection.wait(waiting.values(), timeout=max(0, ends - time.monotonic()))
        if not ready:
            raise RuntimeError(f"processes {sorted(waiting)} did not end within {SECONDS} seconds: "
                               "each may be waiting for another")
        for rank in [rank for rank, receiver in waiting.items() if receiver in ready]:
            try:
                failed, result = waiting.pop(rank).recv()
            except EOFError:
                failed, result = True, "it ended without a word"
            if failed:
                raise RuntimeError(f"process {rank} of {len(receivers)}: {result}")
            results[rank] = result
    return [results[rank] for rank in range(len(receivers))]


def _process(job, rank, world, store, sender, args):
    try:
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"
        torch.set_num_threads(1)
        dist.init_process_group("gloo", store=dist.FileStore(store, world), rank=rank, world_size=world,
                                timeout=timedelta(seconds=SECONDS))
        sender.send((False, job(*args)))
    except BaseException as error:  # whatever it is, the notebook has to hear of it
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}, line {last.lineno}"
        sender.send((True, f"{type(error).__name__}: {error} ({where})"))
    finally:
        sender.close()
        # Whoever leaves while others are still connecting breaks their connections, so all stay until
        # `launch` has heard from all and ends them. Nothing of the notebook's process is tidied up.
        time.sleep(SECONDS)
        os._exit(0)


def fresh_worker():
    """Return ddp_worker as the file is now."""
    sys.modules.pop("ddp_worker", None)
    importlib.invalidate_caches()
    return importlib.import_module("ddp_worker")


def ring(inputs):
    """A job: ring_allreduce_ on inputs[rank], numpy arrays; return results and what was sent.

    Collective operations are out of reach meanwhile.
    """
    sent = []

    def counted(send):
        def sending(tensor, *args, **options):
            sent.append(tensor.numel())
            return send(tensor, *args, **options)

        return sending

    def forbidden(*args, **options):
        raise RuntimeError("a ring uses isend and irecv (or recv) alone")

    for name in ("isend", "send"):
        setattr(dist, name, counted(getattr(dist, name)))
    for name in COLLECTIVES:
        setattr(dist, name, forbidden)
    worker = fresh_worker()
    out = []
    for array in inputs[dist.get_rank()]:
        tensor = torch.tensor(array)
        sent.clear()
        said = worker.ring_allreduce_(tensor)
        out.append((tensor.numpy(), tuple(int(n) for n in said), list(sent)))
    return out


def ring_of_columns(array):
    """A job: ring_allreduce_ on a column of a matrix; return the matrix, or the error's name."""
    tensor = torch.tensor(array) * (1 + dist.get_rank())
    try:
        fresh_worker().ring_allreduce_(tensor[:, 1])
    except Exception as error:
        return type(error).__name__
    return tensor.numpy()


def gradients(weights, grads):
    """A job: average_gradients_ and broadcast_ on a model with given weights and gradients a rank."""
    worker, rank = fresh_worker(), dist.get_rank()
    model = torch.nn.Linear(2, 2, dtype=torch.float64)
    model.extra = torch.nn.Parameter(torch.ones(1, dtype=torch.float64), requires_grad=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor(weights[rank]))
        model.bias.copy_(model.weight[0] + 1)
    model.weight.grad = torch.tensor(grads[rank])
    model.bias.grad = 2 * model.weight.grad[1]
    worker.average_gradients_(model)
    worker.broadcast_(model)
    tensors = (model.weight, model.bias, model.weight.grad, model.bias.grad)
    return [t.detach().numpy() for t in tensors] + [model.extra.grad is None]


def torchrun(path, world):
    """Run ddp_worker.main(path) in `world` processes as the command torchrun does."""
    config = LaunchConfig(min_nodes=1, max_nodes=1, nproc_per_node=world, start_method=method(), max_restarts=0,
                          rdzv_backend="c10d", rdzv_endpoint="127.0.0.1:0", local_addr="127.0.0.1",
                          run_id=Path(path).name, monitor_interval=0.05)
    elastic_launch(config, run_main)(path)


def run_main(path):
    """What each process of `torchrun` does."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    fresh_worker().main(path)
