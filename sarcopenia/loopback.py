"""Ports of this machine: the host on which every server of the product listens, and who has a port."""

import socket
from typing import Final

LOOPBACK: Final = "127.0.0.1"
"""Where every server of the product listens unless a person says otherwise."""
CONNECT_S: Final = 0.5


def can_bind(port: int) -> bool:
    """Whether a server of ours could take the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Whether somebody accepts connections on the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(CONNECT_S)
        return probe.connect_ex((LOOPBACK, port)) == 0
