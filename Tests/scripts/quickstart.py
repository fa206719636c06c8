#!/usr/bin/env python3
"""`deploy/run` on a fresh data directory: the two curl lines that it prints push a sample and show the alert.

    quickstart.py [--clone DIRECTORY]

--clone: in a new clone of this repository's HEAD, which stays there with its build: nothing but what is committed, and what deploy/run installs,
is at hand. Without it, in this tree.
Then it is started again on the same directory, and once more after a set-up that was cut off half way; and on another one with TLS from the
first start, with a certificate for another name.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading

import tocsin


class Run:
    """One `deploy/run`. Its output is read until the line that says that the server runs."""

    def __init__(self, tree, directory, port, **settings):
        self.data = os.path.join(directory, "data")
        environment = tocsin.clean_environment()
        environment |= {"TOCSIN_DATA_DIR": self.data, "TOCSIN_LISTEN": f"127.0.0.1:{port}", **settings}
        self.log = open(os.path.join(directory, "run.log"), "ab")
        self.process = subprocess.Popen(
            [str(tree / "deploy/run")], cwd=directory, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=self.log, text=True, start_new_session=True,
        )
        self.lines, self.ready = [], threading.Event()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if line.startswith("Tocsin is running"):
                self.ready.set()
        self.ready.set()

    def __enter__(self):
        return self

    def wait_ready(self, seconds=600):
        if not self.ready.wait(seconds) or not any(line.startswith("Tocsin is running") for line in self.lines):
            raise RuntimeError("deploy/run did not come up:\n" + "\n".join(self.lines[-20:] + self.errors()))

    def errors(self):
        with open(self.log.name, encoding="utf-8", errors="replace") as file:
            return [line.rstrip() for line in file.readlines()[-20:]]

    def stop(self):
        """TERM to deploy/run alone: it has to pass it on."""
        self.process.terminate()
        return self.process.wait(45)

    def __exit__(self, *_):
        if self.process.poll() is None:
            if self.ready.is_set():
                self.process.terminate()
            else:  # it may be building, in processes that nothing is passed on to
                os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(45)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                # The server is in a session of its own; the line that says that it runs names it.
                match = re.search(r"process (\d+)", "\n".join(self.lines))
                if match:
                    os.kill(int(match.group(1)), signal.SIGKILL)
        self.log.close()


def commands(run):
    return [line.strip() for line in run.lines if re.search(r"\bcurl -", line)]


def shell(line, directory):
    done = subprocess.run(["bash", "-c", line], cwd=directory, capture_output=True, text=True, timeout=30, check=False)
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise RuntimeError(f"{line}\nended with {done.returncode}: {done.stdout}{done.stderr}") from None


def is_up(port):
    return tocsin.status_of(port, "/healthz") == 200


def check_first_run(checks, run, tree, directory):
    text = "\n".join(run.lines)
    for expected in ("operator.key", "admin.key", "/p/tpu_", "Post", "Content-Type: application/json", "$alertmanager_content"):
        checks.check(expected in text, f"deploy/run prints {expected}")
    secrets = [line for line in run.lines if re.search(r"\bt[ao]k_", line)]
    checks.equal(secrets, [], "deploy/run prints no API key")
    for name in ("operator.key", "admin.key"):
        mode = os.stat(os.path.join(run.data, name)).st_mode & 0o777
        checks.equal(oct(mode), "0o600", f"{name} is readable by its owner alone")
    lines = commands(run)
    checks.equal(len(lines), 2, "deploy/run prints two curl lines")
    push, show = lines
    answer = shell(push, directory)
    checks.equal(answer.get("data", {}).get("event_count"), 1, "the first curl line pushes a sample")
    alerts = shell(show, directory)["items"]
    found = [(alert["title"], alert["severity"], alert["status"]) for alert in alerts]
    with open(tree / "deploy/sample-arms.json", encoding="utf-8") as file:
        title = json.load(file)["alerts"][0]["labels"]["alertname"]
    checks.equal(found, [(title, "Critical", "Critical")], "the second curl line shows the alert")
    return push, show


def check_tls(checks, tree):
    directory, port = tempfile.mkdtemp(prefix="tocsin-test-"), tocsin.free_port()
    certificate, key = os.path.join(directory, "tls.crt"), os.path.join(directory, "tls.key")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=alerts.example.test", "-days", "2"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    try:
        with Run(tree, directory, port, TOCSIN_TLS_CERTIFICATE=certificate, TOCSIN_TLS_KEY=key) as run:
            run.wait_ready()
            push, show = check_first_run(checks, run, tree, directory)
            checks.check("https://" in push and "https://" in show, "with TLS both lines are https")
            checks.equal(run.stop(), 0, "and it ends in good order")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def cloned(directory):
    """A clone of what is committed here."""
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(tocsin.ROOT), directory], check=True)
    return pathlib.Path(directory).resolve()


def main(options, checks):
    tree = cloned(options.clone) if options.clone else tocsin.ROOT
    directory, port = tempfile.mkdtemp(prefix="tocsin-test-"), tocsin.free_port()
    try:
        with Run(tree, directory, port) as run:
            run.wait_ready(2100)
            push, show = check_first_run(checks, run, tree, directory)
            checks.equal(run.stop(), 0, "TERM to deploy/run ends the server in good order")
            checks.check(not is_up(port), "and it is gone")
        with Run(tree, directory, port) as run:
            run.wait_ready()
            checks.equal([line for line in commands(run) if "/p/tpu_" in line], [], "a second run sets nothing up")
            checks.check("admin.key" in "\n".join(run.lines), "a second run says where the keys are")
            checks.equal(len(shell(show, directory)["items"]), 1, "the alert is still there")
            run.stop()
        # As after a cut between the making of the admin key and the writing of its file.
        os.remove(os.path.join(directory, "data/admin.key"))
        open(os.path.join(directory, "data.setup"), "w", encoding="ascii").close()
        with Run(tree, directory, port) as run:
            run.wait_ready()
            checks.equal(commands(run), [push, show], "a set-up that was cut off is finished: the same URL and account")
            checks.equal(len(shell(show, directory)["items"]), 1, "with a new admin key")
            checks.check(not os.path.exists(os.path.join(directory, "data.setup")), "and is not done again")
            run.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    check_tls(checks, tree)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clone", metavar="DIRECTORY")
    parsed = parser.parse_args()
    tocsin.run(lambda checks: main(parsed, checks), seconds=2400)
