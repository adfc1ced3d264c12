//! Templates that would give the client a shell after all, and variables that would.

use super::template::{Template, Word};

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
    let (_, operands) = WRAPPERS.iter().find(|(wrapper, _)| *wrapper == name)?;

    // The wrapped program must be literal. Options with values cannot be told from it here, so the
    // first word counts that names a path or a known program, after the wrapper's own operands.
    let mut operands = *operands;
    for (at, word) in rest.iter().enumerate() {
        let Some(text) = word.literal() else {
            return Some(word);
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
            return code_hole(rest.get(at..).unwrap_or_default());
        }
    }

    None
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
            super::Piece::Literal(text) => text.clone(),
            super::Piece::Hole(_) => "{…}".to_owned(),
        })
        .collect()
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
