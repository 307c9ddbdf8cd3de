"""Reaching anything by a socket."""

TEXTS = {
    "tcp": """
import socket
socket.create_connection(("127.0.0.1", TCP4), 1).send(b"x")
""",
    "tcp over IPv6": """
import socket
socket.create_connection(("::1", TCP6), 1).send(b"x")
""",
    "udp": """
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", UDP))
""",
    "a UNIX socket": """
import socket
socket.socket(socket.AF_UNIX).connect(UNIX)
""",
    "an abstract UNIX socket": """
import socket
socket.socket(socket.AF_UNIX).connect("\\0" + ABSTRACT)
""",
    "a UNIX datagram": """
import socket
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"x", UNIX)
""",
    "a raw socket": """
import socket
socket.socket(socket.AF_INET, socket.SOCK_RAW, 255)
raise SystemExit(open(SECRET).read())
""",
    "a packet socket": """
import socket
socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raise SystemExit(open(SECRET).read())
""",
    "netlink": """
import socket
stolen = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).recv
raise SystemExit(open(SECRET).read())
""",
    "the host of a virtual machine": """
import socket
socket.socket(socket.AF_VSOCK).connect((2, 1))
""",
    "a pair of sockets that pass descriptors": """
import socket
a, b = socket.socketpair()
socket.send_fds(a, [b"x"], [1])
raise SystemExit(open(SECRET).read())
""",
    "http": """
import urllib.request
urllib.request.urlopen(f"http://127.0.0.1:{TCP4}/", timeout=1)
""",
    "http by np.DataSource": """
np.lib.npyio.DataSource(None).open(f"http://127.0.0.1:{TCP4}/x")
""",
    "asyncio streams": """
import asyncio
async def run():
    reader, writer = await asyncio.open_connection("127.0.0.1", TCP4)
asyncio.run(run())
""",
    "a multiprocessing client": """
from multiprocessing.connection import Client
Client(UNIX)
""",
    "a name": """
import socket
stolen = socket.getaddrinfo("example.org", 80)
""",
    "a log server": """
import logging.handlers
handler = logging.handlers.DatagramHandler("127.0.0.1", UDP)
handler.send(b"x")
""",
    "listen": """
import socket
server = socket.create_server(("127.0.0.1", 0))
raise SystemExit(open(SECRET).read())
""",
}
