//! Makes the man pages: `cargo run --example documents -- DIR`. Those of the programs come from the
//! definitions of `--help`, ordain.toml(5) from the book's pages on the configuration.

use clap::CommandFactory;
use ordain::cli::{CertsArgs, ClientArgs, DaemonArgs};
use std::fs;
use std::io;
use std::path::Path;

fn main() -> std::process::ExitCode {
    let folder = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "target/documents".into());
    match make(Path::new(&folder)) {
        Ok(pages) => {
            println!("{} pages in {folder}", pages.len());
            std::process::ExitCode::SUCCESS
        }

        Err(fault) => {
            eprintln!("{folder}: {fault}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// Writes every page into a folder; their names.
pub fn make(folder: &Path) -> io::Result<Vec<String>> {
    fs::create_dir_all(folder)?;
    let mut made = Vec::new();
    for (command, section) in [
        (ClientArgs::command(), "1"),
        (DaemonArgs::command(), "8"),
        (CertsArgs::command(), "1"),
    ] {
        let name = command.get_name().to_owned();
        program(folder, command, &name, section, &mut made)?;
    }

    fs::write(folder.join("ordain.toml.5"), ascii(&configuration()?))?;
    made.push("ordain.toml.5".into());
    Ok(made)
}

/// A program's page, and one for each of its verbs.
fn program(
    folder: &Path,
    mut command: clap::Command,
    name: &str,
    section: &str,
    made: &mut Vec<String>,
) -> io::Result<()> {
    command.build();
    let page = format!("{name}.{section}");
    // clap wants names that live as long as the program, which is not long here.
    let called: &'static str = Box::leak(name.to_owned().into_boxed_str());
    let shown = command.clone().name(called).display_name(called);
    let mut text = Vec::new();
    let mut rendered = clap_mangen::Man::new(shown)
        .section(section)
        .source("ordain")
        .manual("ordain");
    rendered = rendered.title(name);
    rendered.render(&mut text)?;
    for (title, parts) in SECTIONS
        .iter()
        .filter(|(of, ..)| *of == name)
        .flat_map(|(_, all)| *all)
    {
        text.extend(told(title, parts)?.bytes());
    }
    let see = "ordain(1), ordaind(8), ordain-certs(1), ordain.toml(5)";
    text.extend(format!(".SH \"SEE ALSO\"\n{see}\n").bytes());
    fs::write(folder.join(&page), ascii(&String::from_utf8_lossy(&text)))?;
    made.push(page);
    for verb in command
        .get_subcommands()
        .filter(|verb| !verb.is_hide_set() && verb.get_name() != "help")
    {
        program(
            folder,
            verb.clone().disable_help_subcommand(true),
            &format!("{name}-{}", verb.get_name()),
            section,
            made,
        )?;
    }
    Ok(())
}

/// A section of a manual page: its title, and the parts of the book that it is made of, each by its page
/// and its heading there.
type Section = (&'static str, &'static [(&'static str, &'static str)]);

/// What stands in a program's page beside what `--help` says.
const SECTIONS: [(&str, &[Section]); 3] = [
    (
        "ordain",
        &[
            (
                "EXIT STATUS",
                &[
                    ("exit-status.md", "Exit status of `ordain run`"),
                    ("exit-status.md", "Codes"),
                ],
            ),
            ("ENVIRONMENT", &[("files.md", "Environment of `ordain`")]),
            ("FILES", &[("files.md", "Files of `ordain`")]),
            ("EXAMPLES", &[("client.md", "Arguments")]),
        ],
    ),
    (
        "ordaind",
        &[
            (
                "EXIT STATUS",
                &[(
                    "exit-status.md",
                    "Exit status of `ordaind` and `ordain-certs`",
                )],
            ),
            ("ENVIRONMENT", &[("files.md", "Environment of `ordaind`")]),
            ("FILES", &[("files.md", "Files of `ordaind`")]),
            (
                "EXAMPLES",
                &[
                    ("quick-start.md", "A server of your own, without root"),
                    ("operating.md", "Status, metrics, doctor"),
                ],
            ),
        ],
    ),
    (
        "ordain-certs",
        &[
            (
                "EXIT STATUS",
                &[(
                    "exit-status.md",
                    "Exit status of `ordaind` and `ordain-certs`",
                )],
            ),
            (
                "ENVIRONMENT",
                &[("files.md", "Environment of `ordain-certs`")],
            ),
            ("FILES", &[("files.md", "Files of `ordain-certs`")]),
            ("EXAMPLES", &[("certificates.md", "Certificates")]),
        ],
    ),
];

/// A section out of parts of the book.
fn told(title: &str, parts: &[(&str, &str)]) -> io::Result<String> {
    let mut out = format!(".SH \"{title}\"\n");
    for (page, heading) in parts {
        let found = part(&fs::read_to_string(book().join(page))?, heading);
        let missing = || io::Error::other(format!("{page} has no heading {heading}"));
        roff(&mut out, &found.ok_or_else(missing)?);
    }
    Ok(out)
}

/// What stands below a heading of a page, up to the next one of its kind.
fn part(page: &str, heading: &str) -> Option<String> {
    let (mut found, mut code) = (None::<String>, false);
    for line in page.lines() {
        code ^= line.starts_with("```");
        let title = line
            .strip_prefix("## ")
            .or_else(|| line.strip_prefix("# "))
            .filter(|_| !code);
        match (title, &mut found) {
            (Some(title), None) if title == heading => found = Some(String::new()),
            (Some(_), Some(_)) => break,
            (_, Some(text)) if !line.starts_with("<!--") => {
                text.push_str(line);
                text.push('\n');
            }
            _ => {}
        }
    }
    found
}

/// Where the book is.
fn book() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src")
}

/// The pages of the book that ordain.toml(5) is made of, in its order.
const CONFIGURATION: [&str; 4] = [
    "configuration.md",
    "commands.md",
    "containment.md",
    "durable-runs.md",
];

/// ordain.toml(5): whole pages of the book, one after the other.
fn configuration() -> io::Result<String> {
    let mut out = String::from(
        ".TH ordain.toml 5 \"\" ordain ordain\n.SH NAME\nordain.toml \\- what ordaind serves: commands, arguments, roles, users\n.SH SYNOPSIS\n/etc/ordain/config.toml\n",
    );
    for page in CONFIGURATION {
        roff(&mut out, &fs::read_to_string(book().join(page))?);
    }
    out.push_str(".SH \"SEE ALSO\"\nordain(1), ordaind(8), ordain-certs(1)\n");
    Ok(out)
}

/// Ends a paragraph: what was collected of it goes out.
fn end_paragraph(out: &mut String, paragraph: &mut String) {
    if !paragraph.is_empty() {
        out.push_str(&format!("{}\n", inline(paragraph)));
        paragraph.clear();
    }
}

/// A page of Markdown as a section of a manual page.
fn roff(out: &mut String, page: &str) {
    let (mut code, mut item, mut paragraph) = (false, false, String::new());
    let mut columns = Vec::new();
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            end_paragraph(out, &mut paragraph);
            out.push_str(if code {
                ".fi\n.RE\n"
            } else {
                ".PP\n.RS\n.nf\n"
            });
            (code, item) = (!code, false);
            continue;
        }
        if code {
            out.push_str(&format!("{}\n", plain(line)));
            continue;
        }

        if line.is_empty() {
            end_paragraph(out, &mut paragraph);
            item = false;
        } else if let Some(title) = line.strip_prefix("# ") {
            out.push_str(&format!(".SH \"{}\"\n", plain(&title.to_uppercase())));
        } else if let Some(title) = line
            .strip_prefix("## ")
            .or_else(|| line.strip_prefix("### "))
        {
            out.push_str(&format!(".SS \"{}\"\n", inline(title)));
        } else if line.starts_with('|') {
            // The row above the rule holds the names of the columns.
            if lines.next_if(|next| next.starts_with("|---")).is_some() {
                columns = cells(line);
            } else {
                row(out, &columns, line);
            }
        } else if let Some(text) = line.strip_prefix("* ") {
            end_paragraph(out, &mut paragraph);
            out.push_str(".IP \\(bu 2\n");
            (item, paragraph) = (true, text.to_owned());
        } else {
            if paragraph.is_empty() && !item {
                out.push_str(".PP\n");
            }
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(line.trim());
        }
    }
    end_paragraph(out, &mut paragraph);
}

/// The cells of a table's row.
fn cells(line: &str) -> Vec<&str> {
    let line = line.trim().trim_matches('|');
    line.split(" | ").map(str::trim).collect()
}

/// A table's row as a tagged paragraph: the first cell with its type and default, and what it means
/// below them.
fn row(out: &mut String, columns: &[&str], line: &str) {
    let cells = cells(line);
    let (Some((first, rest)), Some(meaning)) = (cells.split_first(), cells.last()) else {
        return;
    };
    let notes: Vec<String> = rest
        .iter()
        .zip(columns.iter().skip(1))
        .take(rest.len().saturating_sub(1))
        .filter(|(cell, _)| !cell.is_empty() && **cell != "none")
        .map(|(cell, column)| match *column {
            "default" if *cell != "required" => format!("default: {}", inline(cell)),
            _ => inline(cell),
        })
        .collect();

    let notes = match notes.join("; ") {
        notes if notes.is_empty() => notes,
        notes => format!(" ({notes})"),
    };
    out.push_str(&format!(
        ".TP\n{}{notes}\n{}\n",
        inline(first),
        inline(meaning)
    ));
}

/// What is not ASCII in the form that every roff understands.
fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            out.push(c)
        } else {
            out.push_str(&format!("\\[u{:04X}]", u32::from(c)))
        }
    }

    out
}

/// Text that roff takes as it is.
fn plain(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) {
        format!("\\&{text}")
    } else {
        text
    }
}

/// `code`, **bold** and [links](…) of Markdown.
fn inline(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['`', '[', '*']) {
        let (before, from) = rest.split_at(at);
        out.push_str(&plain(before));
        let taken = if let Some((code, after)) =
            from.strip_prefix('`').and_then(|from| from.split_once('`'))
        {
            out.push_str(&format!("\\fB{}\\fR", plain(code)));
            Some(after)
        } else if let Some((bold, after)) = from
            .strip_prefix("**")
            .and_then(|from| from.split_once("**"))
        {
            out.push_str(&format!("\\fB{}\\fR", inline(bold)));
            Some(after)
        } else if let Some((term, after)) = from
            .strip_prefix('*')
            .and_then(|from| from.split_once('*'))
            .filter(|(term, _)| !term.is_empty())
        {
            out.push_str(&format!("\\fI{}\\fR", inline(term)));
            Some(after)
        } else if let Some((words, after)) = from
            .strip_prefix('[')
            .and_then(|from| from.split_once("]("))
        {
            let link = after.split_once(')').filter(|_| !words.contains('['));
            link.map(|(_, after)| {
                out.push_str(&inline(words));
                after
            })
        } else {
            None
        };

        rest = match taken {
            Some(after) => after,
            None => {
                let mut characters = from.chars();
                out.extend(characters.next());
                characters.as_str()
            }
        };
    }

    out.push_str(&plain(rest));
    if out.starts_with(['.', '\'']) {
        format!("\\&{out}")
    } else {
        out
    }
}
