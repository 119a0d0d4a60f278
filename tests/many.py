"""Trains recipes by several processes that are forked from one interpreter: `python many.py <jobs.json>`.

A job is {"processes": 3, "values": {...}}; what each process said goes to the job's "said" (a file), its run's folder is printed as JSON.
"""
import json
import os
import random
import socket
import sys

import torch
import torch._dynamo  # noqa: F401  an optimizer imports it, which takes seconds: once here, not in every process
import torch.distributed.fsdp  # noqa: F401  the same

from topofr_nb.training.loop import train
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


def child(job, rank, port):
    "Train as one of the processes; what it says and how it ends goes to a file"
    if job["processes"] > 1:
        os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(job["processes"]), MASTER_ADDR="127.0.0.1",
                          MASTER_PORT=str(port))
    said = open(f"{job['said']}.{rank}", "w")
    os.dup2(said.fileno(), 2)
    values = job["values"] | job.get("of", {}).get(str(rank), {})
    status = 0
    try:
        run = train(make_recipe(**values), progress=False, checkpoint_seconds=job.get("checkpoint_seconds"))
        print(json.dumps(str(run.folder)), file=said)
    except SystemExit as end: status = end.code
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=said)
        status = 1
    said.flush()
    os._exit(status)


def run(job):
    "Exit statuses by rank"
    port = free_port()
    children = []
    for rank in range(job["processes"]):
        number = os.fork()
        if number == 0: child(job, rank, port)
        children.append(number)
    return [os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) for number in children]


if __name__ == "__main__":
    torch.set_num_threads(1)
    package_code()
    jobs = json.loads(open(sys.argv[1]).read())
    print(json.dumps([run(job) for job in jobs]))
