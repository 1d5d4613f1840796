"""Assignment 8, task 5: data parallel training, from point-to-point messages up.

Every process runs this file; `rank` tells it who it is, `world` how many there are. Write between
the marked lines only. The notebook assignment_8.ipynb explains and tests the functions; hand in
both files. In a terminal, a job of the notebook's runs with two processes by

    torchrun --standalone --local-addr=127.0.0.1 --nproc_per_node=2 ddp_worker.py job.pt
"""

import os
import sys
from datetime import timedelta

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn


def ring_allreduce_(tensor):
    """Replace a contiguous tensor by its sum over all processes, in place, by a ring.

    Uses dist.isend and dist.irecv (or dist.recv) between neighbours and no collective operation.
    Each process sends to rank + 1 and receives from rank - 1, modulo the number of processes.

    tensor    of any shape and any number n of elements; the same shape in every process
    returns   (messages sent, elements sent) by this process: 2(world - 1) messages that have
              together at most 2(world - 1) * ceil(n / world) elements
    raises    ValueError if the tensor is not contiguous
    """
    # >>> your code starts here
    if not tensor.is_contiguous():
        raise ValueError("ring_allreduce_ needs a contiguous tensor")
    rank, world = dist.get_rank(), dist.get_world_size()
    right, left = (rank + 1) % world, (rank - 1) % world
    pieces = tensor.view(-1).tensor_split(world)
    elements = 0
    for phase in ("reduce", "gather"):
        for step in range(world - 2):
            out = (rank - step + (phase == "gather")) % world
            into = (out - 1) % world
            sending = dist.isend(pieces[out], right)
            received = torch.empty_like(pieces[into])
            dist.recv(received, left)
            sending.wait()
            elements += pieces[out].numel()
            if phase == "reduce":
                pieces[into].add_(received)
            else:
                pieces[into].copy_(received)
    return 2 * (world - 1), elements
    # <<< your code ends here


def shard(n, rank, world, seed, epoch):
    """Return the rows that a process trains on in an epoch.

    All processes draw the same random order of the n rows, from seed and epoch alone, and deal it
    out like cards: row k of the order goes to process k modulo world.

    returns   int64 tensor of row numbers
    """
    # >>> your code starts here
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    return torch.randperm(n, generator=generator)[rank::world]
    # <<< your code ends here


def broadcast_(model):
    """Give every process the parameters of process 0, in place, by dist.broadcast."""
    # >>> your code starts here
    for parameter in model.parameters():
        dist.broadcast(parameter.data, src=0)
    # <<< your code ends here


def average_gradients_(model):
    """Replace every gradient by its mean over the processes, by dist.all_reduce.

    A parameter without a gradient (frozen) is left alone; it has none in any process.
    """
    # >>> your code starts here
    for parameter in model.parameters():
        if parameter.grad is not None:
            dist.all_reduce(parameter.grad)
            parameter.grad /= dist.get_world_size()
    # <<< your code ends here


def train(model, x, y, config):
    """Train as one process would train on batches of config["batch"] rows.

    model    its start differs between processes; that of process 0 counts
    x, y     inputs [n,d] and classes [n], all of them in every process
    config   epochs; batch (rows of all processes together, divisible by their number); lr and
             momentum of torch.optim.SGD; seed of the order
    Each process takes its own shard in every epoch and goes through it in batches of
    batch / world rows; a rest that fills no batch in some process is left out. The loss is the
    mean cross-entropy.
    """
    # >>> your code starts here
    rank, world = dist.get_rank(), dist.get_world_size()
    broadcast_(model)
    parameters = [p for p in model.parameters() if p.requires_grad]
    opt = torch.optim.SGD(parameters, lr=config["lr"], momentum=config["momentum"])
    size = config["batch"] // world
    for epoch in range(config["epochs"]):
        rows = shard(len(x), rank, world, config["seed"], epoch)
        for k in range(len(x) // world // size):
            own = rows[k * size : (k + 1) * size]
            opt.zero_grad()
            F.cross_entropy(model(x[own]), y[own]).backward()
            average_gradients_(model)
            opt.step()
    # <<< your code ends here


def main(path):
    """Run the job in the file at `path` (given): join the group, train, save this process's weights.

    The file holds sizes of a multi-layer perceptron, names of frozen parameters, x, y, config and
    init, the seed of process 0; the others start elsewhere. The weights go to `path`.RANK.
    """
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    torch.set_num_threads(1)
    on_gpus = torch.cuda.device_count() >= world
    device = torch.device("cuda", rank) if on_gpus else torch.device("cpu")
    dist.init_process_group("nccl" if on_gpus else "gloo", timeout=timedelta(seconds=20))
    job = torch.load(path)
    torch.manual_seed(job["init"] + rank)
    layers = []
    for inputs, outputs in zip(job["sizes"], job["sizes"][1:]):
        layers += [nn.Linear(inputs, outputs, dtype=job["x"].dtype), nn.ReLU()]
    model = nn.Sequential(*layers[:-1]).to(device)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in job["frozen"])
    train(model, job["x"].to(device), job["y"].to(device), job["config"])
    torch.save({name: value.cpu() for name, value in model.state_dict().items()}, f"{path}.{rank}")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1])
