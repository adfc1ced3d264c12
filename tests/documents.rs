//! What the documents say and the sources know better is made from these: the trail's kinds and
//! fields, the ways a run ends, the codes, the bounds, the verbs, and the manual pages.

#[path = "common/verbs.rs"]
mod verbs;

use ordain::exit::Reason;
use ordain::protocol::Code;
use ordain::verb::Door;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;

fn source(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Two parts of one document are not written at once.
static WRITING: Mutex<()> = Mutex::new(());

/// Compares the part of a document that is made from a source with what is made of it now, or, with
/// ORDAIN_WRITE=1, writes it.
fn compare(document: &str, made_from: &str, made: &str) {
    const END: &str = "<!-- The made part ends here. -->\n";
    let begin = format!(
        "<!-- Made from {made_from} by tests/documents.rs; ORDAIN_WRITE=1 cargo test --test documents writes it. -->\n\n"
    );
    let _writing = WRITING.lock().unwrap();
    let text = source(document);
    let (head, rest) = text
        .split_once(&begin)
        .unwrap_or_else(|| panic!("{document} does not say {begin}"));
    let (written, tail) = match rest.find(END) {
        Some(end) => rest.split_at(end),
        None => (rest, ""),
    };

    if std::env::var_os("ORDAIN_WRITE").is_some() {
        let blank = if tail.is_empty() { "" } else { "\n" };
        let whole = format!("{head}{begin}{}\n{blank}{tail}", made.trim_end());
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(document), whole).unwrap();
        return;
    }
    assert_eq!(
        written.trim_end(),
        made.trim_end(),
        "{document} is not what {made_from} says; ORDAIN_WRITE=1 cargo test --test documents writes it"
    );
}

/// The doc comments of a source by the name that follows: of a constant, a variant, a code.
fn documented(text: &str) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let mut comment = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(said) = line.strip_prefix("/// ") {
            comment.push(said);
        } else if !comment.is_empty() {
            let line = line.trim_start_matches("pub ").trim_start_matches("const ");
            let end = line
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(line.len());
            let (name, rest) = line.split_at(end);
            found.push((name.to_owned(), rest.to_owned(), comment.join(" ")));
            comment.clear();
        }
    }

    found
}

/// `KeptEnded` as serde writes it.
fn kebab(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
    }

    out
}

/// What a type is called in JSON.
fn json_type(rust: &str) -> &'static str {
    match rust
        .trim_end_matches(',')
        .trim_start_matches("Option<")
        .trim_end_matches('>')
    {
        "&'a str" => "text",
        "&'a [String]" => "list of texts",
        "bool" => "boolean",
        "u8" | "u16" | "u32" | "u64" | "i32" | "usize" => "number",
        other => panic!("a record's field has the type {other}, which this does not know"),
    }
}

/// The kinds with their fields, from the doc comments of the enum.
fn kinds() -> String {
    let text = source("src/audit/record.rs");
    let body = text.split("pub enum What<'a> {").nth(1).unwrap();
    let mut out = String::new();
    let (mut comment, mut optional, mut inside) = (Vec::new(), false, false);

    for line in body.lines().map(str::trim) {
        if let Some(said) = line.strip_prefix("/// ") {
            comment.push(said.to_owned());
        } else if line.starts_with("#[serde(skip_serializing_if") {
            optional = true;
        } else if let Some(name) = line.strip_suffix(" {") {
            inside = true;
            out.push_str(&format!(
                "### `{}`\n\n{}\n\n| field | | |\n|---|---|---|\n",
                kebab(name),
                comment.join(" ")
            ));
            comment.clear();
        } else if line.starts_with("},") {
            inside = false;
            out.push('\n');
        } else if let (true, Some((name, rust))) = (inside, line.split_once(": ")) {
            let optional = if std::mem::take(&mut optional) {
                ", optional"
            } else {
                ""
            };

            out.push_str(&format!(
                "| `{name}` | {}{optional} | {} |\n",
                json_type(rust),
                comment.join(" ")
            ));
            comment.clear();
        } else if line == "}" {
            break;
        }
    }

    out
}

#[test]
fn the_trails_kinds_and_fields_are_documented() {
    let made = kinds();
    let kinds: Vec<&str> = made
        .lines()
        .filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'))
        .collect();
    assert_eq!(kinds, ordain::audit::KINDS);
    compare("TRAIL.md", "src/audit/record.rs", &made);

    for reason in [
        "exit",
        "signal",
        "timeout",
        "idle",
        "output-limit",
        "input-limit",
        "oom",
        "cancelled",
        "disconnected",
        "stopped",
        "revoked",
        "recording",
        "lost",
    ] {
        assert!(
            source("src/exit.rs").contains(&format!("=> \"{reason}\",")),
            "{reason}"
        );
    }

    // No comment that speaks of the one before it.
    assert!(
        !made.contains("As above"),
        "a field's meaning must stand beside it"
    );
}

/// That the list is exact is for the tests of the verifier to prove.
#[test]
fn what_a_forger_with_the_trails_key_can_change_is_documented() {
    let table = ordain::audit::unseen_table();
    compare("TRAIL.md", "src/audit/unseen.rs", &table);
    let text = source("TRAIL.md");
    for (name, ..) in ordain::audit::Open::default().named() {
        assert!(text.contains(&format!("\n| `{name}` | ")), "{name}");
    }
}

/// The part of a source that begins behind one text and ends before another.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(begin).unwrap();
    rest.split_once(end).unwrap().0
}

#[test]
fn the_ways_a_run_ends_are_documented() {
    let text = source("src/exit.rs");
    let body = between(&text, "pub enum Reason {", "\n}\n");
    let reasons = [
        Reason::Exit(0),
        Reason::Signal(1),
        Reason::Timeout,
        Reason::Cancelled,
        Reason::Disconnected,
        Reason::Revoked,
        Reason::Stopped,
        Reason::Idle,
        Reason::OutputLimit,
        Reason::InputLimit,
        Reason::OutOfMemory,
        Reason::Recording,
        Reason::Lost,
    ];
    let named: BTreeMap<String, Reason> = reasons
        .iter()
        .map(|reason| {
            let shown = format!("{reason:?}");
            let name = shown.split('(').next().unwrap().to_owned();
            (name, *reason)
        })
        .collect();

    let mut made =
        String::from("| reason | exit status of `ordain run` | what happened |\n|---|---|---|\n");
    let documented = documented(body);
    assert_eq!(documented.len(), named.len(), "a reason is missing here");
    for (name, _, said) in documented {
        let reason = named[&name];
        let status = match reason {
            Reason::Exit(_) => "the command's own".to_owned(),
            Reason::Signal(_) => "128+N for signal N".to_owned(),
            other => other.status().0.to_string(),
        };
        made.push_str(&format!("| `{}` | {status} | {said} |\n", reason.word()));
    }
    compare("docs/src/exit-status.md", "src/exit.rs", &made);
}

/// Every code by its number, with the doc comment of src/protocol/code.rs.
fn codes() -> BTreeMap<u16, (Code, String)> {
    let text = source("src/protocol/code.rs");
    let list = between(&text, "codes! {", "\n}\n");
    let codes: BTreeMap<u16, (Code, String)> = documented(list)
        .into_iter()
        .map(|(name, rest, said)| {
            let number: String = rest.chars().filter(char::is_ascii_digit).collect();
            let code = Code::numbered(number.parse().unwrap()).unwrap();
            assert_eq!(format!("{code:?}"), name);
            (code.number(), (code, said))
        })
        .collect();
    assert_eq!(codes.len(), Code::ALL.len());
    codes
}

#[test]
fn every_code_is_documented_and_has_a_next_step() {
    let troubleshooting = source("docs/src/troubleshooting.md");
    let mut made = String::from("| code | word | what went wrong |\n|---|---|---|\n");
    for (number, (code, said)) in codes() {
        let word = code.word();
        made.push_str(&format!(
            "| [{number}](troubleshooting.md#{number}-{word}) | `{word}` | {said} |\n"
        ));
        let heading = format!("\n### {number} {word}\n\n");
        let entry = troubleshooting
            .split_once(&heading)
            .unwrap_or_else(|| panic!("troubleshooting.md has no entry {heading:?}"))
            .1;
        let entry = entry.split("\n#").next().unwrap();
        for part in ["*Who sees it:* ", "*Next:* "] {
            assert!(entry.contains(part), "{number} does not say {part:?}");
        }
    }
    compare("docs/src/exit-status.md", "src/protocol/code.rs", &made);

    let entries: Vec<u16> = troubleshooting
        .lines()
        .filter_map(|line| line.strip_prefix("### ")?.split(' ').next()?.parse().ok())
        .collect();
    assert_eq!(entries, codes().into_keys().collect::<Vec<_>>());
}

#[test]
fn the_wires_table_of_codes_has_every_code() {
    let text = source("PROTOCOL.md");
    let section = between(&text, "\n## 8. Errors\n", "\n## 9.");
    let written: Vec<(u16, String)> = section
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let number = cells.first()?.parse().ok()?;
            assert!(!cells.last().unwrap().is_empty(), "{number} has no meaning");
            Some((number, cells[1].trim_matches('`').to_owned()))
        })
        .collect();
    let known: Vec<(u16, String)> = codes()
        .into_iter()
        .map(|(number, (code, _))| (number, code.word().to_owned()))
        .collect();
    assert_eq!(written, known);
}

/// The value of a constant of limits.rs: a product, a shift, a duration, or another constant.
fn value(expression: &str, known: &BTreeMap<String, u64>) -> (u64, &'static str) {
    let expression = expression.trim();
    for (maker, unit) in [("from_secs(", "s"), ("from_millis(", "ms")] {
        if let Some(inner) = expression
            .strip_prefix("Duration::")
            .and_then(|rest| rest.strip_prefix(maker))
        {
            return (value(inner.trim_end_matches(')'), known).0, unit);
        }
    }
    if let Some((left, right)) = expression.split_once("<<") {
        return (value(left, known).0 << value(right, known).0, "");
    }
    let product = expression
        .split('*')
        .map(|factor| factor.trim().replace('_', ""))
        .map(|factor| factor.parse().unwrap_or_else(|_| known[expression]))
        .product();
    (product, "")
}

/// A value as people write it.
fn readable(value: u64, unit: &str, said: &str) -> String {
    let whole = |units: &[(u64, &str)]| {
        let (size, name) = units
            .iter()
            .find(|(size, _)| value >= *size && value.is_multiple_of(*size))
            .copied()
            .unwrap();
        format!("{} {name}", value / size)
    };
    match unit {
        "s" => whole(&[(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")]),
        "ms" => format!("{value} ms"),
        _ if said.starts_with("Bytes") || said.contains("up to this size") => whole(&[
            (1 << 40, "TiB"),
            (1 << 30, "GiB"),
            (1 << 20, "MiB"),
            (1 << 10, "KiB"),
            (1, "bytes"),
        ]),
        _ => value.to_string(),
    }
}

#[test]
fn the_bounds_that_are_no_settings_are_documented() {
    let mut known = BTreeMap::new();
    let mut made = String::from("| bound | value | what it bounds, and why |\n|---|---|---|\n");
    for (name, rest, said) in documented(&source("src/limits.rs")) {
        let expression = rest.split_once('=').unwrap().1.trim_end_matches(';');
        let (number, unit) = value(expression, &known);
        let shown = readable(number, unit, &said);
        made.push_str(&format!("| `{name}` | {shown} | {said} |\n"));
        known.insert(name, number);
    }
    assert!(made.lines().count() > 60, "{made}");
    compare("docs/src/limits.md", "src/limits.rs", &made);
}

/// The table had 10 s where the code has 30.
#[test]
fn the_wires_deadlines_are_those_of_the_code() {
    use ordain::limits::{LOGIN_QUEUE, PING_EVERY, RESUME_WINDOW, SILENCE};
    let wire = source("PROTOCOL.md");
    let seconds = |time: std::time::Duration| format!("{} s", time.as_secs());
    for (row, time) in [
        (
            "| No whole frame from the client, after LOGGED_IN | ",
            SILENCE,
        ),
        (
            "| A frame of the server's that finds no room to be queued, because the client does not read | ",
            SILENCE,
        ),
        (
            "| A login's wait for its turn to be verified | ",
            LOGIN_QUEUE,
        ),
    ] {
        let cell = wire.split_once(row).unwrap().1.split_once(" |").unwrap().0;
        assert_eq!(cell, seconds(time), "{row}");
    }

    for (before, time) in [
        ("client sends PING every ", PING_EVERY),
        ("takes a client that sent no frame for ", SILENCE),
        ("until `resume_ms` is over (", RESUME_WINDOW),
    ] {
        let after = wire.split_once(before).unwrap().1;
        assert!(after.starts_with(&seconds(time)), "{before}");
    }

    // The first two are settings, whose defaults a configuration without them has.
    let settings = source("src/config/server.rs");
    for (key, seconds) in [("tls.handshake_timeout", 10), ("login.timeout", 60)] {
        let name = key.rsplit_once('.').unwrap().1;
        assert!(
            settings.contains(&format!("\"{name}\", {seconds}))")),
            "{key}"
        );
        assert!(
            wire.contains(&format!("| {seconds} s (`{key}`) |")),
            "{key}"
        );
    }
}

#[test]
fn every_verb_is_documented_by_its_definition() {
    let definitions = verbs::Definitions::read();
    compare(
        "PROTOCOL.md",
        "src/verb (the verbs of the wire)",
        &definitions.of(Door::Wire),
    );
    compare(
        "PROTOCOL.md",
        "src/verb (the verbs of the control socket)",
        &definitions.of(Door::Control),
    );
    compare(
        "PROTOCOL.md",
        "src/verb/invocation.rs",
        &definitions.part("Terminal"),
    );
    compare(
        "PROTOCOL.md",
        "src/verb/approvals.rs",
        &definitions.text(&["RunPlan", "PlannedFile"]),
    );
}

#[test]
fn the_request_text_has_the_fields_of_all_verbs_and_no_other() {
    let text = source("PROTOCOL.md");
    let section = between(&text, "\n### 5.2 The request text\n", "\n    signature = ");
    let written: BTreeSet<String> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(" |").next())
        .flat_map(|names| names.split(", "))
        .map(|name| name.trim_matches('`').to_owned())
        .collect();
    let mut known = verbs::Definitions::read().fields(Door::Wire);
    known.extend(["session", "counter", "id", "verb", "instance", "not_after"].map(str::to_owned));
    assert_eq!(written, known);
}

/// The generator of the man pages, as `cargo run --example documents` runs it.
#[path = "../tools/documents.rs"]
#[allow(dead_code, reason = "its main is what `cargo run --example` runs")]
mod pages;

#[test]
fn man_pages_are_made_from_what_help_says() {
    let folder = tempfile::tempdir().unwrap();
    let made = pages::make(folder.path()).unwrap();
    for page in [
        "ordain.1",
        "ordain-run.1",
        "ordaind.8",
        "ordaind-audit-verify.8",
        "ordain-certs.1",
        "ordain.toml.5",
    ] {
        assert!(made.iter().any(|name| name == page), "{page}: {made:?}");
    }

    let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(text("ordain-run.1").contains("dry\\-run") && text("ordaind.8").contains("doctor"));
    let configuration = text("ordain.toml.5");

    // Every kind of key has its paragraph.
    for key in [
        "include",
        "listen",
        "cpu_time",
        "retention",
        "handshake_timeout",
        "penalties",
        "rotate_size",
        "keep_age",
        "journal",
        "on_disconnect",
        "pattern",
    ] {
        assert!(configuration.contains(key), "{key}");
    }

    // What else somebody looks for in a page of a program.
    for (page, exit, file, variable, example) in [
        (
            "ordain.1",
            "255",
            "known_servers",
            "SSH_AUTH_SOCK",
            "ordain run web1 tail\\-log",
        ),
        (
            "ordaind.8",
            "audit verify",
            "control.sock",
            "LISTEN_FDS",
            "ordaind init \\-\\-dir try",
        ),
        (
            "ordain-certs.1",
            "The words on the",
            "ca.key",
            "no variable",
            "ordain\\-certs ca",
        ),
    ] {
        let page = text(page);
        for (title, said) in [
            ("EXIT STATUS", exit),
            ("FILES", file),
            ("ENVIRONMENT", variable),
            ("EXAMPLES", example),
        ] {
            let (_, rest) = page
                .split_once(&format!(".SH \"{title}\"\n"))
                .unwrap_or_else(|| panic!("no {title}"));
            let section = rest.split("\n.SH ").next().unwrap();
            assert!(section.contains(said), "{title}: {section}");
        }
    }
    assert!(text("ordain.1").contains("over\\-limit"), "every code");

    // The judgement of those who show them, where they are installed.
    for (program, words) in [
        ("groff", &["-man", "-Tutf8", "-ww", "-z"][..]),
        ("mandoc", &["-Tlint", "-Wwarning"]),
    ] {
        for page in &made {
            let mut judge = std::process::Command::new(program);
            let Ok(judged) = judge.args(words).arg(folder.path().join(page)).output() else {
                println!("skipped: there is no {program}");
                break;
            };
            assert!(
                judged.status.success() && judged.stderr.is_empty() && judged.stdout.is_empty(),
                "{page}: {}{}",
                String::from_utf8_lossy(&judged.stdout),
                String::from_utf8_lossy(&judged.stderr)
            );
        }
    }
}

/// A variable that a program looks at and no document names.
#[test]
fn every_variable_of_the_environment_is_documented() {
    let page = source("docs/src/files.md");
    // Those of debug builds alone.
    let of_tests = ["ORDAIN_FAULT", "ORDAIN_CLOCK", "ORDAIN_WRITE"];
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut found = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(path).unwrap();
            for call in ["env::var(\"", "env::var_os(\"", "number(\"", "folder(\""] {
                let names = text.split(call).skip(1);
                found.extend(names.map(|rest| rest.split('"').next().unwrap().to_owned()));
            }
        }
    }
    found.retain(|name| {
        let of_environment = name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        of_environment && !name.is_empty() && !of_tests.contains(&name.as_str())
    });
    assert!(found.contains("SSH_AUTH_SOCK") && found.contains("LISTEN_FDS"));
    for name in found {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}
