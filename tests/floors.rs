//! The floors of ARCHITECTURE.md: a module imports lower floors only, never its own floor or a
//! higher one. And a few things that a reader relies on: every file has a caption, `unsafe` lives
//! in `sys` alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const FLOORS: &[(usize, &[&str])] = &[
    (
        0,
        &[
            "ids", "clock", "limits", "secret", "exit", "encoding", "units",
        ],
    ),
    // What can be asked, in words: between the words and the rules that judge it.
    (1, &["request"]),
    (2, &["protocol", "policy", "penalty"]),
    (
        3,
        &["sys", "tls", "credential", "audit", "mux", "devca", "spool"],
    ),
    (4, &["exec", "vault"]),
    (5, &["ipc"]),
    (6, &["monitor", "frontend", "client"]),
    (7, &["config", "cli"]),
    (8, &["programs"]),
    (9, &["bin"]),
];

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|end| end == "rs") {
            into.push(path);
        }
    }
}

fn all() -> Vec<(String, PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 50, "the sources were not found");
    files
        .into_iter()
        .map(|path| {
            let relative = path.strip_prefix(&src).unwrap().to_path_buf();
            let first = relative
                .components()
                .next()
                .unwrap()
                .as_os_str()
                .to_string_lossy()
                .into_owned();
            let text = fs::read_to_string(&path).unwrap();
            (first.trim_end_matches(".rs").to_owned(), relative, text)
        })
        .collect()
}

/// The code before its tests, comments taken out.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]").next().unwrap();
    code.lines()
        .map(|line| line.split("//").next().unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The modules named behind `crate::`.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 1;
            let mut name = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }

                if depth == 0 || (depth == 1 && c == ',') {
                    found.push(name.trim().split("::").next().unwrap().to_owned());
                    name.clear();
                    if depth == 0 {
                        break;
                    }
                } else {
                    name.push(c);
                }
            }
        } else {
            found.push(
                rest.chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect(),
            );
        }
    }

    found.retain(|name| !name.is_empty());
    found
}

#[test]
fn modules_import_lower_floors_only() {
    let floor: BTreeMap<&str, usize> = FLOORS
        .iter()
        .flat_map(|(floor, names)| names.iter().map(|name| (*name, *floor)))
        .collect();
    let mut faults = Vec::new();
    let mut edges = 0;
    for (module, path, text) in all() {
        if module == "lib" || path.to_string_lossy().ends_with("_tests.rs") {
            continue;
        }
        let own = floor
            .get(module.as_str())
            .unwrap_or_else(|| panic!("{module} has no floor"));
        for import in imports(&code(&text)) {
            if import == module {
                continue;
            }
            edges += 1;
            let other = floor
                .get(import.as_str())
                .unwrap_or_else(|| panic!("{}: crate::{import} has no floor", path.display()));
            if other >= own {
                faults.push(format!(
                    "{}: {module} (floor {own}) imports {import} (floor {other})",
                    path.display()
                ));
            }
        }
    }

    assert!(edges > 100, "imports were not found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_file_has_a_caption() {
    for (_, path, text) in all() {
        assert!(
            text.starts_with("//!"),
            "{} has no //! caption",
            path.display()
        );
    }
}

#[test]
fn unsafe_lives_in_sys_alone_and_each_block_says_why() {
    for (module, path, text) in all() {
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let plain = line.split("//").next().unwrap();
            if !(plain.contains("unsafe {") || plain.contains("unsafe impl")) {
                continue;
            }
            assert_eq!(module, "sys", "{}:{}", path.display(), number + 1);
            let said = lines[number.saturating_sub(8)..=number]
                .iter()
                .any(|line| line.contains("// SAFETY:"));
            assert!(
                said,
                "{}:{} has no SAFETY comment",
                path.display(),
                number + 1
            );
        }
    }
}

#[test]
fn no_rooms_for_everything() {
    for (_, path, _) in all() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(
            !["common", "util", "utils", "helper", "helpers", "misc"].contains(&name.as_str()),
            "{}",
            path.display()
        );
    }
}
