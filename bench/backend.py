# SPDX-License-Identifier: Apache-2.0
"""The back end that all contenders face: DPDK's testpmd on net_vhost."""

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
    """One testpmd in one forwarding mode. It ends when its input does, so also if we are killed."""

    def __init__(self, directory, cpu, mode, frame):
        self.path = directory / "back-end.sock"
        self.log = directory / "back-end.log"
        self.mode, self.frame = mode, frame
        program = shutil.which("dpdk-testpmd")
        if not program:
            raise Failure("dpdk-testpmd is not installed: apt-get install dpdk libdpdk-dev")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [program, "--in-memory", "--single-file-segments", "--no-pci", "--no-telemetry",
                 "-m", "128", "--lcores", f"0@{cpu},1@{cpu}",
                 "--vdev", f"net_vhost0,iface={self.path},queues=1",
                 "--", "-i", "--auto-start", f"--forward-mode={mode}", "--disable-link-check",
                 "--port-topology=loop", "--no-lsc-interrupt", "--total-num-mbufs=16384",
                 "--burst=32", f"--txpkts={frame}"],
                stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT)
        try:
            self.worker = self._wait()
        except BaseException:
            self.close()
            raise

    def _wait(self):
        """Until it forwards, and so keeps its CPU busy; returns the id of the thread that does."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
                with contextlib.suppress(OSError):
                    if ((task / "comm").read_text().startswith(("rte-worker", "lcore-worker"))
                            and ticks_used(task) >= 5):
                        return int(task.name)
            time.sleep(0.05)
        raise Failure("testpmd did not start:\n" + self.log.read_text(errors="replace")[-1500:])

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

