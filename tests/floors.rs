//! The floors of ARCHITECTURE.md: a module imports lower floors only, never its own floor or a
//! higher one. And a few things that a reader relies on: every file has a caption, `unsafe` lives
//! in `sys` alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const FLOORS: &[(usize, &[&str])] = &[
    (
        0,
        &[
            "ids", "clock", "limits", "secret", "exit", "encoding", "units", "place", "source",
            "sync", "host",
        ],
    ),
    // What can be asked, in words, and of whom: between the words and the rules that judge it.
    (1, &["verb", "nodes", "files", "cast"]),
    (
        2,
        &["protocol", "policy", "penalty", "ledger", "budget", "fair"],
    ),
    (
        3,
        &["sys", "tls", "credential", "audit", "mux", "devca", "spool"],
    ),
    (4, &["exec", "vault", "mover", "recorder"]),
    (5, &["ipc", "fleet"]),
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

/// The module that a file is, from the crate's root.
fn module_of(relative: &Path) -> Vec<String> {
    let mut parts: Vec<String> = relative
        .with_extension("")
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    if parts
        .last()
        .is_some_and(|last| last == "mod" || last == "lib")
    {
        parts.pop();
    }
    parts
}

/// A `use` with its braces spelled out: the paths, and by which name each is known here.
fn spelled_out(tree: &str) -> Vec<(String, String)> {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let (path, name) = match tree.split_once(" as ") {
            Some((path, name)) => (path.trim(), name.trim()),
            None => (tree, tree.rsplit("::").next().unwrap()),
        };
        if let Some(module) = path.strip_suffix("::self") {
            return vec![(module.into(), module.rsplit("::").next().unwrap().into())];
        }
        return vec![(path.into(), name.into())];
    };

    let (prefix, group) = (&tree[..open], &tree[open + 1..tree.rfind('}').unwrap()]);
    let mut found = Vec::new();
    let (mut depth, mut begin) = (0, 0);
    for (at, c) in group.char_indices().chain([(group.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let part = group[begin..at].trim();
                begin = at + 1;
                if !part.is_empty() {
                    found.extend(spelled_out(&format!("{prefix}{part}")));
                }
            }
            _ => {}
        }
    }
    found
}

/// One file: what it imports, what it only passes on, and its code without both.
struct Read {
    file: String,
    module: Vec<String>,
    imports: Vec<(String, String)>,
    passed_on: Vec<(String, String)>,
    body: String,
}

impl Read {
    fn new(relative: &Path, text: &str) -> Self {
        let code = code(text);
        let (mut imports, mut passed_on, mut body) = (Vec::new(), Vec::new(), String::new());
        let mut rest = code.as_str();
        while let Some(at) = rest.find("use ") {
            let before = rest[..at].rsplit('\n').next().unwrap().trim();
            let (head, tail) = rest.split_at(at);
            body.push_str(head);
            if !(before.is_empty() || before.starts_with("pub")) {
                body.push_str("use ");
                rest = &tail["use ".len()..];
                continue;
            }
            let end = tail.find(';').unwrap();
            let paths = spelled_out(&tail["use ".len()..end]);
            if before.starts_with("pub") {
                passed_on.extend(paths);
            } else {
                imports.extend(paths);
            }
            rest = &tail[end..];
        }
        body.push_str(rest);
        let (file, module) = (relative.to_string_lossy().into_owned(), module_of(relative));
        Self {
            file,
            module,
            imports,
            passed_on,
            body,
        }
    }

    /// A path as it is written here, from the crate's root; `None` where it leads out of the crate.
    fn absolute(&self, path: &str, modules: &Modules) -> Option<Vec<String>> {
        let mut parts: Vec<String> = path.split("::").map(str::to_owned).collect();
        let mut base = self.module.clone();
        match parts[0].as_str() {
            "crate" => {
                base.clear();
                parts.remove(0);
            }
            "self" => drop(parts.remove(0)),
            "super" => {
                while parts.first().is_some_and(|part| part == "super") {
                    base.pop();
                    parts.remove(0);
                }
            }
            first => {
                let child: Vec<String> = base.iter().cloned().chain([first.to_owned()]).collect();
                modules.get(&child)?;
            }
        }
        base.extend(parts);
        Some(base)
    }
}

type Modules = BTreeMap<Vec<String>, usize>;

/// The file in which what a path names is defined, through whoever passes it on.
fn defined_in(path: &[String], files: &[Read], modules: &Modules) -> Option<usize> {
    let longest = (0..=path.len())
        .rev()
        .find(|length| modules.contains_key(&path[..*length]))?;
    let at = modules[&path[..longest]];
    let Some(name) = path.get(longest) else {
        return Some(at);
    };
    let passed = files[at].passed_on.iter().find(|(_, known)| known == name);
    match passed.and_then(|(path, _)| files[at].absolute(path, modules)) {
        Some(path) => defined_in(&path, files, modules),
        None => Some(at),
    }
}

/// Every path in code that begins with this word.
fn paths_from<'c>(body: &'c str, word: &str) -> Vec<&'c str> {
    let begins = format!("{word}::");
    let of_a_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    body.match_indices(&begins)
        .filter(|(at, _)| !body[..*at].ends_with(of_a_path))
        .map(|(at, _)| {
            body[at..]
                .split(|c: char| !of_a_path(c))
                .next()
                .unwrap()
                .trim_end_matches(':')
        })
        .collect()
}

/// Which file needs which.
fn needs(files: &[Read], modules: &Modules) -> Vec<BTreeSet<usize>> {
    let of = |read: &Read| {
        let mut paths: Vec<Vec<String>> = Vec::new();
        for word in ["crate", "super", "self"] {
            paths.extend(
                paths_from(&read.body, word)
                    .iter()
                    .filter_map(|path| read.absolute(path, modules)),
            );
        }
        for (path, name) in &read.imports {
            let Some(path) = read.absolute(path, modules) else {
                continue;
            };
            if !modules.contains_key(&path) {
                paths.push(path);
                continue;
            }
            // A module: what is taken from it stands in the code.
            paths.extend(paths_from(&read.body, name).iter().map(|used| {
                let within = used.split("::").skip(1).map(str::to_owned);
                path.iter().cloned().chain(within).collect()
            }));
        }
        let children = modules.keys().filter(|module| {
            module.len() == read.module.len() + 1 && module.starts_with(&read.module)
        });
        for child in children.filter(|_| read.file.ends_with("mod.rs")) {
            paths.extend(
                paths_from(&read.body, child.last().unwrap())
                    .iter()
                    .filter_map(|path| read.absolute(path, modules)),
            );
        }
        paths
            .iter()
            .filter_map(|path| defined_in(path, files, modules))
            .collect::<BTreeSet<usize>>()
    };
    files
        .iter()
        .enumerate()
        .map(|(own, read)| of(read).into_iter().filter(|other| *other != own).collect())
        .collect()
}

/// The sets of files each of which needs, in the end, every other of its set.
fn circles(needs: &[BTreeSet<usize>]) -> Vec<Vec<usize>> {
    let reached: Vec<BTreeSet<usize>> = (0..needs.len())
        .map(|from| {
            let (mut reached, mut open) = (BTreeSet::new(), vec![from]);
            while let Some(at) = open.pop() {
                open.extend(needs[at].iter().filter(|next| reached.insert(**next)));
            }
            reached
        })
        .collect();
    let mut found: Vec<Vec<usize>> = Vec::new();
    for from in 0..needs.len() {
        let circle: Vec<usize> = (0..needs.len())
            .filter(|to| reached[from].contains(to) && reached[*to].contains(&from))
            .collect();
        if !circle.is_empty() && !found.contains(&circle) {
            found.push(circle);
        }
    }
    found
}

#[test]
fn no_file_needs_one_that_needs_it() {
    let files: Vec<Read> = all()
        .iter()
        .filter(|(_, path, _)| {
            !path.to_string_lossy().ends_with("tests.rs") && !path.starts_with("bin")
        })
        .map(|(_, path, text)| Read::new(path, text))
        .collect();
    let modules: Modules = files
        .iter()
        .enumerate()
        .map(|(at, read)| (read.module.clone(), at))
        .collect();
    let needs = needs(&files, &modules);
    let arrows: usize = needs.iter().map(BTreeSet::len).sum();
    let circles = circles(&needs);
    println!(
        "{} files, {arrows} arrows, {} circles",
        files.len(),
        circles.len()
    );
    let mut told = Vec::new();
    for circle in &circles {
        told.push(format!("a circle of {} files:", circle.len()));
        for from in circle {
            let to: Vec<&str> = needs[*from]
                .iter()
                .filter(|to| circle.contains(to))
                .map(|to| files[*to].file.as_str())
                .collect();
            told.push(format!("  {} needs {}", files[*from].file, to.join(", ")));
        }
    }
    assert!(arrows > 400, "imports were not found");
    assert!(circles.is_empty(), "{}", told.join("\n"));
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

/// Texts of servers and files are printed by the two functions that make them harmless.
#[test]
fn nothing_prints_but_the_functions_for_it() {
    // The prompts, and the daemon's log, which has no text of a server.
    let may = ["programs/output.rs", "programs/ask.rs", "programs/logs.rs"];
    for (_, path, text) in all() {
        if may.iter().any(|end| path.ends_with(end)) {
            continue;
        }
        let code = text
            .replace("stdout().is_terminal()", "")
            .replace("stderr().is_terminal()", "");
        for way in ["io::stdout()", "io::stderr()", "/dev/tty\").write"] {
            assert!(!code.contains(way), "{}: {way}", path.display());
        }
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

/// The verbs' types, from the list that registers them.
fn verbs() -> Vec<String> {
    let list = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/verb/mod.rs"));
    let list = list.unwrap();
    let list = list
        .split("\nverbs! {")
        .nth(1)
        .unwrap()
        .split("\n}")
        .next()
        .unwrap();
    list.split_whitespace()
        .filter(|word| word.starts_with(char::is_uppercase))
        .map(str::to_owned)
        .collect()
}

/// Where a verb is at work: its definition and its line in the list, what serves it, what it does,
/// who asks for it. What is found everywhere would have to be changed everywhere.
#[test]
fn a_verbs_name_stands_in_few_files() {
    let files: Vec<Read> = all()
        .iter()
        .filter(|(_, path, _)| !path.to_string_lossy().ends_with("tests.rs"))
        .map(|(_, path, text)| Read::new(path, text))
        .collect();
    let verbs = verbs();
    assert!(verbs.len() >= 20, "the verbs were not found");
    for verb in verbs {
        let defined = format!("impl Verb for {verb} ");
        let speaks = |read: &&Read| {
            let imported = read
                .imports
                .iter()
                .any(|(path, _)| *path == format!("crate::verb::{verb}"));
            let named = paths_from(&read.body, "verb").contains(&format!("verb::{verb}").as_str());
            imported || named || read.body.contains(&defined)
        };
        let found: Vec<&str> = files
            .iter()
            .filter(speaks)
            .map(|read| read.file.as_str())
            .collect();
        println!("{verb}: {}", found.join(", "));
        let defining = files.iter().filter(|read| read.body.contains(&defined));
        assert_eq!(defining.count(), 1, "{verb} is defined once");
        let serving = found
            .iter()
            .filter(|file| file.starts_with("monitor/serve/"));
        assert_eq!(
            serving.count(),
            1,
            "{verb} is served in one place: {found:?}"
        );
        // `run` is the most: it is also what an errand of the daemon's own is granted as.
        assert!(
            found.len() <= 10,
            "{verb} stands in {} files: {found:?}",
            found.len()
        );
    }
}
