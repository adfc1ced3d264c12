//! Templates that would give a shell, and those that do not.

use super::*;
fn template(words: &[&str]) -> Template {
    Template(
        words
            .iter()
            .map(|text| Segment::Word(Word::parse(text, |_| Some(0)).unwrap()))
            .collect(),
    )
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
        &["/bin/busybox", "sh", "-c", "{x}"],
        &["/bin/busybox", "{x}"],
        &["/usr/bin/ssh", "host", "{x}"],
        &["/usr/bin/psql", "db", "-c", "{x}"],
        &["/usr/bin/sqlite3", "/db", "{x}"],
        &["/usr/sbin/chroot", "/srv", "{x}"],
        &["/usr/bin/flock", "/f", "{x}"],
        &["/usr/bin/find", "/srv", "-exec", "{x}", ";"],
        &["/usr/bin/find", "/srv", "-exec", "sh", "-c", "{x}", ";"],
        &["/usr/bin/env", "A=1", "/usr/bin/env", "{x}"],
        &["/usr/bin/nice", "-n", "5", "/bin/sh", "-c", "{x}"],
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
        &[
            "/usr/bin/timeout",
            "5",
            "/usr/bin/systemctl",
            "restart",
            "{x}",
        ],
        &["/usr/bin/systemctl", "restart", "--", "{x}"],
        &["/usr/bin/tail", "-n", "{x}"],
        &["/usr/bin/find", "/srv", "-name", "{x}"],
        &["/usr/bin/find", "/srv", "-exec", "/bin/ls", "{x}", ";"],
        &["/usr/bin/flock", "/f", "/usr/bin/rsync", "{x}"],
        &["/bin/busybox", "ls", "{x}"],
    ] {
        assert_eq!(interpreter_hole(&template(words)), None, "{words:?}");
    }
}

#[test]
fn variables_that_load_code() {
    for name in [
        "PATH",
        "LD_PRELOAD",
        "IFS",
        "BASH_ENV",
        "PYTHONPATH",
        "ORDAIN_USER",
        "GIT_SSH_COMMAND",
    ] {
        assert!(forbidden_variable(name), "{name}");
    }

    assert!(!forbidden_variable("VERSION"));
}

#[test]
fn the_name_of_a_program_is_what_counts_wherever_it_lies() {
    for shell in [
        "/bin/sh",
        "/usr/bin/sh",
        "/opt/tools/bash",
        "/usr/local/bin/zsh",
        "/bin/dash",
    ] {
        assert!(
            interpreter_hole(&template(&[shell, "-c", "{x}"])).is_some(),
            "{shell}"
        );
        assert_eq!(
            interpreter_hole(&template(&[shell, "-c", "echo \"$1\"", "name", "{x}"])),
            None,
            "{shell}"
        );
    }
    assert_eq!(
        interpreter_hole(&template(&["/usr/bin/shred", "{x}"])),
        None
    );
    assert_eq!(
        interpreter_hole(&template(&["/usr/bin/sha256sum", "{x}"])),
        None
    );
}

#[test]
fn a_shell_behind_other_programs_is_found() {
    for wrapped in [
        &["/usr/bin/nohup", "/bin/sh", "-c", "{x}"][..],
        &[
            "/usr/bin/nice",
            "/usr/bin/timeout",
            "5",
            "/bin/sh",
            "-c",
            "{x}",
        ],
        &["/usr/bin/env", "-i", "LANG=C", "/bin/bash", "-c", "{x}"],
        &["/usr/bin/sudo", "/usr/bin/python3", "-c", "{x}"],
        &["/usr/bin/timeout", "5", "/usr/bin/awk", "{x}"],
    ] {
        assert!(
            interpreter_hole(&template(wrapped)).is_some(),
            "{wrapped:?}"
        );
    }
}

#[test]
fn the_hole_is_shown_as_it_stands_between_its_text() {
    assert_eq!(
        interpreter_hole(&template(&["/bin/sh", "-c", "echo {x}; id"])).as_deref(),
        Some("echo {…}; id")
    );
    assert_eq!(
        interpreter_hole(&template(&["/bin/sh", "{x}"])).as_deref(),
        Some("{…}")
    );
}

#[test]
fn families_of_variables_are_forbidden_by_their_beginning() {
    for name in [
        "LD_PRELOAD",
        "LD_ANYTHING",
        "DYLD_INSERT_LIBRARIES",
        "BASH_FUNC_x%%",
        "GIT_DIR",
        "ORDAIN_RUN",
        "GLIBC_TUNABLES",
        "RSYNC_RSH",
        "SSH_AUTH_SOCK",
        "SHELLOPTS",
        "PERL5OPT",
        "NODE_OPTIONS",
        "LESSOPEN",
        "TMPDIR",
        "HOME",
    ] {
        assert!(forbidden_variable(name), "{name}");
    }
    for name in [
        "",
        "LANG",
        "TZ",
        "path",
        "LDX",
        "XPATH",
        "GITX",
        "VERSION",
        "TARGET_LD_X",
    ] {
        assert!(!forbidden_variable(name), "{name}");
    }
}

#[test]
fn programs_with_a_shell_inside_are_known_by_name() {
    for path in [
        "/usr/bin/vi",
        "vim",
        "/bin/less",
        "/usr/bin/man",
        "/usr/bin/psql",
        "/bin/sh",
    ] {
        assert!(starts_shells(path), "{path}");
    }
    for path in [
        "/usr/bin/tail",
        "/usr/bin/vidir",
        "/usr/bin/lessecho",
        "",
        "/",
        "/usr/bin/",
    ] {
        assert!(!starts_shells(path), "{path}");
    }
}

#[test]
fn a_template_without_holes_is_no_hazard() {
    for words in [
        &["/bin/sh", "-c", "rm -rf /"][..],
        &["/usr/bin/python3", "-c", "print()"],
        &["/usr/bin/env"],
        &["/bin/sh"],
    ] {
        assert_eq!(interpreter_hole(&template(words)), None, "{words:?}");
    }
}

/// A template whose nested lists are written with `|` between their words.
fn grouped(words: &[&str]) -> Template {
    let word =
        |text: &str| Word::parse(text, |hole| (hole == "x").then_some(0).or(Some(1))).unwrap();
    let segment = |text: &&str| match text.contains('|') {
        true => Segment::Group(text.split('|').map(word).collect()),
        false => Segment::Word(word(text)),
    };
    Template(words.iter().map(segment).collect())
}

#[test]
fn values_that_cannot_be_taken_for_an_option() {
    for words in [
        &["/bin/rm", "--", "{x}"][..],
        &["/bin/rm", "-f", "--", "{y}", "{x}"],
        &["/bin/rm", "--|{x}"],
        &["/usr/bin/journalctl", "--since={x}"],
        &["/usr/bin/grep", "-e{x}"],
        &["/usr/bin/grep", "-e", "{x}"],
        &["/usr/bin/journalctl", "--grep", "{x}"],
        &["/usr/bin/timeout", "5", "/usr/bin/grep", "-e", "{x}"],
        &["/usr/local/bin/job", "-o|{x}"],
        &["/usr/local/bin/job", "--only|{x}", "--", "{y}"],
        &["/usr/bin/find", "/srv", "-name", "{x}"],
        &["/bin/echo", "a{x}"],
        &["/bin/sh", "-c", "echo \"$1\"", "sh", "{x}"],
        &["/bin/sh", "-ec", "echo \"$1\"", "{y}", "{x}"],
        &[
            "/usr/bin/env",
            "A=1",
            "/bin/bash",
            "-c",
            "code",
            "name",
            "{x}",
        ],
        &["/bin/echo", "{y}"],
    ] {
        assert_eq!(option_hole(&grouped(words), 0), None, "{words:?}");
    }
}

#[test]
fn values_that_could_be_taken_for_an_option() {
    for (words, loose) in [
        (&["/bin/rm", "{x}"][..], Loose::Word),
        (&["/bin/rm", "{x}", "--"], Loose::Word),
        (&["/bin/rm", "-f", "{x}"], Loose::Behind("-f")),
        (&["/bin/echo", "-e", "{x}"], Loose::Behind("-e")),
        (
            &["/usr/local/bin/job", "--only", "{x}"],
            Loose::Behind("--only"),
        ),
        (&["/usr/local/bin/job", "--only=1", "{x}"], Loose::Word),
        (&["/usr/local/bin/job", "--only={y}", "{x}"], Loose::Word),
        (&["/bin/cat", "-", "{x}"], Loose::Word),
        (&["/bin/cat", "{y}{x}"], Loose::Word),
        // What ends the options may not be there.
        (&["/bin/rm", "--|{y}", "{x}"], Loose::Word),
        (&["/usr/local/bin/job", "-o|{y}", "{x}"], Loose::Word),
        // It ends those of another program.
        (&["/usr/bin/env", "--", "/bin/rm", "{x}"], Loose::Word),
        (&["/usr/bin/nice", "-n", "5", "/bin/rm", "{x}"], Loose::Word),
        // A script's options are its own.
        (&["/usr/bin/python3", "/opt/job.py", "{x}"], Loose::Word),
        (&["/bin/sh", "/opt/job.sh", "{x}"], Loose::Word),
        (&["/usr/bin/perl", "-e", "print @ARGV", "{x}"], Loose::Word),
        // The second place counts too.
        (&["/bin/rm", "--is={x}", "{x}"], Loose::Word),
    ] {
        assert_eq!(option_hole(&grouped(words), 0), Some(loose), "{words:?}");
    }
}
