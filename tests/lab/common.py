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
