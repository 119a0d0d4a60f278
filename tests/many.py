"""Trains recipes by several processes that are forked from one interpreter: a line of its input is a list of lists of jobs, as JSON.

A job is {"processes": 3, "values": {...}}; jobs of a list have the same processes, which train one after the other. What each process
said goes to the job's "said" (a file); a line of output has the exit statuses by list and rank.
"""
import json
import os
import random
import socket
import sys

import narrow  # noqa: F401  two backbones
import torch
import torch._dynamo  # noqa: F401  an optimizer imports it, which takes seconds: once here, not in every process
import torch.distributed.fsdp  # noqa: F401  the same

from topofr_nb.training.loop import train
from topofr_nb.training.processes import joined
from topofr_nb.training.recipe import make_recipe
from topofr_nb.training.runs import package_code


def free_port():
    "A port below those that the system gives to outgoing connections, which could take it before process 0 listens"
    while True:
        with socket.socket() as place:
            number = random.randrange(15_000, 30_000)
            try: place.bind(("127.0.0.1", number))
            except OSError: continue
            return number


def train_one(job, rank):
    "Exit status of a run that is trained as one of the processes; what it says goes to a file"
    said = open(f"{job['said']}.{rank}", "w")
    os.dup2(said.fileno(), 2)
    values = job["values"] | job.get("of", {}).get(str(rank), {})
    torch.__version__ = job.get("torch", {}).get(str(rank), torch.__version__)
    status = 0
    try:
        run = train(make_recipe(**values), progress=False, checkpoint_seconds=job.get("checkpoint_seconds"))
        print(json.dumps(str(run.folder)), file=said)
    except SystemExit as end: status = end.code
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=said)
        status = 1
    said.close()
    return status


def child(jobs, rank, port):
    "Train one run after the other as one of the processes, which meet once"
    torch.set_num_threads(1)  # a fork has no pool of threads yet; of two threads that would make it at once, one finds none
    status = 1
    if jobs[0]["processes"] > 1:
        os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(jobs[0]["processes"]), MASTER_ADDR="127.0.0.1",
                          MASTER_PORT=str(port))
    try:
        with joined(torch.device("cpu")): status = max([train_one(job, rank) for job in jobs])
    finally: os._exit(status)


def run(jobs):
    "Exit statuses by rank"
    port = free_port()
    children = []
    for rank in range(jobs[0]["processes"]):
        number = os.fork()
        if number == 0: child(jobs, rank, port)
        children.append(number)
    return [os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) for number in children]


if __name__ == "__main__":
    torch.set_num_threads(1)
    package_code()
    for line in sys.stdin: print(json.dumps([run(jobs) for jobs in json.loads(line)]), flush=True)
