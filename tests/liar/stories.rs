//! Honest conversations, with every frame that a server may send and every field that it may have.

use super::{Act, On, Step, Story, When};
use ordain::credential::sha256;
use ordain::encoding::{base64, hex};
use ordain::protocol::Kind;
use serde_json::{Value, json};

const RUN: &str = "bf10y69mve2s8brh";
const SESSION: &str = "6ww2hzd7jjg04z9g4j079pme7swga5hz";

/// The verbs that are asked for.
pub const VERBS: [&str; 22] = [
    "run",
    "attach",
    "list",
    "describe",
    "preview",
    "explain",
    "whoami",
    "passwd",
    "sessions",
    "end-session",
    "runs",
    "room",
    "approvals",
    "approve",
    "deny",
    "say",
    "who",
    "signal",
    "cancel",
    "output",
    "recordings",
    "recording",
];

fn frame(when: When, kind: Kind, on: On, payload: Vec<u8>) -> Step {
    let (kind, length) = (kind.number(), None);
    Act::Send {
        kind,
        on,
        length,
        payload,
    }
    .when(when)
}

fn says(when: When, kind: Kind, payload: &Value) -> Step {
    frame(when, kind, On::Own, payload.to_string().into_bytes())
}

fn of_connection(when: When, kind: Kind, payload: &Value) -> Step {
    frame(when, kind, On::Connection, payload.to_string().into_bytes())
}

fn hello() -> Step {
    of_connection(
        When::Accepted,
        Kind::Hello,
        &json!({
            "version": 1, "software": "ordaind 0.1.0", "features": ["resume", "events", "window", "gathered", "unattended"],
            "nonce": base64(&[7; 32]), "instance": "rkdxhghe7j8r8g3n",
            "now_ms": 86_400_000,
        }),
    )
}

fn greeting() -> Vec<Step> {
    let logged_in = json!({ "session": SESSION, "user": "alice" });
    vec![
        hello(),
        of_connection(When::Login, Kind::LoggedIn, &logged_in),
    ]
}

fn started(more: &Value) -> Value {
    let mut started = json!({
        "run": RUN, "stdin": false, "timeout_ms": 600_000, "terminal": false,
        "outlives_client": false,
    });
    for (name, value) in more.as_object().unwrap() {
        started[name] = value.clone();
    }
    started
}

fn exit(stdin: u64, stdout: u64, stderr: u64) -> Value {
    json!({
        "run": RUN, "reason": "exit", "number": 0, "duration_ms": 12, "user_ms": 1, "system_ms": 1,
        "peak_kib": 900, "left_killed": 0, "left_running": 0, "verified": true, "goes_on": false,
        "cut": false, "stdin_bytes": stdin, "stdout_bytes": stdout, "stderr_bytes": stderr,
        "held_open": false,
    })
}

fn failure(code: u16) -> Value {
    json!({
        "code": code, "text": "no", "argument": "name", "rule": "roles.x (config.toml:3)", "stop_ms": 5,
    })
}

fn story(name: &'static str, words: &[&'static str], steps: Vec<Step>) -> Story {
    Story {
        name,
        words: words.to_vec(),
        settings: "client.toml",
        input: None,
        script: greeting().into_iter().chain(steps).collect(),
        status: 0,
        runs: false,
        from: 0,
    }
}

fn answered(
    name: &'static str,
    words: &[&'static str],
    verb: &'static str,
    answer: &Value,
) -> Story {
    story(
        name,
        words,
        vec![says(When::Open(verb), Kind::Answer, answer)],
    )
}

fn described() -> Value {
    json!({
        "name": "deploy", "summary": "Deploys", "usage": "deploy VERSION --token SECRET",
        "arguments": [
            {
                "name": "version", "kind": "choice", "bounds": "one of v1, v2", "choices": ["v1", "v2"],
                "required": true, "default": "v1", "repeated": false, "secret": false,
                "positional": true, "summary": "Which",
            },
            {
                "name": "token", "kind": "string", "bounds": "1 to 64 bytes", "required": true,
                "repeated": false, "secret": true, "positional": false,
            },
        ],
        "stdin": false, "stdin_max": 1000, "timeout_ms": 60_000, "confirm": true,
        "approval_by": "dba", "approval_needed": 1, "record": "required",
        "outlives_client": true, "terminal": true, "reason": "OPS-[0-9]+",
    })
}

fn waiting() -> Value {
    let plan = json!({
        "version": 1, "run": RUN, "requester": "bob", "source": "192.0.2.1", "command": "greet",
        "argv": ["/bin/greet", "a\u{202e}b\u{1b}[2J"], "secrets": { "token": "Y29tbWl0" },
        "environment": ["WORD=\u{9b}x"], "cwd": "/", "run_as": "www", "stdin": "none",
        "files": [{ "path": "/bin/greet", "sha256": "0".repeat(64) }], "rules": "1".repeat(64),
        "reason": "OPS-1", "asked": 1, "until": 2, "by": "dba", "needed": 2,
    });
    let line = json!({
        "plan": plan.to_string(), "agreed": ["carol"], "yours": true, "left_s": 60,
        "changed": ["/bin/greet"],
    });
    json!({ "approvals": [line], "more": 1 })
}

fn recordings() -> Value {
    let line = json!({
        "run": RUN, "user": "alice", "command": "greet", "arguments": "word=x", "since": 1_790_000_000,
        "seconds": 3, "ended": "exit", "number": 3, "bytes": 1000, "whole": true,
        "sha256": "0".repeat(64), "held": "case 7",
    });
    json!({ "recordings": [line], "more": true })
}

fn recording() -> Value {
    let header = r#"{"version":3,"term":{"cols":80,"rows":24},"title":"greet"}"#;
    let cast = format!("{header}\n[0.0, \"o\", \"honest output\\n\"]\n[0.0, \"x\", \"0\"]\n");
    json!({
        "part": base64(cast.as_bytes()), "bytes": cast.len(),
        "sha256": hex(&sha256(cast.as_bytes())),
    })
}

fn lines() -> Value {
    json!([
        { "run": RUN, "user": "alice", "command": "greet", "arguments": "word=x", "since": 1_790_000_000, "seconds": 3, "waiting": false },
        {
            "run": RUN, "user": "alice", "command": "greet", "since": 1_790_000_000, "seconds": 300, "waiting": false,
            "ended": "exit", "number": 3,
        },
    ])
}

pub fn stories() -> Vec<Story> {
    let mut all = runs();
    all.extend(answers());
    all.extend(refusals());
    all
}

fn runs() -> Vec<Story> {
    let run = When::Open("run");
    let attach = When::Open("attach");
    let output = |when, text: &str| frame(when, Kind::Stdout, On::Own, text.as_bytes().to_vec());
    let whole = story(
        "run",
        &["run", "HOST", "greet"],
        vec![
            says(
                run,
                Kind::Queued,
                &json!({ "run": RUN, "text": "another run" }),
            ),
            of_connection(run, Kind::Ping, &json!({ "token": 7 })),
            says(
                run,
                Kind::Started,
                &started(&json!({ "stdin": true, "resume_ms": 1000, "window_max": 8_388_608 })),
            ),
            of_connection(
                run,
                Kind::Goaway,
                &json!({ "text": "stopping", "stop_ms": 5 }),
            ),
            output(run, "honest output\n"),
            frame(run, Kind::Stderr, On::Own, b"honest error\n".to_vec()),
            says(
                run,
                Kind::Credit,
                &json!({ "bytes": 1000, "window": 1_048_576 }),
            ),
            of_connection(run, Kind::Pong, &json!({ "token": 0 })),
            says(When::Eof, Kind::Exit, &exit(6, 14, 13)),
        ],
    );
    let deaf = story(
        "deaf",
        &["run", "HOST", "greet"],
        vec![
            says(run, Kind::Started, &started(&json!({ "stdin": true }))),
            says(run, Kind::StdinClosed, &json!({})),
            output(run, "honest output\n"),
            says(run, Kind::Exit, &exit(0, 14, 0)),
        ],
    );
    let healed = story(
        "healed",
        &["run", "HOST", "greet"],
        vec![
            says(run, Kind::Started, &started(&json!({ "resume_ms": 1000 }))),
            output(run, "honest output\n"),
            Act::Cut.when(run),
            says(
                attach,
                Kind::Started,
                &started(&json!({
                    "stdout_from": 14, "stderr_from": 0, "stdin_bytes": 0, "stdin_credit": 1000,
                    "stdout_lost_from": 14, "stderr_lost_from": 0, "resume_ms": 1000,
                })),
            ),
            output(attach, "more\n"),
            says(attach, Kind::Exit, &exit(0, 19, 0)),
        ],
    );
    let attached = story(
        "attach",
        &["attach", "HOST", RUN, "--from", "5"],
        vec![
            says(
                attach,
                Kind::Started,
                &started(&json!({ "stdout_from": 5, "stderr_from": 0 })),
            ),
            output(attach, "honest output\n"),
            says(attach, Kind::Exit, &exit(100, 19, 0)),
        ],
    );
    let mut so_far = exit(0, 14, 0);
    so_far["goes_on"] = true.into();
    so_far["reason"] = "lost".into();
    so_far.as_object_mut().unwrap().remove("number");
    let kept = story(
        "output",
        &["output", "HOST", RUN],
        vec![
            says(
                attach,
                Kind::Started,
                &started(&json!({ "stdout_from": 0, "stderr_from": 0 })),
            ),
            output(attach, "honest output\n"),
            says(attach, Kind::Exit, &so_far),
        ],
    );
    let input = Some("input\n");
    vec![
        Story {
            input,
            runs: true,
            ..whole
        },
        Story {
            input,
            runs: true,
            ..deaf
        },
        Story {
            runs: true,
            ..healed
        },
        Story {
            runs: true,
            from: 5,
            ..attached
        },
        Story { runs: true, ..kept },
    ]
}

fn answers() -> Vec<Story> {
    let preview = json!({
        "rule": "roles.x (config.toml:3)", "argv": ["/bin/deploy", "v1", "***"], "run_as": "www",
        "cwd": "/",
    });
    let describe = || says(When::Open("describe"), Kind::Answer, &described());
    let run = When::Open("run");
    let commands = json!({ "commands": [{ "name": "greet", "summary": "Greets" }] });
    let kept = json!({ "session": SESSION, "user": "alice", "kept_s": 28_800 });
    let mut login = story("login", &["login", "HOST"], vec![]);
    login.script = vec![hello(), of_connection(When::Login, Kind::LoggedIn, &kept)];
    vec![
        login,
        story(
            "deploy",
            &["run", "HOST", "deploy", "v1", "--token", "@password"],
            vec![
                describe(),
                says(run, Kind::Started, &started(&json!({}))),
                says(run, Kind::Exit, &exit(0, 0, 0)),
            ],
        ),
        story(
            "confirm",
            &["run", "HOST", "deploy"],
            vec![
                says(run, Kind::Error, &failure(403)),
                says(When::Open("preview"), Kind::Answer, &preview),
            ],
        )
        .failing(),
        story(
            "dry-run",
            &["run", "--dry-run", "HOST", "deploy"],
            vec![
                describe(),
                says(When::Open("preview"), Kind::Answer, &preview),
            ],
        ),
        answered("approvals", &["approvals", "HOST"], "approvals", &waiting()),
        answered(
            "approvals, one",
            &["approvals", "HOST", RUN],
            "approvals",
            &waiting(),
        ),
        story(
            "approve",
            &["approve", "--yes", "HOST", RUN],
            vec![
                says(When::Open("approvals"), Kind::Answer, &waiting()),
                says(
                    When::Open("approve"),
                    Kind::Answer,
                    &json!({ "approved": RUN, "missing": 1 }),
                ),
            ],
        ),
        story(
            "deny",
            &["--json", "deny", "HOST", RUN],
            vec![
                says(When::Open("approvals"), Kind::Answer, &waiting()),
                says(When::Open("deny"), Kind::Answer, &json!({ "denied": RUN })),
            ],
        ),
        answered(
            "recordings",
            &["recordings", "HOST"],
            "recordings",
            &recordings(),
        ),
        answered(
            "replay",
            &["replay", "HOST", RUN],
            "recording",
            &recording(),
        ),
        answered(
            "export",
            &["export", "HOST", RUN, "--format", "txt"],
            "recording",
            &recording(),
        ),
        answered("list", &["list", "HOST"], "list", &commands),
        answered(
            "list as JSON",
            &["--json", "list", "HOST"],
            "list",
            &commands,
        ),
        answered(
            "describe",
            &["describe", "HOST", "deploy"],
            "describe",
            &described(),
        ),
        answered(
            "explain",
            &["explain", "HOST", "deploy"],
            "explain",
            &json!({
                "decision": "refused", "decided_by": "default deny", "code": 400, "text": "no",
                "argv": ["/bin/deploy"], "considered": ["roles.x (config.toml:3): not of this user"],
            }),
        ),
        answered(
            "whoami",
            &["whoami", "HOST"],
            "whoami",
            &json!({
                "user": "alice", "source": "192.0.2.1", "by": "password", "roles": ["ops"],
                "groups": ["wheel"], "out_of_hours": ["roles.ops holds Mon 08:00-18:00 UTC"],
                "session": SESSION, "kept": SESSION, "kept_s": 100,
            }),
        ),
        answered(
            "passwd",
            &["passwd", "HOST", "--new-password-file", "password"],
            "passwd",
            &json!({ "ended_sessions": 2 }),
        ),
        answered(
            "sessions",
            &["sessions", "HOST"],
            "sessions",
            &json!({ "sessions": [{
                "session": SESSION, "user": "alice", "state": "connected", "by": "password",
                "source": "192.0.2.1", "age_s": 10, "kept_s": 100, "this": true,
            }] }),
        ),
        answered(
            "end",
            &["sessions", "HOST", "--end", "all"],
            "end-session",
            &json!({ "ended_sessions": 2 }),
        ),
        answered(
            "runs",
            &["runs", "HOST"],
            "runs",
            &json!({ "runs": lines() }),
        ),
        answered(
            "signal",
            &["signal", "HOST", RUN, "HUP"],
            "signal",
            &json!({ "signalled": RUN }),
        ),
        answered(
            "cancel",
            &["cancel", "HOST", RUN],
            "cancel",
            &json!({ "cancelled": RUN }),
        ),
        answered(
            "say",
            &["say", "HOST", "hello"],
            "say",
            &json!({ "said": 7 }),
        ),
        answered(
            "who",
            &["who", "HOST"],
            "who",
            &json!({ "users": [here()] }),
        ),
    ]
}

/// A line of `who`.
fn here() -> Value {
    json!({ "user": "bob", "sessions": 2, "age_s": 60, "in_room": true, "watching": [RUN] })
}

/// Somebody has said something, and a run has ended.
fn happened(id: u64) -> Value {
    let said = json!({ "id": id, "at": "2026-01-31T12:00:00.000000Z", "kind": "said", "user": "bob", "text": "hello", "run": RUN });
    let end = json!({ "id": id, "at": "2026-01-31T12:00:00.000000Z", "kind": "end", "user": "bob", "run": RUN, "command": "deploy", "ended": "exit", "number": 3 });
    let page = json!({ "events": [said, end], "upto": id, "last": id });
    json!({ "id": id, "missed": 1, "what": page })
}

fn refusals() -> Vec<Story> {
    let runs = When::Open("runs");
    let room = When::Open("room");
    let event = |id: u64| json!({ "id": id, "missed": 1, "what": { "runs": lines() } });
    let mut login = story("login refused", &["list", "HOST"], vec![]);
    login.script = vec![
        hello(),
        of_connection(When::Login, Kind::Error, &failure(200)),
    ];
    let mut early = login.clone();
    early.name = "refused early";
    early.script = vec![of_connection(When::Accepted, Kind::Error, &failure(106))];
    vec![
        login.failing(),
        early.failing(),
        story(
            "refused",
            &["run", "HOST", "deploy"],
            vec![says(When::Open("run"), Kind::Error, &failure(400))],
        )
        .failing(),
        story(
            "follow",
            &["runs", "HOST", "--follow"],
            vec![
                says(runs, Kind::Event, &event(1)),
                says(runs, Kind::Event, &event(2)),
                says(runs, Kind::Error, &failure(106)),
            ],
        )
        .failing(),
        story(
            "room",
            &["room", "--listen", "HOST"],
            vec![
                says(room, Kind::Event, &happened(1)),
                says(room, Kind::Event, &happened(2)),
                says(room, Kind::Error, &failure(106)),
            ],
        )
        .failing(),
    ]
}

impl Story {
    /// The same, which ends as a failure.
    fn failing(self) -> Self {
        Self {
            status: 255,
            ..self
        }
    }
}
