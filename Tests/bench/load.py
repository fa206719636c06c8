"""The load generator load.c: compiled once in a run, and what a run of it found."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parent / "load.c"
# What takes its place in a request, and how many bytes that has (load.c).
ID, ID_BYTES = "@ID@", 10


class Generator:
    """The compiled generator. `directory` gets it and the requests."""

    def __init__(self, directory):
        compiler = next((found for found in map(shutil.which, ("cc", "gcc", "clang")) if found), None)
        if not compiler:
            sys.exit("no C compiler: cc, gcc or clang has to be on PATH")
        self.directory = directory
        self.binary = os.path.join(directory, "load")
        subprocess.run([compiler, "-O2", "-std=gnu11", "-Wall", "-Wextra", "-o", self.binary, str(SOURCE)], check=True)

    def run(self, port, request, values=None, limit=300, **arguments):
        """The result as load.c prints it, with `rate` (answers a second) and `bad` (errors of any kind) added.

        `request`: the bytes of one; `values`: what stands for the id, all of one length; arguments: `connections`, `rate`, `seconds`,
        `count`, `first`, `timeout`. `limit`: seconds after which it is given up.
        """
        command = [self.binary, "--port", str(port), "--request", self.write("request", request)]
        if values is not None:
            command += ["--values", self.write("values", "".join(f"{value}\n" for value in values).encode())]
        for name, value in arguments.items():
            command += [f"--{name}", str(value)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"the load generator ended with {done.returncode}: {done.stderr}")
        result = json.loads(done.stdout)
        result["rate"] = result["requests"] / result["seconds"] if result["seconds"] else 0
        result["bad"] = result["not_2xx"] + result["broken"] + result["unanswered"]
        return result

    def write(self, name, data):
        path = os.path.join(self.directory, name)
        with open(path, "wb") as file:
            file.write(data)
        return path


def post(path, body, id_bytes=ID_BYTES):
    """A POST of JSON. In path and body "@ID@" stands for an id of `id_bytes` bytes."""
    length = len(body) + body.count(ID.encode()) * (id_bytes - len(ID))
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    return head.encode() + body


def get(path, key=None):
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{authorization}\r\n".encode()
