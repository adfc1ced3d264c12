//! Templates that would give the client a shell after all, and variables that would.

use super::template::{Template, Word};

/// Programs that run text as code.
const INTERPRETERS: &[&str] = &[
    "sh",
    "bash",
    "dash",
    "ash",
    "zsh",
    "ksh",
    "mksh",
    "fish",
    "csh",
    "tcsh",
    "busybox",
    "python",
    "perl",
    "ruby",
    "node",
    "nodejs",
    "php",
    "lua",
    "tclsh",
    "awk",
    "gawk",
    "mawk",
    "nawk",
    "sed",
    "expect",
    "gdb",
    "psql",
    "mysql",
    "sqlite3",
    "osascript",
    "jshell",
    "deno",
    "bun",
    "Rscript",
    "guile",
    "emacs",
    "vim",
    "vi",
    "ed",
    "ex",
    "m4",
    "eval",
    "ssh",
];

/// Programs whose arguments are another program with its arguments.
const WRAPPERS: &[&str] = &[
    "env",
    "nice",
    "ionice",
    "nohup",
    "setsid",
    "timeout",
    "stdbuf",
    "sudo",
    "doas",
    "su",
    "runuser",
    "chroot",
    "unshare",
    "nsenter",
    "xargs",
    "parallel",
    "watch",
    "strace",
    "ltrace",
    "taskset",
    "chrt",
    "flock",
    "systemd-run",
    "time",
    "script",
    "setpriv",
    "find",
    "capsh",
    "prlimit",
    "numactl",
];

/// Options after which the next word is code.
const CODE_OPTIONS: &[&str] = &["-c", "-e", "-E", "-r", "--eval", "--execute", "--command", "-p", "--expression"];

fn program(word: &Word) -> Option<&str> {
    let name = word.literal()?.rsplit('/').next()?;
    // python3.11, perl5.36, lua5.4: the number is no part of the name.
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    Some(if bare.is_empty() { name } else { bare })
}

/// The first word with a hole in the code given to an interpreter, or before it, where an option would stand.
///
/// `["/bin/sh", "-c", "echo {x}"]` has one; `["/bin/sh", "-c", "echo \"$1\"", "sh", "{x}"]` and
/// `["/usr/bin/python3", "/opt/job.py", "{x}"]` have none: there the value is data.
pub fn interpreter_hole(template: &Template) -> Option<String> {
    let words: Vec<&Word> = template.words().collect();
    let first = program(words.first()?)?;
    let start = if INTERPRETERS.contains(&first) {
        0
    } else if WRAPPERS.contains(&first) {
        // The wrapped program must be literal: find the first interpreter before any hole.
        let literal = words.iter().take_while(|word| word.literal().is_some()).count();
        match words.iter().take(literal).skip(1).position(|word| program(word).is_some_and(|name| INTERPRETERS.contains(&name))) {
            Some(position) => position + 1,
            // A program of another kind stands before the hole, or the client would choose it.
            None if words.iter().take(literal).skip(1).any(|word| word.literal().is_some_and(|text| text.starts_with('/'))) => return None,
            None => return words.get(literal).map(|word| describe(word)),
        }
    } else {
        return None;
    };
    let rest = words.get(start + 1..)?;
    let is_option = |word: &Word| word.literal().is_some_and(|text| text.starts_with('-') && text != "-");
    let takes_code = |word: &Word| {
        word.literal().is_some_and(|text| {
            CODE_OPTIONS.contains(&text) || (text.starts_with('-') && !text.starts_with("--") && text.ends_with(['c', 'e']))
        })
    };
    // Everything up to and including the code (after -c and its like) or the script's name must be literal.
    let (mut code_follows, mut code_seen) = (false, false);
    for word in rest {
        if word.literal().is_none() {
            return Some(describe(word));
        }
        if code_seen && word.literal() == Some("--") {
            return None;
        }
        if code_follows {
            // More code may follow another -e; look on only for those.
            (code_follows, code_seen) = (false, true);
            if !rest.iter().any(|word| takes_code(word) && word.literal().is_some_and(|text| text != "-c")) {
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

/// Variables that change which code runs; no client may fill them.
pub fn forbidden_variable(name: &str) -> bool {
    const NAMES: &[&str] = &[
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
    NAMES.contains(&name)
        || ["LD_", "DYLD_", "BASH_FUNC_", "GIT_", "ORDAIN_", "GLIBC_", "RSYNC_", "SSH_"].iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Segment;

    fn template(words: &[&str]) -> Template {
        Template(words.iter().map(|text| Segment::Word(Word::parse(text, |_| Some(0)).unwrap())).collect())
    }

    #[test]
    fn holes_in_code_are_found() {
        for words in [
            &["/bin/sh", "-c", "echo {x}"][..],
            &["/bin/sh", "-c", "{x}"],
            &["/bin/bash", "-lc", "{x}"],
            &["/bin/bash", "{x}"],
            &["/bin/sh", "-{x}"],
            &["/usr/bin/python3", "-c", "print({x})"],
            &["/usr/bin/python3.11", "-u", "{x}"],
            &["/usr/bin/perl", "-ne", "{x}"],
            &["/usr/bin/perl", "-e", "1;", "-e", "{x}"],
            &["/usr/bin/awk", "{x}"],
            &["/usr/bin/awk", "-F:", "/{x}/"],
            &["/usr/bin/sed", "s/{x}//"],
            &["/usr/bin/env", "sh", "-c", "{x}"],
            &["/usr/bin/env", "{x}"],
            &["/usr/bin/sudo", "-u", "www", "/bin/sh", "-c", "{x}"],
            &["/usr/bin/timeout", "5", "{x}"],
        ] {
            assert!(interpreter_hole(&template(words)).is_some(), "{words:?}");
        }
    }

    #[test]
    fn holes_in_data_are_not() {
        for words in [
            &["/bin/sh", "-c", "echo \"$1\"", "sh", "{x}"][..],
            &["/usr/bin/python3", "/opt/job.py", "{x}"],
            &["/usr/bin/python3", "-u", "/opt/job.py", "--name={x}"],
            &["/usr/bin/awk", "{{print $1}}", "{x}"],
            &["/usr/bin/perl", "-e", "print @ARGV", "--", "{x}"],
            &["/usr/bin/timeout", "5", "/usr/bin/systemctl", "restart", "{x}"],
            &["/usr/bin/systemctl", "restart", "--", "{x}"],
            &["/usr/bin/tail", "-n", "{x}"],
        ] {
            assert_eq!(interpreter_hole(&template(words)), None, "{words:?}");
        }
    }

    #[test]
    fn variables_that_load_code() {
        for name in ["PATH", "LD_PRELOAD", "IFS", "BASH_ENV", "PYTHONPATH", "ORDAIN_USER", "GIT_SSH_COMMAND"] {
            assert!(forbidden_variable(name), "{name}");
        }
        assert!(!forbidden_variable("VERSION"));
    }
}
