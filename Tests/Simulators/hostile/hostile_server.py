#!/usr/bin/env python3
"""A hypervisor's server that turns on its client: passes requests on to a proper one until told what to do instead.

    hostile_server.py --upstream URL [--cert PEM --key PEM]

Prints its port. Ends when standard input closes. What tests ask of it, on paths that no hypervisor has:

    POST /hostile/KIND     from now on answers are of that kind; the body is the kind's parameter
    POST /hostile/proper   answers are the upstream's again
    GET  /hostile/sent     the most bytes that one hostile answer came to before the client gave up

It writes to its sockets by hand, because what it writes is often no HTTP.
"""
import argparse
import gzip
import http.client
import json
import random
import re
import socket
import socketserver
import ssl
import sys
import threading
import time
import urllib.parse

# Where an endless answer ends after all, so that a client without limits fails a test instead of the machine.
ENDLESS_MAX = 400 << 20


class Mood:
    def __init__(self):
        self.lock = threading.Lock()
        self.kind = None
        self.parameter = b""
        self.sent = 0
        self.turn = 0


class Hostile:
    """One hostile answer on a connection."""

    def __init__(self, connection, mood, request, answer):
        self.connection = connection
        self.mood = mood
        self.turn = mood.turn
        self.request = request
        self.status, self.kind, self.body = answer
        self.parameter = mood.parameter
        self.sent = 0

    def send(self, data):
        self.connection.sendall(data)
        self.sent += len(data)
        with self.mood.lock:
            if self.turn == self.mood.turn:  # what an answer of the kind before still sends is not of this one
                self.mood.sent = max(self.mood.sent, self.sent)

    def head(self, *fields, status="200 OK"):
        lines = ["HTTP/1.1 " + status, "Content-Type: " + self.kind] + list(fields)
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode())

    def whole(self, body, *fields, status="200 OK"):
        self.head("Content-Length: %d" % len(body), *fields, status=status)
        self.send(body)

    def endlessly(self, piece, pause=0.0):
        while self.sent < ENDLESS_MAX:
            self.send(piece)
            if pause:
                time.sleep(pause)

    # The kinds. Each returns whether the connection can be used further.

    def close(self):
        return False

    def silent(self):
        while self.connection.recv(65536):
            pass
        return False

    def garbage(self):
        self.send(random.Random(1).randbytes(4096))
        return False

    def truncated(self):
        self.head("Content-Length: %d" % max(2, len(self.body)))
        self.send(self.body[:len(self.body) // 2])
        return False

    def cut_chunk(self):
        self.head("Transfer-Encoding: chunked")
        self.send(b"ffff\r\n" + self.body[:len(self.body) // 2])
        return False

    def bad_chunk(self):
        self.head("Transfer-Encoding: chunked")
        self.send(b"zz\r\n" + self.body)
        return False

    def two_lengths(self):
        self.head("Content-Length: 5", "Content-Length: 6")
        self.send(self.body)
        return False

    def absurd_length(self):
        self.head("Content-Length: 99999999999999999999999999")
        self.send(self.body)
        return False

    def endless(self):
        """The parameter again and again, in chunks, after what stands before its first line break."""
        start, _, piece = self.parameter.partition(b"\n")
        self.head("Transfer-Encoding: chunked")
        many = piece * max(1, 65536 // max(1, len(piece)))
        if start:  # a chunk of nothing would be the end
            self.send(b"%x\r\n%s\r\n" % (len(start), start))
        self.endlessly(b"%x\r\n%s\r\n" % (len(many), many))
        return False

    def endless_head(self):
        self.send(b"HTTP/1.1 200 OK\r\n")
        self.endlessly(b"X-Filler: " + b"x" * 1000 + b"\r\n")
        return False

    def endless_continue(self):
        self.endlessly(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)
        return False

    def slow(self):
        self.head("Content-Length: 1000000000")
        self.endlessly(b" ", pause=0.02)
        return False

    def slow_head(self):
        self.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        self.endlessly(b"x", pause=0.02)
        return False

    def gzip_bomb(self):
        self.whole(gzip.compress(gzip.compress(b" " * (200 << 20))), "Content-Encoding: gzip")
        return True

    def redirect(self):
        self.whole(b"", "Location: http://127.0.0.1:1/", status="302 Found")
        return True

    def teapot(self):
        self.whole(self.parameter or b"no", status="418 I'm a teapot")
        return True

    def text(self):
        """The parameter as a proper answer's body; $ID becomes the number of the call."""
        number = re.search(rb'"id"\s*:\s*(\d+)', self.request)
        self.whole(self.parameter.replace(b"$ID", number.group(1) if number else b"0"))
        return True

    def values(self):
        """The proper answer with every value replaced by the parameter, its shape kept."""
        if self.body[:1] in b"{[":
            tree = json.loads(self.body)
            value = json.loads(self.parameter)
            tree["result"] = replaced(tree.get("result"), value)
            self.whole(json.dumps(tree).encode())
        else:
            parameter = self.parameter
            self.whole(re.sub(rb">[^<>]+(?=<)", lambda found: b">" + parameter, self.body))
        return True

    def shapes(self):
        """The proper answer with its shapes exchanged: lists for maps, maps for texts, texts for lists."""
        if self.body[:1] in b"{[":
            tree = json.loads(self.body)
            tree["result"] = reshaped(tree.get("result"))
            self.whole(json.dumps(tree).encode())
        else:
            pairs = [(b"struct>", b"0>"), (b"array>", b"struct>"), (b"0>", b"array>"), (b"member>", b"data>"),
                     (b"objects>", b"obj>"), (b"objectSet>", b"changeSet>"), (b"propSet>", b"objects>")]
            body = self.body
            for old, new in pairs:
                body = body.replace(old, new)
            self.whole(body)
        return True


def replaced(tree, value):
    if isinstance(tree, dict):
        return {name: replaced(part, value) for name, part in tree.items()}
    if isinstance(tree, list):
        return [replaced(part, value) for part in tree]
    return value


def reshaped(tree):
    if isinstance(tree, dict):
        return [reshaped(part) for part in tree.values()]
    if isinstance(tree, list):
        return {str(number): reshaped(part) for number, part in enumerate(tree)}
    return {"text": tree} if isinstance(tree, str) else [tree]


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


class Handler(socketserver.BaseRequestHandler):
    upstream = None
    context = None
    mood = Mood()

    def handle(self):
        try:
            if self.context:
                self.request = self.context.wrap_socket(self.request, server_side=True)
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.reader = self.request.makefile("rb")
            while self.one():
                pass
        except (OSError, ValueError, http.client.HTTPException):
            pass
        finally:
            try:
                self.request.close()
            except OSError:
                pass

    def one(self):
        """One request and its answer; whether another may follow."""
        line = self.reader.readline(65536).split()
        if len(line) < 3:
            return False
        headers = {}
        while True:
            field = self.reader.readline(65536).strip()
            if not field:
                break
            name, _, value = field.partition(b":")
            headers[name.decode().lower()] = value.strip().decode()
        body = self.reader.read(int(headers.get("content-length", "0")))
        method, path = line[0].decode(), line[1].decode()
        if path.startswith("/hostile/"):
            return self.control(path[len("/hostile/"):], body)
        status, kind, answer, cookie = self.ask(method, path, headers, body)
        if self.mood.kind:
            hostile = Hostile(self.request, self.mood, body, (status, kind, answer))
            return getattr(hostile, self.mood.kind.replace("-", "_"))()
        fields = ["HTTP/1.1 %d X" % status, "Content-Type: " + kind, "Content-Length: %d" % len(answer)]
        if cookie:
            fields.append("Set-Cookie: " + cookie)
        self.request.sendall(("\r\n".join(fields) + "\r\n\r\n").encode() + answer)
        return True

    def control(self, verb, body):
        with self.mood.lock:
            answer = b"%d" % self.mood.sent
            if verb != "sent":
                self.mood.kind = None if verb == "proper" else verb
                self.mood.parameter = body
                self.mood.sent = 0
                self.mood.turn += 1
        self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)
        return True

    def ask(self, method, path, headers, body):
        parts = urllib.parse.urlsplit(self.upstream)
        if parts.scheme == "https":
            blind = ssl.create_default_context()
            blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection(parts.hostname, parts.port, context=blind)
        else:
            connection = http.client.HTTPConnection(parts.hostname, parts.port)
        kept = {name: value for name, value in headers.items()
                if name not in ("host", "connection", "content-length", "transfer-encoding")}
        connection.request(method, path, body=body, headers=kept)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, answer.getheader("Content-Type", "text/plain"), data, answer.getheader("Set-Cookie")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    options = parser.parse_args()
    Handler.upstream = options.upstream
    if options.cert:
        Handler.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        Handler.context.load_cert_chain(options.cert, options.key)
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
