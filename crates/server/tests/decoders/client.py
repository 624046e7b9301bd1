"""Subscribes with an offer of compression, and writes what it receives to standard output, decompressed by the modules
of Python's standard library.

client.py HOST PORT PATH          by SSE, with gzip: the text of the stream
client.py HOST PORT PATH OFFER    by WebSocket, with this Sec-WebSocket-Extensions: a line for each message

Fails if the bytes are not valid, or if they are not shorter than what they contain.
"""

import gzip
import socket
import sys
import zlib

SYNC_FLUSH_END = b"\x00\x00\xff\xff"


def write(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def connect(host, port, path, lines):
    server = socket.create_connection((host, int(port)))
    head = [f"GET {path} HTTP/1.1", f"Host: {host}:{port}", *lines, "", ""]
    server.sendall("\r\n".join(head).encode())
    stream = server.makefile("rb")
    status = stream.readline()
    headers = {}
    for line in iter(stream.readline, b"\r\n"):
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    return server, stream, status, headers


def read_events(host, port, path):
    lines = ["Accept: text/event-stream", "Accept-Encoding: gzip"]
    _, stream, status, headers = connect(host, port, path, lines)
    assert status.startswith(b"HTTP/1.1 200 "), status
    assert headers["content-encoding"] == "gzip", headers
    inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)
    body = text = b""
    while received := stream.read1(65536):
        body += received
        decoded = inflate.decompress(received)
        text += decoded
        write(decoded)
    assert inflate.eof and not inflate.unused_data, "the body does not end with one gzip member"
    assert gzip.decompress(body) == text, "both modules decode the same"
    return len(body), len(text)


def read_messages(host, port, path, offer):
    lines = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol: tidings.v1",
        f"Sec-WebSocket-Extensions: {offer}",
    ]
    server, stream, status, headers = connect(host, port, path, lines)
    assert status.startswith(b"HTTP/1.1 101 "), status
    name, *parameters = (part.strip() for part in headers["sec-websocket-extensions"].split(";"))
    assert name == "permessage-deflate", name
    parameters = dict(parameter.partition("=")[::2] for parameter in parameters)
    # The history may not be longer than the server has announced.
    inflate = zlib.decompressobj(-int(parameters.get("server_max_window_bits", "15")))
    received = decoded = 0
    while True:
        first, length = stream.read(2)
        if length == 126:
            length = int.from_bytes(stream.read(2), "big")
        elif length == 127:
            length = int.from_bytes(stream.read(8), "big")
        payload = stream.read(length)
        kind = first & 0x0F
        if kind == 8:
            # The server waits for the close frame of its client.
            server.sendall(b"\x88\x82\x00\x00\x00\x00" + payload[:2])
            return received, decoded
        if kind in (9, 10):
            continue
        received += len(payload)
        if first & 0x40:
            payload = inflate.decompress(payload + SYNC_FLUSH_END)
        decoded += len(payload)
        write(payload + b"\n")


received, decoded = (read_events if len(sys.argv) == 4 else read_messages)(*sys.argv[1:])
assert received < decoded, f"{received} bytes for {decoded}"
