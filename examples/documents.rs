//! Makes the man pages: `cargo run --example documents -- DIR`. Those of the programs come from the
//! definitions of `--help`, ordain.toml(5) from the README's reference of the configuration.
#![allow(
    dead_code,
    reason = "a test takes this in as a module and calls `make`"
)]

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

    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"))?;
    fs::write(folder.join("ordain.toml.5"), ascii(&configuration(&readme)))?;
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

/// The sections of the README that are the reference of the configuration.
fn configuration(readme: &str) -> String {
    let mut out = String::from(
        ".TH ordain.toml 5 \"\" ordain ordain\n.SH NAME\nordain.toml \\- what ordaind serves: commands, arguments, roles, users\n.SH SYNOPSIS\n/etc/ordain/config.toml\n",
    );
    let mut wanted = false;
    let (mut code, mut paragraph) = (false, String::new());
    let flush = |out: &mut String, paragraph: &mut String| {
        if !paragraph.is_empty() {
            out.push_str(&format!(".PP\n{}\n", inline(paragraph)));
            paragraph.clear();
        }
    };

    for line in readme.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            flush(&mut out, &mut paragraph);
            wanted = [
                "Configuration",
                "Commands and arguments",
                "Containment",
                "Durable runs",
                "Terminals",
            ]
            .contains(&title);
            if wanted {
                out.push_str(&format!(".SH \"{}\"\n", title.to_uppercase()));
            }
            continue;
        }

        if !wanted {
            continue;
        }
        let fenced = line.trim_start().starts_with("```");
        if fenced || code {
            if fenced {
                flush(&mut out, &mut paragraph);
                out.push_str(if code { ".fi\n.RE\n" } else { ".RS\n.nf\n" });
                code = !code;
            } else {
                out.push_str(&format!("{}\n", plain(line)));
            }

            continue;
        }

        match line {
            "" => flush(&mut out, &mut paragraph),
            line if line.starts_with("### ") => {
                flush(&mut out, &mut paragraph);
                out.push_str(&format!(
                    ".SS \"{}\"\n",
                    inline(line.trim_start_matches("### "))
                ));
            }

            line if line.starts_with('|') => {
                flush(&mut out, &mut paragraph);
                row(&mut out, line);
            }

            line if line.starts_with("    ") && paragraph.is_empty() => {
                out.push_str(&format!(".RS\n.nf\n{}\n.fi\n.RE\n", plain(line.trim())))
            }
            line if line.starts_with("* ") || line.starts_with("- ") => {
                flush(&mut out, &mut paragraph);
                out.push_str(&format!(
                    ".IP \\(bu 2\n{}\n",
                    inline(line.trim_start_matches(['*', '-', ' ']))
                ));
            }

            line => {
                if !paragraph.is_empty() {
                    paragraph.push(' ');
                }
                paragraph.push_str(line.trim());
            }
        }
    }

    flush(&mut out, &mut paragraph);
    out.push_str(".SH \"SEE ALSO\"\nordain(1), ordaind(8), ordain-certs(1)\n");
    out
}

/// A table's row as a tagged paragraph: the first cell, and the rest under it.
fn row(out: &mut String, line: &str) {
    let cells: Vec<&str> = line
        .trim_matches('|')
        .split(" | ")
        .map(|cell| cell.trim().trim_matches('|').trim())
        .collect();
    let Some((first, rest)) = cells.split_first() else {
        return;
    };
    if first.is_empty() || first.starts_with("---") || *first == "key" {
        return;
    }
    if let Some(table) = first
        .strip_prefix("**`")
        .and_then(|table| table.strip_suffix("`**"))
    {
        out.push_str(&format!(".SS \"{}\"\n", plain(table)));
        return;
    }

    let rest: Vec<String> = rest
        .iter()
        .filter(|cell| !cell.is_empty())
        .map(|cell| inline(cell))
        .collect();
    out.push_str(&format!(
        ".TP\n{}\n{}\n",
        inline(first),
        if rest.is_empty() {
            "\\&".into()
        } else {
            rest.join("; ")
        }
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
