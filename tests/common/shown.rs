//! The commands that a document shows, and whether what they print is what is shown of it.

use super::pages::blocks;
use std::path::Path;

/// A command as it is shown, and what is shown of its output.
pub struct Shown {
    pub place: String,
    pub line: String,
    pub output: Vec<String>,
}

/// The commands of a document, in their order.
pub fn commands(document: &Path) -> Vec<Shown> {
    let mut found: Vec<Shown> = Vec::new();
    for block in blocks(document) {
        let recorded = match block.tag.as_str() {
            "console" => false,
            "console recorded" => true,
            _ => continue,
        };
        for (at, line) in block.lines.iter().enumerate() {
            let command = line.strip_prefix("$ ").or_else(|| line.strip_prefix("# "));
            match command.filter(|_| at == 0 || !recorded) {
                Some(command) => found.push(Shown {
                    place: block.place.clone(),
                    line: command.to_owned(),
                    output: Vec::new(),
                }),
                None => found.last_mut().unwrap().output.push(line.clone()),
            }
        }
    }

    found
}

/// Each command with the status that it is to have: 0, unless `echo $?` below it shows another.
pub fn with_status(shown: Vec<Shown>) -> Vec<(Shown, i32)> {
    let mut all: Vec<(Shown, i32)> = Vec::new();
    for next in shown {
        match next.line == "echo $?" {
            true => all.last_mut().unwrap().1 = next.output[0].parse().unwrap(),
            false => all.push((next, 0)),
        }
    }
    all
}

/// Lines in which `…` stands for anything: alone for any lines, else for the rest or a part of one.
pub fn pattern(expected: &str) -> regex::Regex {
    let mut text = String::from(r"\A");
    for line in expected.lines() {
        text.push_str(&match line {
            "…" => "(?s:.*)".to_owned(),
            line => regex::escape(line).replace('…', r"[^\n]*") + r"\n",
        });
    }
    regex::Regex::new(&(text + r"\n*\z")).unwrap()
}

/// Runs what is shown, by `run`, and compares what it prints; what is wrong. Ids of runs that a document
/// shows stand for those that `run --detach` has printed here.
pub fn play(
    (shown, status): &(Shown, i32),
    ids: &mut Vec<(String, String)>,
    here: impl Fn(&str) -> String,
    run: impl Fn(&str) -> (i32, String),
) -> Option<String> {
    let mut line = here(&shown.line);
    let mut expected = here(&shown.output.join("\n"));
    for (shown, here) in ids.iter() {
        line = line.replace(shown, here);
        expected = expected.replace(shown, here);
    }

    let (found, text) = run(&line);
    let fault = format!(
        "{}: {line}\nends with {found} and prints\n{text}",
        shown.place
    );
    if std::env::var_os("ORDAIN_SHOW").is_some() {
        println!("{fault}");
    }
    if line.contains("--detach") {
        let id = text.trim().to_owned();
        ids.push((std::mem::replace(&mut expected, id.clone()), id));
    }

    let fits = shown.output.is_empty() || pattern(&expected).is_match(&text);
    (found != *status || !fits).then(|| format!("{fault}and not {status} and\n{expected}\n"))
}
