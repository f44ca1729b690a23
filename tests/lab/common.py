"""What the programs share that run in the lab. They end by `common.failures`."""
failures = 0


def check(condition, what):
    global failures
    if not condition:
        failures += 1
    print(("ok      " if condition else "FAILED  ") + what, flush=True)


def read(path):
    with open(path) as file:
        return file.read().strip()


def cpus(text):
    numbers = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        numbers |= set(range(int(first), int(last or first) + 1))
    return numbers


def worker_of(supervisor):
    """The pid of a supervisor's first child that is no servant of its own, which are called aether-SOMETHING; None."""
    try:
        children = read(f"/proc/{supervisor.pid}/task/{supervisor.pid}/children").split()
        return next(int(pid) for pid in children if not read(f"/proc/{pid}/comm").startswith("aether-"))
    except (OSError, StopIteration):
        return None
