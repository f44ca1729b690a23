# SPDX-License-Identifier: Apache-2.0
"""The back end that all contenders face: one process that polls one vhost-user socket on one CPU."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import time

from machine import Failure

PATIENCE = 20  # seconds for it to start


def ticks_used(task):
    """Of a CPU, by one thread, in 1/100 s."""
    return int((task / "stat").read_text().rpartition(")")[2].split()[11])


class BackEnd:
    """One back end in one forwarding mode. It ends when its input does, so also if we are killed."""

    def __init__(self, directory, command):
        self.path = directory / "back-end.sock"
        self.log = directory / "back-end.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([*map(str, command)], stdin=subprocess.PIPE, stdout=log,
                                            stderr=subprocess.STDOUT)
        try:
            self.worker = self._wait()
        except BaseException:
            self.close()
            raise

    def _wait(self):
        """Until it forwards; returns the id of the thread that does."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            worker = self.find_worker()
            if worker:
                return worker
            time.sleep(0.05)
        raise Failure("the back end did not start:\n" +
                      self.log.read_text(errors="replace")[-1500:])

    def calm(self):
        """Takes back the priority that a contender gave it for a measurement."""
        with contextlib.suppress(OSError):
            os.sched_setscheduler(self.worker, os.SCHED_OTHER, os.sched_param(0))

    def close(self):
        with contextlib.suppress(OSError):
            self.process.stdin.write(b"quit\n")
            self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Testpmd(BackEnd):
    """DPDK's, on net_vhost."""
    described = "testpmd (net_vhost)"

    def __init__(self, directory, cpu, mode, frame, build):
        del build
        program = shutil.which("dpdk-testpmd")
        if not program:
            raise Failure("dpdk-testpmd is not installed: apt-get install dpdk-dev libdpdk-dev; or "
                          "--back-end=aether")
        super().__init__(directory, [
            program, "--in-memory", "--single-file-segments", "--no-pci", "--no-telemetry",
            "-m", "128", "--lcores", f"0@{cpu},1@{cpu}",
            "--vdev", f"net_vhost0,iface={directory}/back-end.sock,queues=1",
            "--", "-i", "--auto-start", f"--forward-mode={mode}", "--disable-link-check",
            "--port-topology=loop", "--no-lsc-interrupt", "--total-num-mbufs=16384",
            "--burst=32", f"--txpkts={frame}"])

    def find_worker(self):
        """By its name, once it keeps its CPU busy."""
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                if ((task / "comm").read_text().startswith(("rte-worker", "lcore-worker"))
                        and ticks_used(task) >= 5):
                    return int(task.name)
        return None


class Aether(BackEnd):
    """Our own, vhost-user-server:."""
    described = "Aether's (vhost-user-server)"

    def __init__(self, directory, cpu, mode, frame, build):
        super().__init__(directory, [build / "bench" / "back_end", mode, directory / "back-end.sock",
                                     cpu, frame])

    def find_worker(self):
        """It says it in its first line."""
        text = self.log.read_text()
        return int(text.split()[0]) if text.endswith("\n") and text.split()[0].isdigit() else None


BACK_ENDS = {"testpmd": Testpmd, "aether": Aether}
