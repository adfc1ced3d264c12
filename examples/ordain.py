#!/usr/bin/env python3
"""A client for ordain in Python 3.8 or later, standard library only: logs in with a password and runs one command.

    ordain.py --ca ca.crt --user demo --password-file FILE HOST[:PORT] COMMAND [name=value…]

`name=value` is a text or an integer, given twice a list; a bare `name` sets a flag. Exits as the command did: 128+N
after signal N, 124 when its time was up, 255 when ordain failed or refused. PROTOCOL.md explains what is sent, and why.
"""
import argparse, base64, codecs, collections, getpass, hashlib, json, os, secrets
import select, socket, ssl, struct, sys, time, urllib.parse

HELLO, LOGIN, LOGGED_IN, ERROR, PING, PONG, GOAWAY = range(1, 8)
OPEN, STARTED, ANSWER, EXIT, CREDIT, EOF, STDIN_CLOSED, RESET, QUEUED = range(16, 25)
STDIN, STDOUT, STDERR = range(32, 35)
BEFORE_LOGIN, DATA, CONTROL = 4096, 65536, 1 << 20  # bytes of a payload that we accept
WINDOW = 512 * 1024  # bytes that each side may send on a stream before the first CREDIT
PING_EVERY, SILENCE = 30, 100  # seconds

STOPPING, PASSING = 104, (104, 201, 204)  # codes: the server stops; what passes while one stops and another begins

class Failure(Exception):
    """ordain's failure, as opposed to the command's; with its code, where the server has sent one."""
    def __init__(self, text, code=None, stop_ms=0):
        super().__init__(text)
        self.code, self.stop_ms = code, stop_ms

class Lost(Failure):
    """The connection has ended."""

# Ed25519 (RFC 8032), signing only. The key lives for one connection, so no care is taken to hide timing.
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
BX, BY = 15112221349535400772501151409588531511454012693041857206046113283949847762202, 4 * pow(5, P - 2, P) % P

def add(p, q):  # points are (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z
    a, b = (p[1] - p[0]) * (q[1] - q[0]), (p[1] + p[0]) * (q[1] + q[0])
    c, d = 2 * p[3] * q[3] * D, 2 * p[2] * q[2]
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P

def base_times(number):  # the base point, so often, as 32 bytes
    point, power = (0, 1, 1, 0), (BX, BY, 1, BX * BY % P)
    while number:
        if number & 1:
            point = add(point, power)
        power, number = add(power, power), number >> 1
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")

class SessionKey:
    def __init__(self, seed):
        half = hashlib.sha512(seed).digest()
        self.scalar = int.from_bytes(half[:32], "little") & (1 << 254) - 8 | 1 << 254
        self.prefix, self.public = half[32:], base_times(self.scalar)

    def sign(self, message):
        hashed = lambda *parts: int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % L
        nonce = hashed(self.prefix, message)
        point = base_times(nonce)
        return point + ((nonce + hashed(point, self.public, message) * self.scalar) % L).to_bytes(32, "little")

def element(der, at):
    """Where the content of the DER element that begins here starts and ends."""
    length, start = der[at + 1], at + 2
    if length & 0x80:
        start, length = start + (length & 0x7F), int.from_bytes(der[start:start + (length & 0x7F)], "big")
    return start, start + length

def public_key_info(der):
    """The SubjectPublicKeyInfo of a certificate."""
    at = element(der, element(der, 0)[0])[0]  # into Certificate, into TBSCertificate
    if der[at] == 0xA0:  # the version, where it is written
        at = element(der, at)[1]
    for _ in ("serialNumber", "signature", "issuer", "validity", "subject"):
        at = element(der, at)[1]
    return der[at:element(der, at)[1]]

b64 = lambda octets: base64.b64encode(octets).decode()

def harmless(text, kept="\t\n\r"):
    """Text as a terminal may be shown it: what could move the cursor, rename the window or type is escaped."""
    return "".join(c if c in kept or c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))

class Screen:
    """Where an output goes: as it is into a file or pipe, and made harmless on a terminal."""
    def __init__(self, descriptor):
        self.descriptor, self.count = descriptor, 0
        self.decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace") if os.isatty(descriptor) else None

    def shown(self, octets, last=False):
        self.count += len(octets)
        return harmless(self.decoder.decode(octets, last)).encode() if self.decoder else octets

class Connection:
    def __init__(self, host, port, ca):
        context = ssl.create_default_context(cafile=ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols(["ordain/1"])
        plain = socket.create_connection((host, port), timeout=10)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Otherwise a connection that was cut would look like one that was closed.
        self.tls = context.wrap_socket(plain, server_hostname=host, suppress_ragged_eofs=False)
        if self.tls.selected_alpn_protocol() != "ordain/1":
            raise Failure("the server does not speak ordain/1")
        self.tls.settimeout(SILENCE)
        self.server_key = hashlib.sha256(public_key_info(self.tls.getpeercert(binary_form=True))).digest()
        self.key, self.open, self.begun = SessionKey(secrets.token_bytes(32)), False, False

    def send(self, stream, kind, payload):
        payload = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.tls.sendall(struct.pack(">IIB", len(payload), stream, kind) + payload)

    def exactly(self, count):
        held = b""
        while len(held) < count:
            more = self.tls.recv(count - len(held))
            if not more:
                raise Lost("the server closed the connection")
            held += more
        return held

    def receive(self):
        length, _, kind = struct.unpack(">IIB", self.exactly(9))
        if not 0 < length <= (BEFORE_LOGIN if not self.open else DATA if kind >= STDIN else CONTROL):
            raise Failure(f"the server sent a frame of {length} bytes")
        payload = self.exactly(length) if kind >= STDIN else json.loads(self.exactly(length))
        if kind == ERROR:
            rule = f" [{payload['rule']}]" if "rule" in payload else ""
            raise Failure(f"{payload['text']} (code {payload['code']}){rule}", payload["code"], payload.get("stop_ms", 0))
        return kind, payload

    def expect(self, wanted):
        kind, payload = self.receive()
        if kind != wanted:
            raise Failure(f"the server sent kind {kind} where {wanted} was expected")
        return payload

    def signed(self, context, fields):
        text = json.dumps(fields)  # exactly these bytes are signed and sent
        return {"signed": text, "signature": b64(self.key.sign(context + b"\0" + text.encode()))}

    def log_in(self, user, password):
        self.send(0, HELLO, {"version": 1, "software": "ordain.py", "features": ["stopping"]})
        nonce = self.expect(HELLO)["nonce"]
        login = {"version": 1, "user": user, "method": "password", "session_key": b64(self.key.public),
                 "server_key": b64(self.server_key), "nonce": nonce}
        self.send(0, LOGIN, {**self.signed(b"ordain/1 login", login), "password": password})
        self.session = self.expect(LOGGED_IN)["session"]
        self.open = True

    def run(self, command, arguments):
        """Runs a command, moves its input and output, and returns the payload of EXIT."""
        request = {"session": self.session, "counter": 1, "id": secrets.token_hex(16), "verb": "run",
                   "command": command, "arguments": arguments}
        self.send(1, OPEN, self.signed(b"ordain/1 request", request))
        output, consumed, reading, may_send, ended, sent = collections.deque(), 0, False, WINDOW, None, 0
        screens = {STDOUT: Screen(1), STDERR: Screen(2)}
        heard = pinged = time.monotonic()
        while ended is None or output:
            now = time.monotonic()
            if ended is None and now >= pinged + PING_EVERY:
                self.send(0, PING, {"token": int(now)})
                pinged = now
            if ended is None and now >= heard + SILENCE:
                raise Failure(f"the server said nothing for {SILENCE} s")
            # Only select waits, so that whoever reads our output slowly does not keep us from pinging.
            sources = ([self.tls] if ended is None else []) + ([0] if reading and may_send else [])
            wait = 0 if self.tls.pending() else max(0, pinged + PING_EVERY - now)
            readable, writable, _ = select.select(sources, [output[0][0]] if output else [], [], wait)
            if writable:
                descriptor, octets, count = output.popleft()
                try:
                    written = os.write(descriptor, octets[:4096])  # as much as fits into a pipe that is writable
                except BrokenPipeError:  # as any program whose reader has gone away
                    sys.exit(128 + 13)
                if written < len(octets):
                    output.appendleft((descriptor, octets[written:], count))
                else:
                    consumed += count  # of what came, which a terminal is shown longer
                if consumed >= WINDOW // 4 and ended is None:
                    self.send(1, CREDIT, {"bytes": consumed})
                    consumed = 0
            if 0 in readable:
                octets = os.read(0, min(DATA, may_send))
                self.send(1, *((STDIN, octets) if octets else (EOF, {})))
                may_send, reading, sent = may_send - len(octets), bool(octets), sent + len(octets)
            if self.tls in readable or self.tls.pending():
                kind, payload = self.receive()
                heard = time.monotonic()
                self.begun = self.begun or kind in (QUEUED, STARTED)
                if kind in (STDOUT, STDERR):
                    shown = memoryview(screens[kind].shown(payload))
                    output.append((screens[kind].descriptor, shown, len(payload)))
                elif kind == STARTED:
                    reading = payload["stdin"]
                elif kind == CREDIT:
                    may_send += payload["bytes"]
                elif kind in (STDIN_CLOSED, EXIT):
                    reading, ended = False, payload if kind == EXIT else None
                    if ended:  # perhaps with half a character
                        output.extend((screen.descriptor, screen.shown(b"", True), 0) for screen in screens.values())
                elif kind == PING:
                    self.send(0, PONG, payload)
                elif kind not in (PONG, GOAWAY, QUEUED):  # after GOAWAY what runs goes on for the server's grace period
                    raise Failure(f"the server sent kind {kind}, which is not expected here")
        said = ended["stdout_bytes"], ended["stderr_bytes"]
        if said != (screens[STDOUT].count, screens[STDERR].count) or ended["stdin_bytes"] > sent:
            raise Failure("the server counts other bytes than those that came and went")
        return ended

class Patience:
    """Waits for a server that stops, as long as it says that takes and 10 s more: the next one may do what was asked."""
    def __init__(self):
        self.until, self.pause = None, 0.05

    def has_passed(self, fault):
        """Whether some time has passed in which what went wrong may pass too."""
        code = getattr(fault, "code", None)
        if self.until is None and code == STOPPING:
            wait = min(fault.stop_ms / 1000, 600) + 10
            waiting = f"the server is stopping; waiting for it to come back, for {wait:.0f} s at the most"
            print(f"ordain.py: {waiting}", file=sys.stderr)
            self.until = time.monotonic() + wait
        unreached = isinstance(fault, (Lost, OSError)) and not isinstance(fault, ssl.SSLCertVerificationError)
        if self.until is None or not (unreached or code in PASSING) or time.monotonic() + self.pause >= self.until:
            return False
        time.sleep(self.pause)
        self.pause = min(self.pause * 2, 1)
        return True

def main():
    parser = argparse.ArgumentParser(description="Runs one command over ordain.")
    parser.add_argument("--ca", required=True, metavar="FILE", help="the CA that signed the server's certificate")
    parser.add_argument("--user", default=os.environ.get("USER"))
    parser.add_argument("--password-file", metavar="FILE", help="the password in its first line; else it is asked for")
    parser.add_argument("place", metavar="HOST[:PORT]")
    parser.add_argument("command")
    parser.add_argument("arguments", nargs="*", metavar="name=value")
    options = parser.parse_args()
    arguments = {}
    for name, equals, value in (word.partition("=") for word in options.arguments):
        arguments.setdefault(name, []).append(value if equals else True)
    arguments = {name: values if len(values) > 1 else values[0] for name, values in arguments.items()}
    try:
        file = options.password_file
        password = open(file, encoding="utf-8").readline().rstrip("\r\n") if file else getpass.getpass()
        place = urllib.parse.urlsplit("//" + options.place)
        patience, ended = Patience(), None
        while ended is None:
            connection = None
            try:
                connection = Connection(place.hostname, place.port or 7424, options.ca)
                connection.log_in(options.user, password)
                ended = connection.run(options.command, arguments)
            except (Failure, OSError) as fault:  # what has begun is never asked for again
                if connection and connection.begun or not patience.has_passed(fault):
                    raise
    except (Failure, OSError, ValueError, KeyError) as fault:
        print(f"ordain.py: {harmless(fault, '')}", file=sys.stderr)
        return 255
    reason, number = ended["reason"], ended.get("number", 0)
    if reason != "exit":
        print(f"ordain.py: the run ended by {harmless(reason, '')} {number or ''}".rstrip(), file=sys.stderr)
    return {"exit": number, "signal": 128 + number, "timeout": 124}.get(reason, 255)

if __name__ == "__main__":
    sys.exit(main())
