//! A trail as a daemon writes it, with real keys, and what somebody makes of it who holds the trail's
//! key too.

use super::*;
use crate::credential::{Gathering, Purpose, SessionKey, SessionPublic, SshPublic, Statement};
use crate::ids::{RequestId, RunId, SessionId};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

/// The records of a trail, whose numbers, hashes and checkpoints are still to be made.
pub(super) type Records = Vec<Map<String, Value>>;

pub(super) fn trail_key() -> TrailKey {
    TrailKey::of(&Zeroizing::new([7; 32])).unwrap()
}

/// Chains the records and signs the checkpoints, as whoever has the trail's key can.
///
/// A record with `dropped` has its place in the chain, and is not there. A `removed` record without
/// hashes gets them.
pub(super) fn chained(records: &Records) -> Vec<String> {
    let (key, mut head, mut lines) = (trail_key(), Head::default(), Vec::new());
    let mut links = vec![head.link];
    for record in records {
        let mut record = record.clone();
        let dropped = record.remove("dropped").is_some();
        if record.get("kind") == Some(&json!("removed")) && !record.contains_key("last_hash") {
            let at = |key: &str| usize::try_from(record[key].as_u64().unwrap()).unwrap();
            let (before, last) = (links[at("first") - 1], links[at("last")]);
            record.insert("before_hash".into(), json!(base64(&before)));
            record.insert("last_hash".into(), json!(base64(&last)));
        }
        record.insert("seq".into(), json!(head.seq + 1));
        record.insert("prev".into(), json!(base64(&head.link)));
        if record.get("kind") == Some(&json!("checkpoint")) {
            record.insert("signature".into(), json!(key.sign(&head)));
        }
        let line = Value::Object(record).to_string();
        head = Head {
            seq: head.seq + 1,
            link: link(line.as_bytes()),
        };
        links.push(head.link);
        if !dropped {
            lines.push(line);
        }
    }
    lines
}

/// The record that a file with these records is about to be removed.
pub(super) fn removed(first: u64, last: u64) -> Map<String, Value> {
    object(json!({
        "kind": "removed", "file": "trail-1.jsonl", "first": first, "last": last, "why": "age",
    }))
}

/// These records, of which some, counted from 0, are not there.
pub(super) fn without(records: &Records, gone: std::ops::Range<usize>) -> Records {
    let mut records = records.clone();
    for record in &mut records[gone] {
        record.insert("dropped".into(), json!(true));
    }
    records
}

/// What the verifier says of these lines.
pub(super) fn verified(lines: &[String]) -> Report {
    walked(lines, false)
}

/// What the verifier says of these lines; `part` where they are a part of a trail.
pub(super) fn walked(lines: &[String], part: bool) -> Report {
    let check = |by: SignedBy<'_>, text: &str, signature: &str| {
        let session = |key: &str, purpose| {
            SessionPublic::read(key).is_some_and(|key| key.verifies(purpose, text, signature))
        };
        match by {
            SignedBy::Login(key) => session(key, Purpose::Login),
            SignedBy::Request(key) => session(key, Purpose::Request),
            SignedBy::SshKey(fingerprint, place) => Statement::with(text, place)
                .and_then(|what| SshPublic::says(&what, signature))
                .is_ok_and(|signer| signer.fingerprint() == fingerprint),
        }
    };
    let mut verifier = Verifier::new(Some(trail_key().public()), Some(&check), None);
    if part {
        verifier = verifier.of_a_part();
    }
    for (number, line) in lines.iter().enumerate() {
        verifier.line(&|| format!("{}", number + 1), line.as_bytes(), true);
    }
    verifier.finish()
}

/// A user's client, with the key of one session.
pub(super) struct Client {
    user: &'static str,
    pub(super) session: String,
    key: SessionKey,
    connection: u64,
    counter: u64,
    /// The id of its kept login.
    kept: Value,
    /// What proved its login.
    by: String,
}

impl Client {
    pub(super) fn new(user: &'static str, session: u8, key: u8) -> Self {
        Self {
            user,
            session: SessionId::from_random([session; 20]).to_string(),
            key: SessionKey::from_seed(Zeroizing::new([key; 32])).unwrap(),
            connection: 0,
            counter: 0,
            kept: Value::Null,
            by: "password".into(),
        }
    }

    /// The record of an accepted login over a new connection; `with` is what the text has beside.
    pub(super) fn login(
        &mut self,
        connection: u64,
        method: &str,
        with: Value,
    ) -> Map<String, Value> {
        // Many by one signature are a way to use an SSH key, and no method of their own.
        let (method, many) = match method {
            "many" => ("ssh-key", true),
            method => (method, false),
        };
        self.connection = connection;
        let public = self.key.public();
        let mut text = json!({
            "version": 1, "user": self.user, "method": method, "session_key": public,
            "server_key": "c2VydmVy", "nonce": format!("nonce {connection}"),
        });
        match (method, &with["keep"]) {
            ("kept", _) => self.kept = with["session"].clone(),
            (_, Value::Bool(true)) => self.kept = json!(self.session),
            _ => {}
        }
        text.as_object_mut().unwrap().extend(object(with));
        let signed = text.to_string();
        let mut record = object(json!({
            "kind": "login", "connection": connection, "source": self.source(), "user": self.user,
            "method": method, "outcome": "accepted", "by": self.by, "session": self.session,
            "session_key": public, "signature": self.key.sign(Purpose::Login, &signed),
            "signed": signed.clone(),
        }));
        if method == "ssh-key" {
            let (by, proof) = match many {
                false => by_ssh_key(&Statement::login(&signed)),
                true => gathered(&signed, &mut record),
            };
            record.extend(object(json!({ "by": by, "key_signature": proof })));
            self.by = by;
        }
        if !self.kept.is_null() {
            record.insert("kept".into(), self.kept.clone());
        }
        record
    }

    fn source(&self) -> String {
        format!("192.0.2.1:{}", 1000 + self.connection)
    }

    /// The record of a granted request, whose text has these fields; `says` is what the record has
    /// beside.
    pub(super) fn request(&mut self, id: u8, asks: Value, says: Value) -> Map<String, Value> {
        self.counter += 1;
        let mut text = json!({
            "session": self.session, "counter": self.counter,
            "id": RequestId::from_random([id; 20]),
        });
        text.as_object_mut().unwrap().extend(object(asks.clone()));
        let signed = text.to_string();
        let mut record = object(json!({
            "kind": "request", "connection": self.connection, "user": self.user,
            "source": self.source(), "verb": asks["verb"], "decision": "granted", "rule": "a rule",
            "signature": self.key.sign(Purpose::Request, &signed), "signed": signed,
        }));
        for key in ["command", "root", "path"] {
            if let Some(said) = asks.get(key) {
                record.insert(key.into(), said.clone());
            }
        }
        record.extend(object(says));
        record
    }
}

/// The fingerprint of an SSH key, and its signature for a login among others; the record says where
/// it stands among them.
fn gathered(text: &str, record: &mut Map<String, Value>) -> (String, String) {
    let all = Gathering::of(&["one", "two", text, "four", "five"]).unwrap();
    let place = all.place(2).unwrap();
    record.extend(object(json!({
        "gathered_index": place.index, "gathered_count": place.count, "gathered_path": place.path,
    })));
    by_ssh_key(&Statement::logins(&all))
}

/// The fingerprint of an SSH key, and its signature of what is said.
fn by_ssh_key(what: &Statement) -> (String, String) {
    let string = |bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        [&length[..], bytes].concat()
    };
    let pair = Ed25519KeyPair::from_seed_unchecked(&[21; 32]).unwrap();
    let kind = string(b"ssh-ed25519");
    let key = [kind.clone(), string(pair.public_key().as_ref())].concat();
    let key = SshPublic::of_bytes(&key).unwrap();
    let signature = pair.sign(&what.to_sign().unwrap());
    let raw = [kind, string(signature.as_ref())].concat();
    (key.fingerprint(), what.blob(&key, &raw))
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => panic!("not an object"),
    }
}

pub(super) fn run(number: u8) -> String {
    RunId::from_random([number; 10]).to_string()
}

/// Makes a granted request's record that of a refusal.
fn refused(mut record: Map<String, Value>, code: u16) -> Map<String, Value> {
    record.extend(object(
        json!({ "decision": "refused", "code": code, "text": "no" }),
    ));
    record
}

fn without_text(mut record: Map<String, Value>) -> Map<String, Value> {
    record.remove("signed");
    record
}

fn end(number: u8, user: &str, reason: &str) -> Map<String, Value> {
    let mut record = object(json!({
        "kind": "end", "run": run(number), "user": user, "command": "deploy", "reason": reason,
        "duration_ms": 5, "user_ms": 1, "system_ms": 1, "peak_kib": 900, "left_killed": 0,
        "left_running": 0, "tree": "verified",
    }));
    record.extend(object(match reason {
        "not-started" => json!({ "text": "the executable is missing" }),
        _ => json!({
            "number": 0, "bytes_reported_by": "frontend", "stdin_bytes": 0, "stdout_bytes": 9,
            "stderr_bytes": 0,
        }),
    }));
    record
}

/// What a run of `deploy` asks for, and what its record says of that.
pub(super) fn deploy(number: u8) -> (Value, Value) {
    let asks = json!({
        "verb": "run", "command": "deploy", "reason": "OPS-1",
        "arguments": {
            "version": "1.2", "retries": 3, "force": true, "hosts": ["a", "b"],
            "token": { "secret": "Y29tbWl0bWVudA==" },
        },
    });
    let says = json!({
        "run": run(number), "run_as": "deploy", "reason": "OPS-1",
        "argv": ["/bin/deploy", "--to=1.2", "3", "-f", "a", "b", "--token=***"],
        "holes": ["", "--to={version}", "{retries}", "{force}", "{hosts}", "{hosts}", "--token={token}"],
    });
    (asks, says)
}

/// The begin of a trail: two sessions, a run that goes on, refusals.
pub(super) fn beginning() -> Records {
    let (mut alice, mut bob) = (Client::new("alice", 1, 11), Client::new("bob", 2, 12));
    begin(&mut alice, &mut bob)
}

/// The same, and alice has said something at its end.
pub(super) fn talk() -> Records {
    let (mut alice, mut bob) = (Client::new("alice", 1, 11), Client::new("bob", 2, 12));
    let mut records = begin(&mut alice, &mut bob);
    let time = |mut record: Map<String, Value>| {
        record.insert("time".into(), json!("2026-01-31T12:01:00.000000Z"));
        record
    };
    records.push(time(alice.request(
        6,
        json!({ "verb": "say", "text": "hello", "run": run(1) }),
        json!({ "run": run(1) }),
    )));
    records.push(time(object(
        json!({ "kind": "said", "user": "alice", "text": "hello", "run": run(1) }),
    )));
    records
}

/// The same, and another run of alice's, to which bob has agreed before it began; its plan says how many
/// must.
pub(super) fn agreement(needed: u64) -> Records {
    let (mut alice, mut bob) = (Client::new("alice", 1, 11), Client::new("bob", 2, 12));
    let mut records = begin(&mut alice, &mut bob);
    let plan = json!({
        "version": 1, "run": run(2), "requester": "alice", "source": "192.0.2.1",
        "command": "deploy", "argv": ["/bin/deploy"], "cwd": "/", "run_as": "deploy",
        "stdin": "none", "files": [{ "path": "/bin/deploy", "sha256": "0".repeat(64) }],
        "rules": "1".repeat(64), "asked": 1, "until": 2, "by": "lead", "needed": needed,
    })
    .to_string();
    let digest = crate::verb::plan_digest(&plan);
    let (asks, says) = deploy(2);
    let more = [
        alice.request(7, asks, says),
        object(json!({
            "kind": "approval", "run": run(2), "user": "alice", "command": "deploy", "plan": plan,
        })),
        bob.request(
            8,
            json!({ "verb": "approve", "run": run(2), "command": "deploy", "plan": digest }),
            json!({ "run": run(2) }),
        ),
        object(json!({ "kind": "start", "run": run(2), "pid": 71 })),
    ];
    records.extend(more.into_iter().map(|mut record| {
        record.insert("time".into(), json!("2026-01-31T12:01:00.000000Z"));
        record
    }));
    records
}

fn begin(alice: &mut Client, bob: &mut Client) -> Records {
    let (asks, says) = deploy(1);
    let mut records = vec![
        object(json!({ "kind": "started", "version": "1", "instance": "i", "pid": 7 })),
        object(
            json!({ "kind": "connection", "connection": 1, "source": "192.0.2.1:1001", "reported_by": "frontend" }),
        ),
        alice.login(1, "password", json!({ "keep": true })),
        alice.request(1, json!({ "verb": "list" }), json!({})),
        alice.request(2, asks.clone(), says),
        object(json!({ "kind": "start", "run": run(1), "pid": 70 })),
        object(
            json!({ "kind": "executable", "command": "deploy", "path": "/bin/deploy", "run": run(1) }),
        ),
        object(
            json!({ "kind": "login", "connection": 8, "source": "192.0.2.8:1", "user": "x", "method": "password", "outcome": "refused", "reason": "wrong password" }),
        ),
        bob.login(2, "ssh-key", json!({})),
        object(json!({ "kind": "checkpoint" })),
        refused(bob.request(3, asks.clone(), json!({})), 400),
        bob.request(
            4,
            json!({ "verb": "attach", "run": run(1), "follow": true }),
            json!({ "run": run(1) }),
        ),
        alice.login(3, "session", json!({ "session": alice.session.clone() })),
        alice.request(2, asks, json!({ "run": run(1) })),
        alice.request(
            5,
            json!({ "verb": "cancel", "run": run(1) }),
            json!({ "run": run(1) }),
        ),
    ];
    for (number, record) in records.iter_mut().enumerate() {
        record.insert(
            "time".into(),
            json!(format!("2026-01-31T12:00:{number:02}.000000Z")),
        );
    }
    records
}

/// A trail in which every kind of record that is compared with anything stands, in every shape.
pub(super) fn whole() -> Records {
    let (mut alice, mut bob) = (Client::new("alice", 1, 11), Client::new("bob", 2, 12));
    let mut records = begin(&mut alice, &mut bob);
    let mut again = Client::new("alice", 3, 11);
    let mut carol = Client::new("carol", 4, 14);
    let (asks, says) = deploy(2);
    let garbage = refused(
        bob.request(6, json!({ "verb": "unknown" }), json!({ "signed": "{" })),
        302,
    );
    bob.counter -= 1;
    let mut preview = asks.clone();
    preview["verb"] = json!("preview");
    let shown = json!({ "run_as": "deploy", "argv": says["argv"], "holes": says["holes"] });
    let mut more = vec![
        garbage,
        bob.request(8, json!({ "verb": "whoami" }), json!({})),
        object(json!({ "kind": "handed-on", "run": run(1), "input_cut": false })),
        end(1, "alice", "exit"),
        again.login(5, "kept", json!({ "session": alice.session.clone() })),
        again.request(9, asks.clone(), says),
        end(2, "alice", "not-started"),
        without_text(refused(again.request(10, asks, json!({})), 401)),
        without_text(again.request(
            7,
            json!({ "verb": "explain", "command": "deploy" }),
            json!({}),
        )),
        again.request(11, preview, shown),
        again.request(
            12,
            json!({ "verb": "describe", "command": "deploy" }),
            json!({}),
        ),
        object(json!({ "kind": "logout", "session": bob.session, "user": "bob" })),
        carol.login(6, "many", json!({})),
        carol.request(13, json!({ "verb": "runs" }), json!({})),
        carol.request(14, deploy(4).0, deploy(4).1),
        object(json!({ "kind": "start", "run": run(4), "pid": 72 })),
        end(4, "carol", "signal"),
        object(json!({ "kind": "logout", "session": carol.session, "user": "carol" })),
    ];
    more.extend(a_put());
    more.extend([
        object(json!({ "kind": "gap", "missed": 1 })),
        object(json!({ "kind": "start", "run": run(3), "pid": 71 })),
        end(3, "bob", "exit"),
        object(
            json!({ "kind": "logout", "session": alice.session, "user": "alice", "reason": "ended by a user" }),
        ),
        object(json!({ "kind": "logout", "session": again.session, "user": "alice" })),
        object(
            json!({ "kind": "kept-ended", "kept": alice.session, "user": "alice", "reason": "ended by a user" }),
        ),
    ]);
    more.extend(OTHERS.map(|other| object(serde_json::from_str(other).unwrap())));
    for record in &mut more {
        record.insert("time".into(), json!("2026-01-31T12:01:00.000000Z"));
    }
    records.extend(more);
    records
}

/// A put, from the login of its user to the logout, placed as it was signed.
fn a_put() -> Records {
    let mut dave = Client::new("dave", 5, 15);
    let sum = json!({ "digest": "5e".repeat(32), "files": 2, "bytes": 9 });
    let place = json!({ "root": "site", "path": "page" });
    let with = |verb: &str, more: &[&Value]| {
        let mut asks = object(json!({ "verb": verb }));
        asks.extend(object(place.clone()));
        more.iter()
            .for_each(|more| asks.extend(object((*more).clone())));
        Value::Object(asks)
    };
    let (of_run, of_mover) = (
        json!({ "run": run(5) }),
        json!({ "run": run(5), "run_as": "deploy", "argv": ["ordaind", "--mover"] }),
    );
    let mut over = end(5, "dave", "exit");
    over.insert("command".into(), json!("site:put"));
    over.extend(object(sum.clone()));
    vec![
        dave.login(7, "password", json!({})),
        dave.request(15, with("put", &[]), of_mover),
        object(json!({ "kind": "start", "run": run(5), "pid": 73, "folder": "1:2" })),
        dave.request(16, with("commit", &[&of_run, &sum]), of_run.clone()),
        over,
        object(json!({ "kind": "logout", "session": dave.session, "user": "dave" })),
    ]
}

/// Records that no user's signature speaks of.
const OTHERS: [&str; 13] = [
    r#"{"kind":"lock","user":"bob","state":"locked","reason":"left","uid":0}"#,
    r#"{"kind":"penalty","subject":"user","who":"x","state":"closed","misdeeds":5,"seconds":60}"#,
    r#"{"kind":"totp","user":"bob","state":"made","uid":0}"#,
    r#"{"kind":"reload","outcome":"accepted","generation":2,"changes":["command x added"]}"#,
    r#"{"kind":"certificate","fingerprint":"f","expires":"e","same_key":true}"#,
    r#"{"kind":"summed","source":"192.0.2.0/24","connections":3,"logins_refused":1,"violations":0,"seconds":60}"#,
    r#"{"kind":"violation","connection":9,"text":"t","reported_by":"frontend"}"#,
    r#"{"kind":"vault","state":"replaced"}"#,
    r#"{"kind":"local","verb":"reload","uid":0,"decision":"granted"}"#,
    r#"{"kind":"standing","what":"lock","user":"bob","reason":"left","since":1,"uid":0}"#,
    r#"{"kind":"removed","file":"trail-3.jsonl","first":1,"last":3,"before_hash":"","last_hash":"","why":"size"}"#,
    r#"{"kind":"stopping","runs":0}"#,
    r#"{"kind":"checkpoint"}"#,
];

#[test]
fn an_honest_trail_is_proved_and_what_is_open_in_it_is_counted() {
    let report = verified(&chained(&whole()));
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    let expected = Open {
        unread: 1,
        withheld: 2,
        skipped: 2,
        unknown_runs: 1,
        ..Open::default()
    };
    assert_eq!((report.open, report.granted), (expected, 13));
    assert_eq!((report.signatures, report.checkpoints), (20, 2));
    let open = verified(&chained(&beginning())).open;
    assert_eq!((open.without_end, open.without_logout), (1, 2));
}

/// What lies before the first record that is there is not known, and is counted instead.
#[test]
fn an_honest_trail_is_sound_from_any_record_on() {
    let lines = chained(&whole());
    for first in 0..lines.len() {
        let report = walked(&lines[first..], true);
        assert!(report.faults.is_empty(), "{first}: {:?}", report.faults);
        assert!(report.granted <= report.signatures, "{first}: {report:?}");
    }
}

/// The records of a trail whose beginning is not there, and what is behind them.
pub(super) fn cut_off(after: Records) -> Records {
    let mut records = without(&beginning(), 0..10);
    records.extend(after);
    records
}

pub(super) fn checkpoint() -> Map<String, Value> {
    object(json!({ "kind": "checkpoint" }))
}

#[test]
fn what_no_daemon_does_is_a_fault_though_users_have_signed_it() {
    let started =
        || object(json!({ "kind": "started", "version": "1", "instance": "i", "pid": 8 }));
    let start = |number| object(json!({ "kind": "start", "run": run(number), "pid": 1 }));
    let whoami = || (json!({ "verb": "whoami" }), json!({}));
    let mut alice = Client::new("alice", 1, 11);
    let (asks, says) = deploy(1);
    let before = vec![
        started(),
        alice.login(1, "password", json!({})),
        alice.request(1, asks.clone(), says),
        start(1),
    ];
    let logout = object(json!({ "kind": "logout", "session": alice.session, "user": "alice" }));
    let login = alice.login(1, "password", json!({}));
    let second = alice.request(1, asks.clone(), deploy(2).1);
    let another = alice.request(2, asks, deploy(1).1);
    let later = alice.request(3, whoami().0, whoami().1);
    let mut bob = Client::new("bob", 1, 12);
    let cases = [
        ("a second run of one request", vec![second]),
        ("a run that two requests begin", vec![another]),
        (
            "a request after the logout",
            vec![logout.clone(), later.clone()],
        ),
        ("a logout twice", vec![logout.clone(), logout]),
        ("a request of a daemon before", vec![started(), later]),
        (
            "the start of a run of a daemon before",
            vec![started(), start(1)],
        ),
        ("a session that begins twice", vec![login]),
        (
            "another's session",
            vec![bob.login(2, "session", json!({ "session": alice.session }))],
        ),
    ];
    for (what, after) in cases {
        let records = [before.clone(), after].concat();
        let report = verified(&chained(&records));
        assert_eq!(report.faults.len(), 1, "{what}: {:?}", report.faults);
    }
    assert!(verified(&chained(&before)).faults.is_empty());
}
