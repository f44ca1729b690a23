"""What programs share that run in the lab: lab_watched as a worker at a rate, and who looks on meanwhile."""
import json
import re
import subprocess
import sys
import time
import urllib.request

ADDRESSES = ("10.77.0.2/24", "10.77.0.1")
CHANNELS = ("--channel", f"answers,kind=out,size={1 << 22}", "--channel", "begin,kind=in,size=4096")


class Watched:
    def __init__(self, aether, program, port):
        self.aether, self.program = aether, program
        self.options = ["--bind", "--port", port, "--cpu", "1", "--user", "nobody", "--json"]

    def loss_free_rate(self):
        """Datagrams a second, there and back, that this worker keeps up with here and now, with nobody looking on."""
        done = subprocess.run([self.aether, "run", "--no-proof", *self.options, self.program, "rate", *ADDRESSES],
                              stdout=subprocess.PIPE, check=True)
        return json.loads(done.stdout)["run"]["rate"]

    def load(self, verb, *words):
        """Quiet, and waiting for whom its load begins with; and what ps tells of its run."""
        supervisor = subprocess.Popen([self.aether, *verb, *self.options, *CHANNELS, self.program, "load", *ADDRESSES,
                                       *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(300):
            done = subprocess.run([self.aether, "ps", "--json"], stdout=subprocess.PIPE, check=True)
            for one in json.loads(done.stdout)["runs"]:
                if one["pid"] == supervisor.pid and one["workers"][0]["state"] == "quiet":
                    return supervisor, one
            time.sleep(0.1)
        sys.exit("it does not become quiet")

    def begin(self, run):
        """The process at the other end of its channels."""
        return subprocess.Popen([self.program, "read", run["run"]], stdout=subprocess.PIPE)

    def serve(self):
        """The first TCP connection since it booted has a kernel patch itself, which interrupts every CPU: now."""
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        server = subprocess.Popen([self.aether, "metrics"], stderr=subprocess.PIPE)
        server.stderr.readline()
        self.received_frames(0)
        return server

    def received_frames(self, pid):
        """As top sees it, and as metrics; nothing once it has ended."""
        top = subprocess.run([self.aether, "top", "--json", "--interval=0.5"], stdout=subprocess.PIPE, check=True)
        with urllib.request.urlopen("http://127.0.0.1:9797/metrics", timeout=60) as response:
            scraped = response.read()
        seen = [run["ports"][0]["queues"][0]["received_frames"] for run in json.loads(top.stdout)["runs"]
                if run["pid"] == pid]
        return seen + [int(one) for one in re.findall(rb"aether_queue_received_frames_total{.*} (\d+)", scraped)]


class Watchers:
    """Whoever looks on: top and metrics, again and again, logs and a capture. All are there when this is made."""

    def __init__(self, watched, pid):
        self.watched, self.pid = watched, pid
        self.logs = subprocess.Popen([watched.aether, "logs", str(pid)], stdout=subprocess.PIPE)
        self.capture = subprocess.Popen(
            [watched.aether, "capture", str(pid), "-w", "/tmp/seen.pcapng", "--json", "udp", "port", "7"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.capture.stderr.readline()
        watched.received_frames(pid)

    def look(self):
        """Until it has ended: what top and metrics saw, what was captured, and lines of its log."""
        received, more = [], True
        while more:
            more = self.watched.received_frames(self.pid)
            received += more
        captured = json.loads(self.capture.communicate()[0] or "{}")
        return received, captured, self.logs.communicate()[0].count(b"answer ")
