//! Templates that would give the client a shell after all, and variables that would.

use super::template::{Piece, Segment, Template, Word};

/// Programs that run text as code, where a fixed script or code may take values as its arguments.
const INTERPRETERS: &[&str] = &[
    "sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "csh", "tcsh", "python", "perl",
    "ruby", "node", "nodejs", "php", "lua", "tclsh", "awk", "gawk", "mawk", "nawk", "sed",
    "jshell", "deno", "bun", "Rscript", "guile",
];

/// Programs in which hardly any word is safely data: editors, debuggers, database shells, remote
/// shells.
const CODE_ALL_OVER: &[&str] = &[
    "ssh",
    "eval",
    "su",
    "runuser",
    "expect",
    "gdb",
    "psql",
    "mysql",
    "mariadb",
    "sqlite",
    "emacs",
    "vim",
    "vi",
    "nano",
    "ed",
    "ex",
    "m4",
    "osascript",
    "xargs",
    "parallel",
    "watch",
    "script",
    "systemd-run",
    "at",
    "batch",
    "crontab",
    "make",
];

/// Programs whose arguments are another program with its arguments, and how many operands stand
/// before it.
const WRAPPERS: &[(&str, usize)] = &[
    ("env", 0),
    ("nice", 0),
    ("ionice", 0),
    ("nohup", 0),
    ("setsid", 0),
    ("timeout", 1),
    ("stdbuf", 0),
    ("sudo", 0),
    ("doas", 0),
    ("chroot", 1),
    ("unshare", 0),
    ("nsenter", 0),
    ("strace", 0),
    ("ltrace", 0),
    ("taskset", 1),
    ("chrt", 1),
    ("flock", 1),
    ("time", 0),
    ("setpriv", 0),
    ("capsh", 0),
    ("prlimit", 0),
    ("numactl", 0),
    ("busybox", 0),
];

/// Options after which the next word is code.
const CODE_OPTIONS: &[&str] = &[
    "-c",
    "-e",
    "-E",
    "-r",
    "--eval",
    "--execute",
    "--command",
    "-p",
    "--expression",
];

fn program(word: &Word) -> Option<&str> {
    let name = word.literal()?.rsplit('/').next()?;

    // python3.11, perl5.36, lua5.4: the number is no part of the name.
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    Some(if bare.is_empty() { name } else { bare })
}

/// The first word with a hole in the code given to an interpreter, or before it, where an option
/// would stand; or where the program that a wrapper starts would stand.
///
/// `["/bin/sh", "-c", "echo {x}"]` has one; `["/bin/sh", "-c", "echo \"$1\"", "sh", "{x}"]` and
/// `["/usr/bin/python3", "/opt/job.py", "{x}"]` have none: there the value is data.
pub fn interpreter_hole(template: &Template) -> Option<String> {
    let words: Vec<&Word> = template.words().collect();
    code_hole(&words).map(describe)
}

fn code_hole<'w>(words: &[&'w Word]) -> Option<&'w Word> {
    let (first, rest) = words.split_first()?;
    let Some(name) = program(first) else {
        return Some(first);
    };
    let first_hole = || rest.iter().copied().find(|word| word.literal().is_none());
    if CODE_ALL_OVER.contains(&name) {
        return first_hole();
    }
    if name == "find" {
        // What follows -exec is a program; elsewhere in find a value is data.
        let runs = |word: &&&Word| {
            word.literal()
                .is_some_and(|text| text.starts_with("-exec") || text.starts_with("-ok"))
        };

        let program_words = rest
            .iter()
            .position(|word| runs(&word))
            .and_then(|at| rest.get(at + 1..));
        return program_words.and_then(code_hole);
    }

    if INTERPRETERS.contains(&name) {
        return script_hole(rest);
    }
    match wrapped(name, rest) {
        Err(hole) => Some(hole),
        Ok(at) => code_hole(rest.get(at?..).unwrap_or_default()),
    }
}

/// Where among the words behind a wrapper the program stands that it starts; `None` when it is no
/// wrapper, or starts nothing that is known.
///
/// # Errors
/// The word with a hole that stands before it, or in its place.
fn wrapped<'w>(name: &str, rest: &[&'w Word]) -> Result<Option<usize>, &'w Word> {
    let Some((_, operands)) = WRAPPERS.iter().find(|(wrapper, _)| *wrapper == name) else {
        return Ok(None);
    };

    // The wrapped program must be literal. Options with values cannot be told from it here, so the
    // first word counts that names a path or a known program, after the wrapper's own operands.
    let mut operands = *operands;
    for (at, word) in rest.iter().enumerate() {
        let Some(text) = word.literal() else {
            return Err(word);
        };
        if text.starts_with('-') || text.contains('=') {
            continue;
        }
        if operands > 0 {
            operands -= 1;
            continue;
        }

        let known = program(word).is_some_and(|name| {
            INTERPRETERS.contains(&name)
                || CODE_ALL_OVER.contains(&name)
                || name == "find"
                || WRAPPERS.iter().any(|(wrapper, _)| *wrapper == name)
        });

        if text.starts_with('/') || known || name == "busybox" {
            return Ok(Some(at));
        }
    }

    Ok(None)
}

/// Everything up to and including the code (after -c and its like) or the script's name must be
/// literal.
fn script_hole<'w>(rest: &[&'w Word]) -> Option<&'w Word> {
    let is_option = |word: &Word| {
        word.literal()
            .is_some_and(|text| text.starts_with('-') && text != "-")
    };

    let takes_code = |word: &Word| {
        word.literal().is_some_and(|text| {
            CODE_OPTIONS.contains(&text)
                || (text.starts_with('-') && !text.starts_with("--") && text.ends_with(['c', 'e']))
        })
    };

    let (mut code_follows, mut code_seen) = (false, false);
    for word in rest {
        if word.literal().is_none() {
            return Some(word);
        }
        if code_seen && word.literal() == Some("--") {
            return None;
        }
        if code_follows {
            // More code may follow another -e; look on only for those.
            (code_follows, code_seen) = (false, true);
            if !rest
                .iter()
                .any(|word| takes_code(word) && word.literal().is_some_and(|text| text != "-c"))
            {
                return None;
            }
            continue;
        }

        if takes_code(word) {
            code_follows = true;
        } else if !is_option(word) {
            return None;
        }
    }

    None
}

fn describe(word: &Word) -> String {
    word.0
        .iter()
        .map(|piece| match piece {
            Piece::Literal(text) => text.clone(),
            Piece::Hole(_) => "{…}".to_owned(),
        })
        .collect()
}

/// Programs of which it is known that these options take the next word as their value, whatever it
/// begins with. Every test of find's does.
const TAKES_VALUE: &[(&str, &[&str])] = &[
    ("grep", GREP),
    ("egrep", GREP),
    ("fgrep", GREP),
    ("zgrep", GREP),
    ("head", &["-n", "-c", "--lines", "--bytes"]),
    ("tail", &["-n", "-c", "--lines", "--bytes"]),
    ("date", &["-d", "--date"]),
    (
        "journalctl",
        &[
            "-u", "-S", "-U", "-n", "-p", "-t", "-g", "-o", "--unit", "--since", "--until",
            "--grep",
        ],
    ),
];

const GREP: &[&str] = &["-e", "-f", "-m", "-A", "-B", "-C", "--regexp", "--file"];

/// Shells, behind whose code and name come the parameters of that code.
const SHELLS: &[&str] = &["sh", "bash", "dash", "ash", "zsh", "ksh", "mksh"];

/// Where a value that begins with `-` could be taken for an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loose<'t> {
    /// Its hole begins a word, where options may stand.
    Word,
    /// Its hole is the word behind this option, of which nobody knows here whether it takes a value.
    Behind(&'t str),
}

/// The first place in which a value of this argument could be taken for an option of the program
/// that is started in the end.
///
/// There is none where the hole is a part of a word that begins otherwise (`--since={x}`), behind a
/// `--` that is always there, behind an option in a nested list with it (`["-n", "{x}"]`), behind an
/// option that is known to take a value, and among the parameters of a shell's code.
pub fn option_hole(template: &Template, index: usize) -> Option<Loose<'_>> {
    let words: Vec<(usize, &Word)> = template
        .0
        .iter()
        .enumerate()
        .flat_map(|(segment, words)| words.words().iter().map(move |word| (segment, word)))
        .collect();
    let plain: Vec<&Word> = words.iter().map(|(_, word)| *word).collect();
    let (name, first) = innermost(&plain);
    let rest = words.get(first + 1..).unwrap_or_default();
    let parameters = plain
        .get(first + 1..)
        .and_then(|rest| parameters(name, rest));

    let stays = |segment: usize| matches!(template.0.get(segment), Some(Segment::Word(_)));
    let loose = |(at, (segment, word)): (usize, &(usize, &'_ Word))| {
        let mut beginning = word
            .0
            .iter()
            .take_while(|piece| matches!(piece, Piece::Hole(_)));
        if !beginning.any(|piece| *piece == Piece::Hole(index)) {
            return None;
        }
        if parameters.is_some_and(|parameters| at >= parameters) {
            return None;
        }
        let before = rest.get(..at).unwrap_or_default();
        let ends_options = |(other, word): &(usize, &Word)| {
            word.literal() == Some("--") && (stays(*other) || other == segment)
        };
        if before.iter().any(ends_options) {
            return None;
        }

        let option = before.last().and_then(|(other, word)| {
            let text = word.literal()?;
            let option = text.starts_with('-') && text.len() > 1 && !text.contains('=');
            option.then_some((*other, text))
        });
        match option {
            Some((other, _)) if other == *segment && !stays(other) => None,
            Some((_, option)) if takes_value(name, option) => None,
            Some((_, option)) => Some(Loose::Behind(option)),
            None => Some(Loose::Word),
        }
    };
    rest.iter().enumerate().find_map(loose)
}

/// The program that wrappers start in the end, by its name and place.
fn innermost<'w>(words: &[&'w Word]) -> (&'w str, usize) {
    let mut first = 0;
    loop {
        let name = words.get(first).and_then(|word| program(word));
        let name = name.unwrap_or_default();
        let rest = words.get(first + 1..).unwrap_or_default();
        match wrapped(name, rest) {
            Ok(Some(at)) => first += 1 + at,
            Ok(None) | Err(_) => return (name, first),
        }
    }
}

/// From which of a shell's words on there are the parameters of its code: `sh -c CODE NAME …`.
fn parameters(name: &str, rest: &[&Word]) -> Option<usize> {
    let code = rest.iter().position(|word| {
        word.literal()
            .is_none_or(|text| !text.starts_with('-') || text.len() < 2)
    })?;
    let option = rest.get(code.checked_sub(1)?)?.literal()?;
    (SHELLS.contains(&name) && option.ends_with('c') && !option.starts_with("--"))
        .then_some(code + 1)
}

/// Whether an option is known to take the next word as its value.
fn takes_value(program: &str, option: &str) -> bool {
    let known = TAKES_VALUE.iter().find(|(name, _)| *name == program);
    program == "find" || known.is_some_and(|(_, options)| options.contains(&option))
}

/// Variables that change which code runs.
const VARIABLES: &[&str] = &[
    "PATH",
    "IFS",
    "ENV",
    "BASH_ENV",
    "SHELL",
    "SHELLOPTS",
    "BASHOPTS",
    "PS4",
    "CDPATH",
    "GLOBIGNORE",
    "HOME",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "PERL5LIB",
    "PERL5OPT",
    "PERLLIB",
    "PERL5DB",
    "RUBYLIB",
    "RUBYOPT",
    "NODE_OPTIONS",
    "NODE_PATH",
    "CLASSPATH",
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "LUA_PATH",
    "LUA_CPATH",
    "LUA_INIT",
    "TCLLIBPATH",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "MANPAGER",
    "BROWSER",
    "LESSOPEN",
    "LESSCLOSE",
    "TERMINFO",
    "TERMCAP",
    "GCONV_PATH",
    "LOCPATH",
    "NLSPATH",
    "HOSTALIASES",
    "RESOLV_HOST_CONF",
    "MALLOC_CHECK_",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "DOCKER_HOST",
    "KUBECONFIG",
];

/// What the names of more such variables begin with.
const FAMILIES: &[&str] = &[
    "LD_",
    "DYLD_",
    "BASH_FUNC_",
    "GIT_",
    "ORDAIN_",
    "GLIBC_",
    "RSYNC_",
    "SSH_",
];

/// Whether a variable changes which code runs; no client may fill it.
pub fn forbidden_variable(name: &str) -> bool {
    VARIABLES.contains(&name) || FAMILIES.iter().any(|prefix| name.starts_with(prefix))
}

/// Programs with a way to a shell or to other programs inside, which a terminal opens.
const SHELLS_INSIDE: &[&str] = &[
    "bash", "dash", "emacs", "ftp", "gdb", "htop", "irb", "joe", "less", "lua", "man", "mc",
    "more", "most", "mutt", "mysql", "nano", "node", "nvim", "perl", "pico", "psql", "python",
    "python3", "ruby", "screen", "sftp", "sh", "sqlite3", "ssh", "su", "tclsh", "telnet", "tmux",
    "vi", "view", "vim", "watch", "zsh",
];

/// Whether a program is known for letting whoever sits at its terminal start others.
pub fn starts_shells(executable: &str) -> bool {
    executable
        .rsplit('/')
        .next()
        .is_some_and(|name| SHELLS_INSIDE.contains(&name))
}

#[cfg(test)]
#[path = "hazard_tests.rs"]
mod tests;
