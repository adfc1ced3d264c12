//! The documents hang together: links lead somewhere, pages stand in the summary, blocks are of a
//! kind that a test reads, and the reference of the configuration has every key.

#[path = "common/pages.rs"]
mod pages;

use pages::{below, blocks, documents, root};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

#[test]
fn no_block_goes_unread() {
    for document in documents() {
        for block in blocks(&document) {
            let known = ["console", "console recorded", "toml", "toml client", "text"];
            let wire = document.ends_with("PROTOCOL.md");
            // A file with its place, which tests/recipes.rs puts there.
            let recipe = document.parent().unwrap().ends_with("recipes");
            let placed = recipe && block.tag.contains(" /");
            assert!(
                wire || placed || known.contains(&block.tag.as_str()),
                "{}: what is a block of {:?}?",
                block.place,
                block.tag
            );
            assert!(
                block.tag != "text" || !block.lines.join("\n").contains("ordain "),
                "{}: a command in a block that nobody runs",
                block.place
            );
        }
    }
}

/// A document's text with what it includes, its code left out.
fn prose(document: &Path) -> String {
    let text = std::fs::read_to_string(document).unwrap();
    let mut out = String::new();
    let mut code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        } else if let Some(include) = line.strip_prefix("{{#include ") {
            let path = include.trim_end_matches("}}");
            out.push_str(&prose(&document.parent().unwrap().join(path)));
        } else if !code {
            out.push_str(line);
            out.push('\n');
        }
    }

    out
}

/// The anchors of a document's headings, as GitHub and mdBook make them.
fn anchors(document: &Path) -> BTreeSet<String> {
    prose(document)
        .lines()
        .filter_map(|line| {
            line.strip_prefix('#')?
                .trim_start_matches('#')
                .strip_prefix(' ')
        })
        .map(|title| {
            title
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let link = regex::Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let mut links = 0;
    for document in documents() {
        // What is included is looked at where it stands.
        let own = std::fs::read_to_string(&document).unwrap();
        if own.starts_with("{{#include") {
            continue;
        }
        for found in link.captures_iter(&prose(&document)) {
            let target = &found[1];
            if target.starts_with("https://") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = match path {
                "" => document.clone(),
                path => document.parent().unwrap().join(path),
            };
            assert!(file.exists(), "{}: {target}", document.display());
            assert!(
                anchor.is_empty() || anchors(&file).contains(anchor),
                "{}: {target}: no such heading",
                document.display()
            );
            links += 1;
        }
    }
    assert!(links > 100, "only {links} links were found");
}

#[test]
fn every_page_stands_in_the_summary_once() {
    let book = root().join("docs/src");
    let summary = std::fs::read_to_string(book.join("SUMMARY.md")).unwrap();
    for page in below(&book) {
        let name = page.strip_prefix(&book).unwrap().display().to_string();
        let times = summary.matches(&format!("]({name})")).count();
        assert_eq!(times, usize::from(name != "SUMMARY.md"), "{name}");
    }
}

/// The keys of each table that a page of the reference describes: the heading `[NAME]` or the words
/// before the table say which table it is.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for page in ["configuration.md", "containment.md"] {
        let mut table = String::new();
        for line in prose(&root().join("docs/src").join(page)).lines() {
            if let Some(title) = line.strip_prefix("## ") {
                table = match title {
                    "Limits of a run" => "commands.NAME.limits".into(),
                    title => title.trim_matches(['`', '[', ']']).to_owned(),
                };
            } else if let Some(row) = line.strip_prefix("| `") {
                let keys = row.split(" |").next().unwrap().split(", `");
                found.entry(table.clone()).or_default().extend(
                    keys.map(|key| key.trim_matches('`').split('.').next().unwrap().to_owned()),
                );
            }
        }
    }

    // Its keys are names of the administrator's own: it has no other, and tells none as unknown.
    let named: Vec<String> = found
        .iter()
        .filter(|(_, keys)| keys.contains("NAME"))
        .map(|(table, _)| table.clone())
        .collect();
    found.retain(|table, _| !named.contains(table));

    // The keys outside every table are those, and the tables themselves.
    let tables: Vec<String> = found
        .keys()
        .filter(|table| *table != "More files")
        .map(|table| table.split('.').next().unwrap().to_owned())
        .collect();
    let mut outside = found.remove("More files").unwrap();
    outside.extend(named);
    outside.extend(tables);
    found.insert(String::new(), outside);
    found
}

/// The keys of each table that the program accepts, as it says itself of one that it does not know.
fn accepted(tables: &BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, BTreeSet<String>> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let mut text = String::from("strange = 1\n");
    for table in tables.keys().filter(|table| !table.is_empty()) {
        text.push_str(&format!("[{table}]\nstrange = 1\n"));
    }
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let judged = Command::new(env!("CARGO_BIN_EXE_ordaind"))
        .args(["check", "--offline", "--config"])
        .arg(&file)
        .output()
        .unwrap();
    let said = [judged.stdout, judged.stderr].concat();

    String::from_utf8(said)
        .unwrap()
        .lines()
        .filter_map(|line| {
            let (before, keys) = line.split_once("strange: unknown key; accepted are ")?;
            let table = before.rsplit(": ").next().unwrap().trim_end_matches('.');
            let keys = keys.split(", ").map(str::to_owned).collect();
            Some((table.to_owned(), keys))
        })
        .collect()
}

#[test]
fn the_reference_has_every_key_and_no_other() {
    let documented = documented();
    assert_eq!(documented, accepted(&documented));
}

#[test]
fn every_file_that_is_named_exists() {
    let name = regex::Regex::new(
        r"`((?:src|tests|benches|fuzz|docs|packaging|systemd|examples|tools|completions)/[a-z0-9_./-]*)",
    )
    .unwrap();
    let mut named = 0;
    for document in documents() {
        for found in name.captures_iter(&prose(&document)) {
            let path = root().join(&found[1]);
            assert!(path.exists(), "{}: {}", document.display(), &found[1]);
            named += 1;
        }
    }
    assert!(named > 20, "only {named} names were found");
}
