"""Two hosts on one machine: network namespaces with a cable between them."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

HOSTS = ("10.213.7.1", "10.213.7.2")


@contextmanager
def two_hosts() -> Iterator[tuple[list[str], list[str]]]:
    """What to put before a command to run it on the one or the other. Skips where namespaces are not allowed."""
    names = [f"lab3-{os.getpid()}-{end}" for end in "ab"]
    made: list[str] = []
    try:
        for name in names:
            ip("netns", "add", name)
            made.append(name)
        ip("-n", names[0], "link", "add", "cable0", "type", "veth", "peer", "name", "cable1", "netns", names[1])
        for end, (name, address) in enumerate(zip(names, HOSTS, strict=True)):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", f"cable{end}")
            ip("-n", name, "link", "set", f"cable{end}", "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield ["ip", "netns", "exec", names[0]], ["ip", "netns", "exec", names[1]]
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def ip(*words: str) -> None:
    try:
        done = subprocess.run(["ip", *words], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no command ip here, so no network namespaces can be made")
    if done.returncode:
        pytest.skip(f"no network namespaces can be made here: {done.stderr.strip()}")
