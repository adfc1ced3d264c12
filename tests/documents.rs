//! What the documents say and the sources know better is made from these: the trail's kinds and
//! fields.

use std::path::Path;

fn source(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
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
    const BEGIN: &str = "ORDAIN_WRITE=1 cargo test --test documents writes it. -->\n\n";
    let document = source("TRAIL.md");
    let (head, written) = document.split_once(BEGIN).unwrap();
    let made = kinds();
    let kinds: Vec<&str> = made
        .lines()
        .filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'))
        .collect();
    assert_eq!(kinds, ordain::audit::KINDS);
    if std::env::var_os("ORDAIN_WRITE").is_some() {
        std::fs::write(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("TRAIL.md"),
            format!("{head}{BEGIN}{}", made.trim_end().to_owned() + "\n"),
        )
        .unwrap();
        return;
    }

    assert_eq!(
        written.trim_end(),
        made.trim_end(),
        "TRAIL.md is not what record.rs says"
    );

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

/// The generator of the man pages, as `cargo run --example documents` runs it.
#[path = "../examples/documents.rs"]
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

    // Every key of the README's table has its paragraph.
    for key in [
        "include",
        "listen",
        "handshake_timeout",
        "penalties",
        "rotate_size",
        "journal",
        "on_disconnect",
        "pattern",
    ] {
        assert!(configuration.contains(key), "{key}");
    }

    // groff's own judgement, where it is installed.
    for page in &made {
        let Ok(judged) = std::process::Command::new("groff")
            .args(["-man", "-Tutf8", "-ww", "-z"])
            .arg(folder.path().join(page))
            .output()
        else {
            return;
        };
        assert!(
            judged.status.success() && judged.stderr.is_empty(),
            "{page}: {}",
            String::from_utf8_lossy(&judged.stderr)
        );
    }
}
