#!/usr/bin/env python3
"""A second verifier of ordain's audit trail, in Python 3.8 or later with the package `cryptography`. It was written from
TRAIL.md, and shares no code with ordain: where the two disagree, one of them is wrong.

    verify.py --key FILE|KEY [--json] [--each] [--part] FILE…

The key is what `ordaind audit key` prints, or a file that holds it. The files are those of one trail, in any order; with
--each every file is a trail of its own; with --part they are a part of it, and what is before them is not asked for.
Compressed files need the program `zstd`, or Python 3.14. Prints the faults as `file:line: what is wrong`, and
what is counted. Exits with 0 when there is no fault, with 1 otherwise, and with 2 when it could not be looked.
"""
import argparse, base64, collections, contextlib, hashlib, json, re, shutil, subprocess, sys
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

COUNTS = ("unknown_sessions", "unread", "withheld", "skipped", "unshown", "unknown_runs", "without_logout",
          "without_start", "without_end")
SYMBOLS = "0123456789abcdefghjkmnpqrstvwxyz"  # of ids: a session's and a request's has 32, a run's 16
NEVER = 1 << 62  # no trail comes so far

# The field prime of Curve25519, to know the points of small order (RFC 7748, RFC 8032).
P = 2**255 - 19
ORDER_8 = 2707385501144840649318225287225658788936804267575313519463743609750303021029  # the y of two of order eight

def small_order(key):
    y = (int.from_bytes(key, "little") & (1 << 255) - 1) % P
    return y in (0, 1, P - 1, ORDER_8, P - ORDER_8)

def decoded(text, length):
    """The bytes of canonical base64 of this length, or None."""
    try:
        octets = base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        return None
    return octets if len(octets) == length and base64.b64encode(octets).decode() == text else None

def fits(key, context, text, signature):
    key, signature = decoded(key, 32), decoded(signature, 64)
    if key is None or signature is None or small_order(key):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, context + b"\0" + text.encode())
    except (InvalidSignature, ValueError):
        return False
    return True

def take(octets):
    """A string of SSH, and what is behind it."""
    length = int.from_bytes(octets[:4], "big")
    if len(octets) < 4 + length:
        raise ValueError("a string that ends too early")
    return octets[4:4 + length], octets[4 + length:]

def taken(octets, count):
    parts = []
    for _ in range(count):
        part, octets = take(octets)
        parts.append(part)
    return parts + [octets]

def number(octets):
    """A positive number of SSH in its one spelling."""
    value = int.from_bytes(octets, "big")
    if value == 0 or octets != value.to_bytes(value.bit_length() // 8 + 1, "big"):
        raise ValueError("a number that is not positive, or longer than it must be")
    return value

def rsa_key(e, n):
    """An RSA key of SSH, as far as it is accepted."""
    e, n = number(e), number(n)
    if not (2048 <= n.bit_length() <= 8192 and n % 2 and e % 2 and 2 <= e.bit_length() <= 33):
        raise ValueError("numbers that are no key's")
    return rsa.RSAPublicNumbers(e, n).public_key()

# Of each kind of key: its curve's name, the curve, the bytes of a coordinate, and the hash (RFC 5656).
CURVES = {b"ecdsa-sha2-nistp256": (b"nistp256", ec.SECP256R1, 32, hashes.SHA256),
          b"ecdsa-sha2-nistp384": (b"nistp384", ec.SECP384R1, 48, hashes.SHA384),
          b"ecdsa-sha2-nistp521": (b"nistp521", ec.SECP521R1, 66, hashes.SHA512)}
CURVES[b"sk-ecdsa-sha2-nistp256@openssh.com"] = CURVES[b"ecdsa-sha2-nistp256"]
RSA_HASHES = {b"rsa-sha2-256": hashes.SHA256, b"rsa-sha2-512": hashes.SHA512}  # RFC 8332

def among(text, place):
    """What an SSH key signs for many logins, one of which has this text and stands at this place (PROTOCOL.md, 4.9)."""
    index, count, path = place
    if type(index) is not int or type(count) is not int or not 2 <= count <= 1024 or not 0 <= index < count:
        raise ValueError("no place among so many logins")
    beside = base64.b64decode(path, validate=True)
    if base64.b64encode(beside).decode() != path or len(beside) % 32:
        raise ValueError("a way that is not of hashes")
    beside = [beside[at:at + 32] for at in range(0, len(beside), 32)]
    own, at, width = hashlib.sha256(b"\0" + text.encode()).digest(), index, count
    while width > 1:
        if at % 2 or at + 1 < width:
            other = beside.pop(0)  # a way that is too short ends here
            own = hashlib.sha256(b"\1" + (other + own if at % 2 else own + other)).digest()
        at, width = at // 2, (width + 1) // 2
    if beside:
        raise ValueError("a way that is too long")
    return b"ordain/1 logins\0" + count.to_bytes(4, "big") + own

def ssh_fits(fingerprint, text, signature, place=None):
    """Whether the SSH key of this fingerprint has made this SSHSIG of a login's text (PROTOCOL.md, 4.6 and 4.9)."""
    try:
        if place is None:
            own_namespace, said = b"ordain", b"ordain/1 login\0" + text.encode()
        else:
            own_namespace, said = b"ordain-logins", among(text, place)
        blob = base64.b64decode(signature, validate=True)
        if not blob.startswith(b"SSHSIG\0\0\0\1"):
            return False
        key, namespace, reserved, hashed, made, rest = taken(blob[10:], 5)
        kind, raw, trailer = taken(made, 2)
        own = "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")
        if (own, namespace, reserved, rest) != (fingerprint, own_namespace, b"", b"") or hashed not in (b"sha256", b"sha512"):
            return False
        digest = hashlib.new(hashed.decode(), said).digest()
        string = lambda octets: len(octets).to_bytes(4, "big") + octets
        message = b"SSHSIG" + string(namespace) + string(b"") + string(hashed) + string(digest)
        named, key = take(key)
        if named == b"ssh-rsa":
            e, n, rest = taken(key, 2)
            public = rsa_key(e, n)
            if rest or trailer or kind not in RSA_HASHES or len(raw) != (public.key_size + 7) // 8:
                return False
            public.verify(raw, message, padding.PKCS1v15(), RSA_HASHES[kind]())
            return True
        if named != kind:
            return False
        if kind in CURVES:
            name, curve, size, hash_of_curve = CURVES[kind]
            curve_named, key = take(key)
            if curve_named != name:
                return False
        elif kind not in (b"ssh-ed25519", b"sk-ssh-ed25519@openssh.com"):
            return False
        point, key = take(key)
        if kind.startswith(b"sk-"):
            application, key = take(key)
            if len(trailer) != 5 or not trailer[0] & 1:  # somebody has touched it
                return False
            message = hashlib.sha256(application).digest() + trailer + hashlib.sha256(message).digest()
        elif trailer:
            return False
        if key:
            return False
        if kind in CURVES:
            r, s, rest = taken(raw, 2)
            r, s = number(r), number(s)
            if rest or point[:1] != b"\4" or len(point) != 2 * size + 1 or max(r, s) >= 1 << 8 * size:
                return False
            public = ec.EllipticCurvePublicKey.from_encoded_point(curve(), point)
            public.verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(hash_of_curve()))
        elif len(point) != 32 or small_order(point):
            return False
        else:
            Ed25519PublicKey.from_public_bytes(point).verify(raw, message)
    except (InvalidSignature, ValueError, TypeError, IndexError):
        return False
    return True

def no_name_twice(pairs):
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError("a name stands twice")
    return dict(pairs)

def read(text):
    """The JSON object in a text, or None."""
    def refuse(constant):
        raise ValueError(constant)
    try:
        found = json.loads(text, object_pairs_hook=no_name_twice, parse_constant=refuse)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(found, ensure_ascii=False).encode()  # half of a pair of surrogates is no text
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None

def is_id(text, length):
    return isinstance(text, str) and len(text) == length and all(symbol in SYMBOLS for symbol in text)

def is_number(value, most=(1 << 64) - 1):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most

def is_texts(value):
    return isinstance(value, list) and all(isinstance(word, str) for word in value)

NUMBERS = {"seq", "first", "last", "connection", "missed", "code", "expected", "torn_bytes", "number", "files", "bytes",
           "gathered_index", "gathered_count"}
MOST = {"code": 65535, "number": 255, "files": (1 << 64) - 1, "bytes": (1 << 64) - 1,
        "gathered_index": (1 << 32) - 1, "gathered_count": (1 << 32) - 1}
RIGHTS = {"list-files": "list", "get": "get", "put": "put", "remove-files": "remove"}  # verbs that move files
LISTS = {"argv", "holes"}
TEXTS = {"prev", "time", "kind", "source", "user", "method", "outcome", "session", "session_key", "kept", "verb", "command",
         "by", "key_signature", "run", "run_as", "reason", "decision", "text", "signed", "signature", "torn_sha256",
         "before_hash", "last_hash", "root", "path", "digest", "gathered_path"}

OPTIONAL = {"session", "session_key", "kept", "command", "run", "argv", "run_as", "reason", "code", "text", "signed",
            "key_signature", "root", "path", "number", "digest", "files", "bytes",
            "gathered_index", "gathered_count", "gathered_path"}

def record_of(line):
    """The record on a line, or None where a daemon cannot have written it."""
    try:
        record = read(line.decode())
    except UnicodeDecodeError:
        return None
    if record is None:
        return None
    record = {name: value for name, value in record.items() if value is not None or name not in OPTIONAL}
    for name, value in record.items():
        if name in NUMBERS and not is_number(value, MOST.get(name, NEVER - 1)):
            return None
        if (name in TEXTS and not isinstance(value, str)) or (name in LISTS and not is_texts(value)):
            return None
    return record

class Wrong(Exception):
    """What is wrong with a record; nothing more is looked for in it."""

class Session:
    def __init__(self, record, counter):
        self.user, self.owner, self.kept = record["user"], owner(record), record.get("kept")
        self.counter, self.places, self.logins = counter, {place(record)}, {record["signed"]}

def owner(record):
    return record["user"], record["session_key"], record.get("by")

def place(record):
    return record.get("connection"), record.get("source")

class Run:
    def __init__(self, user=None, command=None):
        self.user, self.command, self.begun, self.started = user, command, False, False
        self.put, self.committed = None, None  # of a put: where to, and what was signed that is to be placed

def where_to(text):
    """The root and the path that a request names, or None."""
    return None if text.get("root") is None else (text["root"], text.get("path") or "")

class Walk:
    def __init__(self, key, part=False):
        self.key, self.part = key, part
        self.absent, self.said, self.signed_removals, self.removed = [], [], [], 0
        self.faults, self.counts = [], collections.Counter()
        self.approvals = {}  # of each run that others must agree to: its plan, and who has decided
        self.records = self.checkpoints = self.signatures = self.granted = 0
        self.first = self.seq = 0
        self.hash = bytes(32)
        self.complete = self.begun = False
        self.torn = None
        self.sessions, self.ended, self.kept = {}, set(), {}
        self.runs, self.over = {}, {}  # `over`: whether its request was seen
        self.asked, self.missed = {}, 0

    def fault(self, where, text):
        self.faults.append((where, text))

    def line(self, where, line, whole=True):
        record = record_of(line) if whole else None
        if record is None:
            if self.torn:
                self.fault(self.torn[0], "is no record")
            self.torn = where, line
            return
        if self.torn:
            at, torn = self.torn
            self.torn = None
            told = record.get("kind") == "recovered" and record.get("torn_bytes") == len(torn)
            if not told or decoded(record.get("torn_sha256"), 32) != hashlib.sha256(torn).digest():
                self.fault(at, "is no record, and the next one does not say that a crash left it")
        if not record.get("seq"):
            if self.begun:
                self.fault(where, "has no number")
            else:
                self.hash, self.unchained = hashlib.sha256(line).digest(), True
            return
        self.chain(where, record)
        self.seq, self.hash = record["seq"], hashlib.sha256(line).digest()
        self.records += 1
        faults, signatures = len(self.faults), self.signatures
        try:
            self.record(where, record)
        except Wrong as wrong:
            self.fault(where, str(wrong))
        if record.get("kind") == "request" and record.get("decision") == "granted":
            self.granted += len(self.faults) == faults and self.signatures > signatures

    unchained = False
    may_say = None  # the user, text and run of a `say` that the last record has granted

    def chain(self, where, record):
        seq, before = record["seq"], base64.b64encode(self.hash).decode()
        until = seq - 1, decoded(record.get("prev"), 32)
        if not self.begun:
            self.begun, self.first = True, seq
            self.complete = seq == 1 and not self.unchained and record.get("prev") == before
            if seq == 1 and record.get("prev") != before or seq != 1 and self.unchained:
                self.fault(where, f"record {seq} does not go on where the lines before it end")
            elif seq != 1 and not self.part:
                self.missing(where, None, until, f"the trail begins with record {seq}")
            return
        if seq == self.seq + 1 and record.get("prev") == before:
            return
        self.complete = False
        self.said.clear()  # nobody has signed it
        missing = record.get("kind") == "missing" and record.get("expected", 0) + 1 == seq
        if seq > self.seq + 1 and not missing:
            self.missing(where, (self.seq, self.hash), until, f"records {self.seq + 1} to {seq - 1} are missing")
        else:
            self.fault(where, f"record {seq} does not go on where record {self.seq} ends")

    def missing(self, where, before, until, text):
        """Records are not there: a fault, unless signed records say that exactly these were removed."""
        self.absent.append((len(self.faults), where, before, until, text))

    def removal(self, record):
        first, last = record.get("first", 0), record.get("last", 0)
        if not 0 < first <= last < record["seq"]:
            raise Wrong("says that records were removed which cannot have been there")
        before, end = decoded(record.get("before_hash"), 32), decoded(record.get("last_hash"), 32)
        if before is not None and end is not None:
            self.said.append(((first - 1, before), (last, end)))

    def accounted_for(self, before, until):
        if before is None:
            return any(end == until for _, end in self.signed_removals)
        while before[0] < until[0]:
            before = next((end for begin, end in self.signed_removals if begin == before), (NEVER, None))
        return before == until


    def record(self, where, record):
        kind, may_say = record.get("kind"), self.may_say
        self.may_say = None
        if kind == "checkpoint":
            text = f"{record['seq'] - 1} {record.get('prev')}"
            if not fits(self.key, b"ordain trail checkpoint", text, record.get("signature")):
                raise Wrong("the checkpoint's signature does not fit")
            self.checkpoints += 1
            self.signed_removals += self.said
            self.said.clear()
        elif kind == "removed":
            self.removal(record)
        elif kind == "started":
            self.restart()
        elif kind == "gap":
            self.missed += record.get("missed", 0)
        elif kind == "login":
            self.login(record)
        elif kind == "logout":
            self.logout(record)
        elif kind == "request":
            self.request(record)
        elif kind == "approval":
            self.approval(record)
        elif kind in ("start", "handed-on", "executable"):
            if kind == "start":
                self.agreed_to(record)
            self.goes_on(record)
        elif kind == "end":
            self.approvals.pop(record.get("run"), None)
            self.end(record)
        elif kind == "said":
            self.said_in_the_room(record, may_say)

    def restart(self):
        """A daemon starts, or the trail ends."""
        self.counts["without_logout"] += len(self.sessions)
        self.ended.update(self.sessions)
        self.sessions.clear()
        self.approvals.clear()
        self.counts["without_end"] += len(self.runs)
        self.over.update((name, run.user is not None) for name, run in self.runs.items())
        self.runs.clear()

    # Sessions

    def login(self, record):
        outcome = record.get("outcome")
        if outcome == "refused":
            if any(name in record for name in ("session", "session_key", "signed")):
                raise Wrong("is refused, but names a session")
            return
        if outcome != "accepted":
            raise Wrong("is neither accepted nor refused")
        name, text = record.get("session"), read(record.get("signed", ""))
        if text is None or "session_key" not in record or not is_id(name, 32):
            raise Wrong("is accepted without session, key and text")
        if "reason" in record:
            raise Wrong("is accepted, but says why it was refused")
        for field in ("user", "method", "session_key"):
            if text.get(field) != record.get(field) or not isinstance(text.get(field), str):
                raise Wrong(f"says another {field} than was signed")
        if record["method"] == "session":
            if text.get("session") != name:
                raise Wrong("says another session than was signed")
            self.taken_up(name, record)
        else:
            kept = name if text.get("keep") else None
            if record["method"] == "kept":
                kept = text.get("session")
            if record.get("kept") != kept:
                raise Wrong("says another kept login than was signed")
            if name in self.sessions or name in self.ended:
                raise Wrong("begins a session that has begun before")
            self.sessions[name] = Session(record, 0)
            if text.get("keep"):
                self.kept[name] = owner(record)
            if record["method"] == "kept":
                self.of_kept(kept, record)
        if ("key_signature" in record) != (record["method"] == "ssh-key"):
            raise Wrong("has the method of an SSH key without its signature, or the signature without the method")
        if record["method"] == "password" and record.get("by") != "password":
            raise Wrong("says that something else proved it than a password")
        place = [record.get(name) for name in ("gathered_index", "gathered_count", "gathered_path")]
        if all(part is None for part in place):
            place = None
        elif None in place or "key_signature" not in record:
            raise Wrong("says only a part of where it stands among many logins")
        if "key_signature" in record and not ssh_fits(record.get("by"), record["signed"], record["key_signature"], place):
            raise Wrong("the SSH key's signature does not fit")
        self.signed(record["session_key"], b"ordain/1 login", record)

    def of_kept(self, kept, record):
        if not is_id(kept, 32):
            raise Wrong("names no kept login")
        if kept not in self.kept:
            self.counts["unknown_sessions"] += 1
        elif self.kept[kept] != owner(record):
            raise Wrong("begins with a kept login of another user, key or proof")

    def taken_up(self, name, record):
        session = self.sessions.get(name)
        if name in self.ended:
            raise Wrong("takes up a session that has ended")
        if session is None:
            if self.complete:
                raise Wrong("takes up a session that no login began")
            self.counts["unknown_sessions"] += 1
            self.sessions[name] = Session(record, None)
            return
        if session.owner != owner(record) or session.kept != record.get("kept"):
            raise Wrong("takes up a session with another user, key, proof or kept login")
        if record["signed"] in session.logins:
            raise Wrong("takes up a session with a login of before")
        session.logins.add(record["signed"])
        session.places.add(place(record))

    def logout(self, record):
        name = record.get("session")
        if not is_id(name, 32):
            raise Wrong("names no session")
        session = self.sessions.pop(name, None)
        again = name in self.ended
        self.ended.add(name)
        if again or (session is None and self.complete):
            raise Wrong("ends a session that is not open")
        if session is not None and session.user != record.get("user"):
            raise Wrong("ends the session of another user")

    def signed(self, key, context, record):
        if not fits(key, context, record["signed"], record.get("signature")):
            raise Wrong("the user's signature does not fit")
        self.signatures += 1

    # Requests

    def request(self, record):
        decision, verb = record.get("decision"), record.get("verb")
        refusal = [name in record for name in ("code", "text")]
        done = any(name in record for name in ("run", "argv", "run_as", "reason")) or bool(record.get("holes"))
        if decision not in ("granted", "refused"):
            raise Wrong("is neither granted nor refused")
        granted = decision == "granted"
        if any(refusal) if granted else not all(refusal):
            raise Wrong("its decision, code and text do not belong together")
        if not granted and done:
            raise Wrong("is refused, but says what would have been done")
        if verb == "unknown":
            if granted or record["code"] not in (300, 301, 302, 303):
                raise Wrong("has no verb, but was not refused for that")
            self.counts["unread"] += 1
            return
        if "signed" not in record:
            refused = not granted and verb in ("run", "preview", "passwd") and record["code"] == 401
            if "root" in record or "path" in record or not refused and not (granted and verb == "explain" and not done):
                raise Wrong("is without the text that was signed")
            self.counts["withheld"] += 1
            return
        text = read(record["signed"])
        names = text is not None and all(isinstance(text.get(name), str) for name in ("session", "id", "verb"))
        if not names or not is_number(text.get("counter")):
            raise Wrong("what was signed is no request")
        command = text.get("command")
        if command is not None and len(command.encode()) > 64:
            command = None
        if text["verb"] != verb or command != record.get("command"):
            raise Wrong("says another verb or command than was signed")
        root, path = where_to(text) or (None, None)
        root = None if root is not None and len(root.encode()) > 64 else root
        path = None if path is not None and len(path.encode()) > 4096 else path
        if root != record.get("root") or path != record.get("path"):
            raise Wrong("says another root or path than was signed")
        if granted:
            self.agrees(record, text)
        self.of_session(record, text)
        if granted and (verb == "run" or verb in RIGHTS):
            self.run(record, text)
        elif granted and verb == "commit":
            self.commit(record, text)
        elif granted and verb == "say":
            self.may_say = record["user"], text.get("text"), text.get("run")
        elif granted and verb in ("approve", "deny"):
            self.decides(record, text)
        elif granted and verb in ("attach", "signal", "cancel"):
            if not is_id(record.get("run"), 16):
                raise Wrong("names no run")
            if record["run"] not in self.runs and record["run"] not in self.over:
                self.counts["unknown_runs"] += 1

    def of_session(self, record, text):
        name = text.get("session")
        if not is_id(name, 32):
            raise Wrong("names no session")
        session = self.sessions.get(name)
        if name in self.ended:
            raise Wrong("is a request of a session that has ended")
        if session is None:
            if self.complete:
                raise Wrong("is a request of a session that no login began")
            self.counts["unknown_sessions"] += 1
            return
        if session.user != record.get("user"):
            raise Wrong("is told of another user than the session's")
        if place(record) not in session.places:
            raise Wrong("came over a connection that its session has not logged in over")
        if session.counter is not None:
            if text["counter"] <= session.counter:
                raise Wrong("has a counter that the session has come to before")
            self.counts["skipped"] += text["counter"] - session.counter - 1
        session.counter = text["counter"]
        self.signed(session.owner[1], b"ordain/1 request", record)

    def agrees(self, record, text):
        """What a granted request's record says, beside what was signed."""
        verb, argv = text["verb"], record.get("argv")
        begins = verb == "run" or verb in RIGHTS
        reason = text.get("reason") if begins and argv is not None else None
        if record.get("reason") != reason:
            raise Wrong("says another reason than was signed")
        if not begins and record.get("run") != text.get("run"):
            raise Wrong("says another run than was signed")
        if argv is None:
            if verb == "preview" or "run_as" in record or record.get("holes"):
                raise Wrong("has no argv, but what belongs to one")
            return
        if verb in RIGHTS and "run_as" in record:
            if argv != ["ordaind", "--mover"] or record.get("holes"):
                raise Wrong("has another argv than a mover has")
            return
        if verb not in ("run", "preview") or "run_as" not in record or not argv:
            raise Wrong("has an argv that does not belong to it")
        self.shown(argv, record.get("holes") or [""] * len(argv), text.get("arguments", {}))

    def shown(self, argv, holes, arguments):
        if len(holes) != len(argv) or not isinstance(arguments, dict):
            raise Wrong("argv and holes do not belong together")
        given = {name: value for name, value in arguments.items() if value is not False and value != []}
        filled = collections.Counter()
        for word, with_holes in zip(argv, holes):
            if not with_holes:
                continue
            pattern, at = "", 0
            for piece in re.finditer(r"\{\{|\}\}|\{([^{}]+)\}|[^{}]+", with_holes):
                if piece.start() != at:
                    break
                at = piece.end()
                name = piece[1]
                if name is None:
                    pattern += re.escape(piece[0].replace("{{", "{").replace("}}", "}"))
                elif name not in given:
                    raise Wrong(f"shows `{name}` in its argv, which was not signed")
                else:
                    pattern += self.value(given[name], filled[name])
                    filled[name] += 1
            if at != len(with_holes):
                raise Wrong("has holes whose braces do not fit")
            if not re.fullmatch(pattern, word, re.DOTALL):
                raise Wrong(f"has {word!r} in its argv, which is not what was signed")
        for name, value in given.items():
            if filled[name] % (len(value) if isinstance(value, list) else 1):
                raise Wrong(f"does not show every value of `{name}`")
            self.counts["unshown"] += not filled[name]

    @staticmethod
    def value(value, position):
        """A pattern of what stands in a hole."""
        if isinstance(value, list):
            value = value[position % len(value)]
        if value is True:
            return ".*"
        if isinstance(value, dict):
            return re.escape("***")
        return re.escape(str(value))

    def said_in_the_room(self, record, may_say):
        if may_say is None and record["seq"] == self.first:
            return
        if may_say is None:
            raise Wrong("was said without the request for it before it")
        if may_say != (record.get("user"), record.get("text"), record.get("run")):
            raise Wrong("says another text, user or run than was signed to be said")

    # Approvals

    def approval(self, record):
        """A run waits until others agree to it."""
        plan, run = read(record.get("plan")), record.get("run")
        keys = ("run", "requester", "command")
        if plan is None or not all(isinstance(plan.get(key), str) for key in keys) or not is_number(plan.get("needed")):
            raise Wrong("has no plan that can be read")
        if [plan[key] for key in keys] != [run, record.get("user"), record.get("command")]:
            raise Wrong("has a plan of another run, user or command")
        if run in self.approvals:
            raise Wrong("asks for a run that was asked for before")
        digest = hashlib.sha256(record["plan"].encode()).hexdigest()
        self.approvals[run] = {"digest": digest, "plan": plan, "agreed": set(), "denied": False}

    def decides(self, record, text):
        asked = self.approvals.get(text.get("run"))
        if asked is None:
            if self.complete:
                raise Wrong("decides on a run that does not wait for that")
            return
        if text.get("plan") != asked["digest"]:
            raise Wrong("decides on another plan than the one that was asked for")
        if text.get("command") != asked["plan"]["command"]:
            raise Wrong("decides on a run of another command")
        if record["user"] == asked["plan"]["requester"]:
            raise Wrong("lets somebody decide on a run of their own")
        if text["verb"] == "deny":
            asked["denied"] = True
        else:
            asked["agreed"].add(record["user"])

    def agreed_to(self, record):
        """A run begins: everybody who had to agree has, and nobody has denied."""
        asked = self.approvals.pop(record.get("run"), None)
        if asked and asked["denied"]:
            raise Wrong("begins a run that was denied")
        if asked and len(asked["agreed"]) < asked["plan"]["needed"]:
            raise Wrong(f"begins a run to which {len(asked['agreed'])} of {asked['plan']['needed']} have agreed")

    # Runs

    def run(self, record, text):
        name, asked = record.get("run"), (record["user"], text.get("id"))
        if not is_id(name, 16) or not is_id(asked[1], 32):
            raise Wrong("names no run, or was signed without an id")
        before = self.asked.get(asked)
        if "argv" in record:
            if name in self.runs or name in self.over:
                raise Wrong("begins a run that has begun before")
            if before in self.runs and self.runs[before].begun:
                raise Wrong("begins a second run of one request, whose first goes on")
            self.asked[asked] = name
            command = record.get("command")
            if text["verb"] in RIGHTS:
                command = f"{text.get('root')}:{RIGHTS[text['verb']]}"
            self.runs[name] = Run(record["user"], command)
            self.runs[name].put = where_to(text) if text["verb"] == "put" else None
        elif before is None:
            unasked = name in self.runs and self.runs[name].user is None
            if not unasked and self.over.get(name) is not False:
                self.unknown(name)
        elif before != name:
            raise Wrong("gives the same request again another run")

    def commit(self, record, text):
        name = record.get("run")
        if not is_id(name, 16):
            raise Wrong("names no run")
        if name in self.over:
            raise Wrong("commits a run that has ended before")
        run = self.runs.get(name)
        if run is None:
            self.counts["unknown_runs"] += 1
        elif run.user is not None:
            placed = tuple(text.get(field) for field in ("digest", "files", "bytes"))
            fits = run.put is not None and run.put == where_to(text) and run.user == record["user"] and run.begun
            if not fits or run.committed is not None or None in placed:
                raise Wrong("commits a run that is no put of this user to this place that waits for it")
            run.committed = placed

    def unknown(self, name):
        if self.complete:
            if not self.missed:
                raise Wrong("names a run that no granted request began")
            self.missed -= 1
        self.counts["unknown_runs"] += 1
        self.runs[name] = Run()

    def going(self, record):
        name = record.get("run")
        if not is_id(name, 16):
            raise Wrong("names no run")
        if name in self.over:
            raise Wrong("speaks of a run that has ended before")
        if name not in self.runs:
            self.unknown(name)
        return self.runs[name]

    def goes_on(self, record):
        run, start = self.going(record), record["kind"] == "start"
        if start and run.begun:
            raise Wrong("is not the first record of its run")
        run.begun, run.started = True, run.started or start
        if record["kind"] == "executable" and run.user is not None and run.command != record.get("command"):
            raise Wrong("names another command than its run has")

    def end(self, record):
        run = self.going(record)
        del self.runs[record["run"]]
        self.over[record["run"]] = run.user is not None
        placed = tuple(record.get(field) for field in ("digest", "files", "bytes"))
        whole = record.get("reason") == "exit" and record.get("number") == 0
        unsigned = run.put is not None and whole and (None in placed or placed != run.committed)
        if record.get("reason") == "not-started":
            if run.begun:
                raise Wrong("says that a run did not begin, but it did")
        elif not run.started and (run.user is not None or self.complete):
            self.counts["without_start"] += 1
        if run.user is not None and (run.user, run.command) != (record.get("user"), record.get("command")):
            raise Wrong("is the end of a run of another user or command")
        if unsigned:
            raise Wrong("says that a run has placed what its user has not signed")

    def finish(self):
        if self.torn:
            self.fault(self.torn[0], "is no record")
        for index, where, before, until, text in reversed(self.absent):
            if self.accounted_for(before, until):
                self.removed += until[0] - (before or (0,))[0]
            else:
                self.faults.insert(index, (where, text))
        self.restart()
        return self

LONGEST = 512 * 1024  # bytes of a line
WINDOW = 8 << 20  # bytes that unpacking may keep of what came before

class Damaged(Exception):
    """A compressed file that cannot be unpacked from some line on."""

@contextlib.contextmanager
def unpacked(path):
    """A file's content, unpacked on the way where it is compressed, with little memory."""
    with open(path, "rb") as file:
        if file.read(4) != b"\x28\xb5\x2f\xfd":
            file.seek(0)
            yield file
            return
    if shutil.which("zstd"):
        with subprocess.Popen(["zstd", "-dcq", f"--memory={WINDOW >> 20}MB", "--", path],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
            yield program.stdout
            program.stdout.close()
            ended = program.wait()
        if ended not in (0, -13):  # whoever has read enough closes the pipe
            raise Damaged
        return
    try:
        from compression import zstd
    except ImportError:
        raise ValueError(f"{path} is compressed: to read it, install the program `zstd`, or Python 3.14") from None
    try:
        with zstd.open(path, options={zstd.DecompressionParameter.window_log_max: WINDOW.bit_length() - 1}) as file:
            yield file
    except (zstd.ZstdError, EOFError):
        raise Damaged from None

def lines_of(path):
    """The lines of a file, with the hashes that a compressed one leaves out."""
    with open(path, "rb") as file:
        packed = file.read(4) == b"\x28\xb5\x2f\xfd"
    before = None
    for where, line, whole in lines_as_they_stand(path):
        if packed and line is not None:
            if before and (head := re.match(rb'{"seq":[0-9]*,"prev":"=', line)):
                line = (head[0][:-1] + (before if line[head.end():head.end() + 1] == b'"' else b"") + line[head.end():])
            before = base64.b64encode(hashlib.sha256(line).digest())
        yield where, line, whole

def lines_as_they_stand(path):
    number = 0
    try:
        with unpacked(path) as file:
            while True:
                line = file.readline(LONGEST + 1)
                if not line:
                    break
                number += 1
                whole = line.endswith(b"\n")
                yield f"{path}:{number}", line[:-1] if whole else line, whole
                while not whole and len(line) > LONGEST:  # no record is as long
                    line = file.readline(LONGEST + 1)
                    if line.endswith(b"\n"):
                        break
    except Damaged:
        yield f"{path}:{number + 1}", None, False

def first_number(path):
    for _, line, _ in lines_of(path):
        record = line and record_of(line)
        if record and record.get("seq"):
            return record["seq"]
    return 0

def walk(key, paths, part):
    walked = Walk(key, part)
    for path in sorted(paths, key=first_number):
        for where, line, whole in lines_of(path):
            if line is None:
                walked.fault(where, "cannot be unpacked")
                walked.said.clear()
            else:
                walked.line(where, line, whole)
    return walked.finish()

def tell(walked, name, as_json):
    if as_json:
        faults = [{"place": where, "text": text} for where, text in walked.faults]
        print(json.dumps({"trail": name, "sound": not faults, "records": walked.records, "first": walked.first,
                          "checkpoints": walked.checkpoints, "signatures": walked.signatures, "granted": walked.granted,
                          "removed": walked.removed,
                          **{count: walked.counts[count] for count in COUNTS}, "faults": faults}))
        return
    for where, text in walked.faults:
        print(f"{where}: {text}")
    print(f"{name}: {walked.records} records, {walked.checkpoints} checkpoints, {walked.signatures} signatures of users, "
          f"{walked.granted} granted requests as they were signed")
    if walked.removed:
        print(f"{name}: {walked.removed} records are not there, as signed records say")
    for count in COUNTS:
        if walked.counts[count]:
            print(f"{name}: {count} {walked.counts[count]}")

def key_of(given):
    prefix = "ordain-trail-ed25519 "
    text = given
    if not given.startswith(prefix):
        with open(given, encoding="ascii") as file:
            text = file.read().strip()
    if not text.startswith(prefix) or decoded(text[len(prefix):], 32) is None:
        raise ValueError(f"{given} is no trail's key")
    return text[len(prefix):]

def main():
    arguments = argparse.ArgumentParser(description="Proves an audit trail of ordain.")
    arguments.add_argument("--key", required=True, help="what `ordaind audit key` prints, or a file that holds it")
    arguments.add_argument("--json", action="store_true", help="one object for each trail")
    arguments.add_argument("--each", action="store_true", help="each file is a trail of its own")
    arguments.add_argument("--part", action="store_true", help="do not ask for what is before these files")
    arguments.add_argument("files", nargs="+")
    given = arguments.parse_args()
    try:
        key, sound = key_of(given.key), True
        for paths in [[path] for path in given.files] if given.each else [given.files]:
            walked = walk(key, paths, given.part)
            tell(walked, " ".join(paths), given.json)
            sound = sound and not walked.faults
    except (OSError, ValueError) as failure:
        print(f"verify.py: {failure}", file=sys.stderr)
        return 2
    return 0 if sound else 1

if __name__ == "__main__":
    sys.exit(main())
