"""Hosts on this machine: each with its own network address, processes, home, name and sshd.

They are namespaces of the kernel, joined by a bridge, so what is cut or killed is truly so. They
share the disk, the cores and the clock. It takes root, iproute2, util-linux and openssh-server.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BRIDGE = "lbray0"
LAPTOP = "10.77.0.1"
_PREFIX = "10.77.0."

_BEGIN = """
set -e
mount --make-rprivate /
mkdir -p /tmp/ray
{keep_python}
mount --rbind {home} /root
mount -t tmpfs tmpfs /tmp/ray
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mkdir /run/sshd
mount --bind {home}/hosts /etc/hosts
hostname {name}
exec /usr/sbin/sshd -D -e -f /dev/null -o ListenAddress={address} -o HostKey={home}/hostkey \
    -o AuthorizedKeysFile={home}/.ssh/authorized_keys -o StrictModes=no -o PidFile=none \
    -o PermitRootLogin=yes -o PasswordAuthentication=no -o UsePAM=no
"""


def lacking() -> str:
    """What this machine lacks for hosts; nothing if they can be had."""
    tools = ("ip", "unshare", "ssh", "ssh-keygen", "rsync", "/usr/sbin/sshd")
    absent = [tool for tool in tools if shutil.which(tool) is None]
    if absent:
        return f"{', '.join(absent)} (apt install iproute2 util-linux openssh-server rsync)"
    return "" if os.getuid() == 0 else "root"


@dataclass(frozen=True)
class Host:
    """One of them.

    Attributes:
        name: its name, and that of its network namespace.
        address: of it.
        home: the folder that its user sees as its home.
        process: the first of its processes; the others go with it.
    """

    name: str
    address: str
    home: Path
    process: subprocess.Popen[bytes]

    def cut(self) -> None:
        """Take it off the network."""
        _ip("link", "set", f"v-{self.name}", "down")

    def restore(self) -> None:
        """Put it back."""
        _ip("link", "set", f"v-{self.name}", "up")


@contextlib.contextmanager
def hosts(names: list[str], folder: Path, key: Path) -> Iterator[list[Host]]:
    """Hosts that let the owner of a key in.

    Args:
        names: of them.
        folder: where their homes are made.
        key: the private key; it is made, with its public one beside it.
    """
    _keygen(key)
    made: list[Host] = []
    _remove(names)
    _ip("link", "add", BRIDGE, "type", "bridge")
    _ip("addr", "add", f"{LAPTOP}/24", "dev", BRIDGE)
    _ip("link", "set", BRIDGE, "up")
    addresses = {name: f"{_PREFIX}{number}" for number, name in enumerate(names, start=11)}
    table = "".join(f"{address} {name}\n" for name, address in addresses.items())
    try:
        for name, address in addresses.items():
            home = folder / name
            (home / ".ssh").mkdir(parents=True)
            shutil.copy(f"{key}.pub", home / ".ssh" / "authorized_keys")
            _keygen(home / "hostkey")
            (home / "hosts").write_text(f"127.0.0.1 localhost\n{table}")
            made.append(_begin(name, address, home))
        for host in made:
            _await_ssh(host)
        yield made
    finally:
        for host in made:
            host.process.send_signal(signal.SIGKILL)
            host.process.wait()
        _remove(names)


def _begin(name: str, address: str, home: Path) -> Host:
    _ip("netns", "add", name)
    _ip("link", "add", f"v-{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
    _ip("link", "set", f"v-{name}", "master", BRIDGE, "up")
    for words in (
        ("addr", "add", f"{address}/24", "dev", "eth0"),
        ("link", "set", "eth0", "up"),
        ("link", "set", "lo", "up"),
    ):
        _ip("-n", name, *words)
    script = _BEGIN.format(name=name, address=address, home=home, keep_python=_keep_python(home))
    # the first process is the namespace's init: when it goes, all of the host's go
    words = ["unshare", "--mount", "--uts", "--ipc", "--pid", "--mount-proc", "--kill-child"]
    process = subprocess.Popen(
        ["ip", "netns", "exec", name, *words, "bash", "-c", script],
        env={"PATH": os.environ["PATH"], "HOME": "/root", "LANG": "C.UTF-8"},
        stdout=(home / "sshd.log").open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    return Host(name, address, home, process)


def _keep_python(home: Path) -> str:
    """Commands by which this Python stays where it is, if that is in the home that is replaced."""
    inside = [path for path in {sys.base_prefix, sys.prefix} if Path(path).is_relative_to("/root")]
    return "\n".join(
        f"mkdir -p {home / Path(path).relative_to('/root')}\n"
        f"mount --bind {path} {home / Path(path).relative_to('/root')}"
        for path in inside
    )


def lend_environment() -> list[str]:
    """Commands that make ``~/venv`` from this process's environment, instead of an installation."""
    site = next(path for path in sys.path if path.endswith("site-packages"))
    ours = [path for path in sys.path if "site-packages" in path]
    lines = "\\n".join(["/root/lbray", *dict.fromkeys([site, *ours])])
    packages = "$(echo ~/venv/lib/python3*/site-packages)"
    scripts = {"ray": "ray.scripts.scripts", "lbray": "lbray.cli"}
    return [
        f"test -x ~/venv/bin/python || {sys.executable} -m venv --without-pip ~/venv",
        f"printf '{lines}\\n' > {packages}/lent.pth",
        *(
            f"printf '#!/root/venv/bin/python\\nimport sys\\nfrom {module} import main\\n"
            f"sys.exit(main())\\n' > ~/venv/bin/{name} && chmod +x ~/venv/bin/{name}"
            for name, module in scripts.items()
        ),
    ]


def _keygen(path: Path) -> None:
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    subprocess.run(words, check=True)


def _await_ssh(host: Host) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection((host.address, 22), timeout=2).close()
            return
        except OSError:
            said = (host.home / "sshd.log").read_text()
            assert host.process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.2)


def _ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, capture_output=not check)


def _remove(names: list[str]) -> None:
    for name in names:
        _ip("netns", "del", name, check=False)
        _ip("link", "del", f"v-{name}", check=False)
    _ip("link", "del", BRIDGE, check=False)
