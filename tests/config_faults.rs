//! Every fault of a configuration, one by one: what the administrator wrote, and the sentence that is
//! said to it, with its line.

use std::path::Path;

/// A piece of a configuration, and what is said of it: `fault: LINE: KEY: SENTENCE`.
type Row<'r> = (&'r str, &'r [&'r str]);

/// Looks at each piece by itself, with a default timeout behind it unless it says its own.
fn judged(rows: &[Row<'_>]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    for (piece, expected) in rows {
        let defaults = if piece.contains("[defaults]") {
            ""
        } else {
            "[defaults]\ntimeout = \"60s\"\n"
        };
        std::fs::write(&path, format!("{piece}\n{defaults}")).unwrap();
        let said = said(&path);

        for sentence in *expected {
            assert!(
                said.iter().any(|one| one == sentence),
                "{piece}\nexpected: {sentence}\nsaid: {said:#?}"
            );
        }

        let faulty = expected.iter().any(|one| one.starts_with("fault: "));
        assert_eq!(
            said.iter().any(|one| one.starts_with("fault: ")),
            faulty,
            "{piece}\nsaid: {said:#?}"
        );
    }
}

/// Faults and warnings, with the file's name cut off where it is this one's.
fn said(path: &Path) -> Vec<String> {
    let (faults, warnings) = match ordain::config::offline(path) {
        Ok(loaded) => (Vec::new(), loaded.warnings),
        Err(both) => both,
    };
    let own = format!("{}:", path.display());
    let folder = path.parent().unwrap().display().to_string();
    let shown = |what: &str, fault: &ordain::config::Fault| {
        let text = fault.to_string().replace(&own, "");
        format!("{what}: {}", text.replace(&folder, "{folder}"))
    };

    faults
        .iter()
        .map(|fault| shown("fault", fault))
        .chain(warnings.iter().map(|warning| shown("warning", warning)))
        .collect()
}

#[test]
fn a_file_that_is_no_toml_says_where() {
    judged(&[
        (
            r#"[commands.x
exec = 1"#,
            &["fault: 1: not TOML: unclosed table, expected `]` (at ``)"],
        ),
        (
            "x =",
            &["fault: 1: not TOML: string values must be quoted, expected literal string (at ``)"],
        ),
        (
            r#"a = "unclosed"#,
            &[r#"fault: 1: not TOML: invalid basic string, expected `"` (at ``)"#],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
exec = ["/bin/false"]"#,
            &["fault: 3: not TOML: duplicate key (at `exec`)"],
        ),
        (
            r#"a = 1
a = 2"#,
            &["fault: 2: not TOML: duplicate key (at `a`)"],
        ),
        (
            r#"\"#,
            &[
                "fault: 1: not TOML: key with no value, expected `=` (at ``)",
                r#"fault: 1: not TOML: invalid unquoted key, expected letters, numbers, `-`, `_` (at `\\`)"#,
            ],
        ),
        (
            r#"[users.alice]
roles = [,]"#,
            &["fault: 2: not TOML: extra comma in array, expected value (at `,`)"],
        ),
        (
            "key = 2024-13-45",
            &[
                "fault: 1: not TOML: invalid date, expected month between 01 and 12 (at `2024-13-45`)",
            ],
        ),
        (
            r#"[a]
[a]
b = 01"#,
            &[
                "fault: 2: not TOML: duplicate key (at `a`)",
                "fault: 3: not TOML: unexpected leading zero, expected nothing (at `0`)",
            ],
        ),
    ]);
}

/// `timout` was told as an unknown key, as a missing timeout, and as a timeout that is "none".
#[test]
fn a_mistyped_key_is_one_fault_that_names_the_one_that_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    for (key, meant) in [
        ("timout = \"5s\"", "timeout"),
        ("tiemout = \"5s\"", "timeout"),
    ] {
        let text =
            format!("[commands.x]\nexec = [\"/bin/true\"]\n{key}\n[roles.r]\ncommands = [\"x\"]\n");
        std::fs::write(&path, text).unwrap();
        let said = said(&path);
        let about: Vec<_> = said
            .iter()
            .filter(|said| said.contains("commands.x"))
            .collect();
        assert_eq!(about.len(), 1, "{said:#?}");
        let expected = format!(
            "unknown key; did you mean `{meant}`? accepted are acknowledge, approval, args, audit,"
        );
        assert!(about[0].contains(&expected), "{said:#?}");
    }
}

#[test]
fn keys_that_nobody_knows_are_told_what_is_accepted() {
    judged(&[
        (
            r#"colour = "red""#,
            &[
                "fault: 1: colour: unknown key; accepted are arguments, audit, commands, defaults, files, groups-of-system, include, limits, login, output, penalties, recordings, roles, server, tls, users",
            ],
        ),
        (
            r#"[server]
port = 7424"#,
            &[
                "fault: 2: server.port: unknown key; accepted are acknowledge, containment, control, frontend_user, grace, listen, logs, state, threads",
            ],
        ),
        (
            r#"[tls]
colour = 1"#,
            &[
                "fault: 2: tls.colour: unknown key; accepted are acknowledge, certificate, client_ca, handshake_timeout, key",
            ],
        ),
        (
            r#"[login]
colour = 1"#,
            &[
                "fault: 2: login.colour: unknown key; accepted are groups_age, lifetime, memory, self_service, timeout, verifiers",
            ],
        ),
        (
            r#"[limits]
runs = 1"#,
            &[
                "fault: 2: limits.runs: unknown key; accepted are connections, connections_before_login, connections_per_source, disk_per_user, follows_per_user, left_running_per_user, memory_per_user, requests_per_user, runs_per_user, said_per_user, sessions_per_user, streams_per_connection, trail_per_user",
            ],
        ),
        (
            r#"[limits]
trail_per_user = "63KiB""#,
            &["fault: 2: limits.trail_per_user: is less than 64 KiB"],
        ),
        (
            r#"[audit]
colour = 1"#,
            &[
                "fault: 2: audit.colour: unknown key; accepted are archive, compress, file, journal, keep_age, keep_least, keep_size, reserve, rotate_age, rotate_size, sync",
            ],
        ),
        (
            r#"[output]
colour = 1"#,
            &["fault: 2: output.colour: unknown key; accepted are kept, retention, running"],
        ),
        (
            r#"[penalties]
colour = 1"#,
            &[
                "fault: 2: penalties.colour: unknown key; accepted are acknowledge, cap, deadline, entries, exempt, floor, ipv4_prefix, ipv6_prefix, login, no_login, off, user_floor, violation",
            ],
        ),
        (
            r#"[defaults]
timeout = "1s"
colour = 1"#,
            &[
                "fault: 3: defaults.colour: unknown key; accepted are acknowledge, grace, resume_window, run_as, timeout",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
colour = 1"#,
            &[
                "fault: 3: commands.x.colour: unknown key; accepted are acknowledge, approval, args, audit, confirm, cwd, environment, exec, grace, idle_timeout, leave_running, limits, linger, lock, max_running, network, on_disconnect, on_revoke, output_max, pty, queue, queue_timeout, record, require, resume_window, run_as, sandbox, setuid_allowed, sha256, signals, sources, spool, stdin, summary, timeout, umask",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "ip", colour = 1 }"#,
            &[
                "fault: 3: commands.x.args.a.colour: unknown key; accepted are allow_dash, default, optional, repeated, secret, summary, type, use",
            ],
        ),
        (
            r#"[roles.r]
colour = 1"#,
            &[
                "fault: 2: roles.r.colour: unknown key; accepted are acknowledge, commands, deny, files, max_run_time, sources, verbs, when",
            ],
        ),
        (
            r#"[users.u]
colour = 1"#,
            &[
                "fault: 2: users.u.colour: unknown key; accepted are account, acknowledge, disabled, password, roles, sources, ssh_keys, totp",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
limits = { colour = 1 }"#,
            &[
                "fault: 3: commands.x.limits.colour: unknown key; accepted are core, cpu, cpu_time, file_size, memory, open_files, per_process, processes",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
sandbox = { colour = [] }"#,
            &[
                "fault: 3: commands.x.sandbox.colour: unknown key; accepted are execute, read, write",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
require = { colour = "1" }"#,
            &["fault: 3: commands.x.require.colour: unknown key; accepted are reason"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
stdin = { max = "1MiB", colour = 1 }"#,
            &["fault: 3: commands.x.stdin.colour: unknown key; accepted are max"],
        ),
    ]);
}

#[test]
fn names_are_of_letters_and_digits() {
    judged(&[
        (
            r#"[commands."a b"]
exec = ["/bin/true"]"#,
            &[
                "fault: 1: commands.a b: `a b` is not a name: letters, digits, `-`, `_`, `.`, beginning with a letter or digit, at most 64 bytes",
            ],
        ),
        (
            r#"[commands.-x]
exec = ["/bin/true"]"#,
            &[
                "fault: 1: commands.-x: `-x` is not a name: letters, digits, `-`, `_`, `.`, beginning with a letter or digit, at most 64 bytes",
            ],
        ),
        (
            r#"[commands."../x"]
exec = ["/bin/true"]"#,
            &[
                "fault: 1: commands.../x: `../x` is not a name: letters, digits, `-`, `_`, `.`, beginning with a letter or digit, at most 64 bytes",
            ],
        ),
        (
            r#"[commands.""]
exec = ["/bin/true"]"#,
            &[
                "fault: 1: commands.: `` is not a name: letters, digits, `-`, `_`, `.`, beginning with a letter or digit, at most 64 bytes",
            ],
        ),
        (
            r#"[roles."ä"]
commands = []"#,
            &[
                "fault: 1: roles.ä: `ä` is not a name: letters, digits, `-`, `_`, `.`, beginning with a letter or digit, at most 64 bytes",
            ],
        ),
        (
            r#"[users."al ice"]
roles = []"#,
            &[
                "fault: 1: users.al ice: `al ice` is not a name: letters, digits, `-`, `_`, `.`, beginning with a letter or digit, at most 64 bytes",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a b}"]
args."a b" = { type = "ip" }"#,
            &[
                "fault: 3: commands.x.args.a b: `a b` is not a name: letters, digits, `-`, `_`, `.`, beginning with a letter or digit, at most 64 bytes",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
lock = "a/b""#,
            &[
                "fault: 3: commands.x.lock: `a/b` is not a name: letters, digits, `-`, `_`, `.`, beginning with a letter or digit, at most 64 bytes",
            ],
        ),
        (
            r#"[roles.r]
commands = ["a b"]"#,
            &[
                "fault: 2: roles.r.commands[0]: `a b` is not a name: letters, digits, `-`, `_`, `.`, beginning with a letter or digit, at most 64 bytes",
            ],
        ),
        (
            r#"[roles.r]
commands = [""]"#,
            &[
                "fault: 2: roles.r.commands[0]: `` is not a name: letters, digits, `-`, `_`, `.`, beginning with a letter or digit, at most 64 bytes",
            ],
        ),
    ]);
}

#[test]
fn an_executable_is_one_fixed_absolute_path() {
    judged(&[
        (
            r#"[commands.x]
summary = "none""#,
            &[
                r#"fault: 1: commands.x: `exec` is missing; accepted is a list of words such as ["/usr/bin/uptime"]"#,
            ],
        ),
        (
            r#"[commands.x]
exec = []"#,
            &[
                "fault: 2: commands.x.exec: found an empty list; accepted is at least the executable's absolute path",
            ],
        ),
        (
            r#"[commands.x]
exec = ["true"]"#,
            &[
                r#"fault: 2: commands.x.exec: the executable: found "true"; accepted is an absolute path without `.` and `..`"#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["./true"]"#,
            &[
                r#"fault: 2: commands.x.exec: the executable: found "./true"; accepted is an absolute path without `.` and `..`"#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/../bin/true"]"#,
            &[
                r#"fault: 2: commands.x.exec: the executable: found "/bin/../bin/true"; accepted is an absolute path without `.` and `..`"#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/./true"]"#,
            &[
                r#"fault: 2: commands.x.exec: the executable: found "/bin/./true"; accepted is an absolute path without `.` and `..`"#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/{a}"]
args.a = { type = "ip" }"#,
            &["fault: 2: commands.x.exec: the executable must be one fixed word without holes"],
        ),
        (
            r#"[commands.x]
exec = [["/bin/true"]]"#,
            &[
                "fault: 2: commands.x.exec[0]: a nested list without a hole would never vanish; write its words out",
                "fault: 2: commands.x.exec: the executable must be one fixed word without holes",
            ],
        ),
        (
            r#"[commands.x]
exec = "/bin/true""#,
            &[r#"fault: 2: commands.x.exec: found "/bin/true"; accepted is a list"#],
        ),
        (
            r#"[commands.x]
exec = [1]"#,
            &["fault: 2: commands.x.exec[0]: found 1; accepted is a string"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", 1]"#,
            &["fault: 2: commands.x.exec[1]: found 1; accepted is a string"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true\u0000"]"#,
            &["fault: 2: commands.x.exec[0]: a NUL character"],
        ),
    ]);
}

#[test]
fn templates_have_closed_braces_and_declared_holes() {
    judged(&[
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a"]"#,
            &["fault: 2: commands.x.exec[1]: `{` without `}` (a literal brace is written `{{`)"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "a}"]"#,
            &["fault: 2: commands.x.exec[1]: `}` without `{` (a literal brace is written `}}`)"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{}"]"#,
            &["fault: 2: commands.x.exec[1]: `{}` is not a declared argument"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]"#,
            &["fault: 2: commands.x.exec[1]: `{a}` is not a declared argument"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "\u0000"]"#,
            &["fault: 2: commands.x.exec[1]: a NUL character"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", ["-n", "x"]]"#,
            &[
                "fault: 2: commands.x.exec[1]: a nested list without a hole would never vanish; write its words out",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", []]"#,
            &[
                "fault: 2: commands.x.exec[1]: a nested list without a hole would never vanish; write its words out",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo"]
args.a = { type = "ip" }"#,
            &["fault: 1: commands.x: argument `a` has no hole `{a}` in exec or environment (3)"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "x{a}"]
args.a = { type = "ip", optional = true }"#,
            &[
                "fault: 1: commands.x: argument `a` may be left out, so the word it is part of must be in a nested list that can vanish",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "x{a}"]
args.a = { type = "flag", word = "-v" }"#,
            &[
                "fault: 1: commands.x: argument `a` is a flag, which must be a word of its own, not part of one",
                "fault: 1: commands.x: argument `a` may be left out, so the word it is part of must be in a nested list that can vanish",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "x{a}"]
args.a = { type = "ip", repeated = 3 }"#,
            &[
                "fault: 1: commands.x: argument `a` is repeated, which must be a word of its own, not part of one",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo"]
environment.A = "{a}"
args.a = { type = "ip", repeated = 3 }"#,
            &["fault: 1: commands.x: argument `a` is repeated, and a variable has one value"],
        ),
    ]);
}

#[test]
fn a_hole_never_becomes_code() {
    judged(&[
        (
            r#"[commands.x]
exec = ["/bin/sh", "-c", "echo {a}"]
args.a = { type = "ip" }"#,
            &[
                "fault: 1: commands.x: `echo {…}`: a hole in the code, script or options given to an interpreter would give the client a shell; pass the value as an argument of a fixed script",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/bash", "{a}"]
args.a = { type = "ip" }"#,
            &[
                "fault: 1: commands.x: `{…}`: a hole in the code, script or options given to an interpreter would give the client a shell; pass the value as an argument of a fixed script",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/usr/bin/env", "{a}"]
args.a = { type = "ip" }"#,
            &[
                "fault: 1: commands.x: `{…}`: a hole in the code, script or options given to an interpreter would give the client a shell; pass the value as an argument of a fixed script",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/usr/bin/python3", "-c", "{a}"]
args.a = { type = "ip" }"#,
            &[
                "fault: 1: commands.x: `{…}`: a hole in the code, script or options given to an interpreter would give the client a shell; pass the value as an argument of a fixed script",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/usr/bin/awk", "{a}"]
args.a = { type = "ip" }"#,
            &[
                "fault: 1: commands.x: `{…}`: a hole in the code, script or options given to an interpreter would give the client a shell; pass the value as an argument of a fixed script",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/usr/bin/find", "/srv", "-exec", "{a}", ";"]
args.a = { type = "ip" }"#,
            &[
                "fault: 1: commands.x: `{…}`: a hole in the code, script or options given to an interpreter would give the client a shell; pass the value as an argument of a fixed script",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/usr/bin/ssh", "host", "{a}"]
args.a = { type = "ip" }"#,
            &[
                "fault: 1: commands.x: `{…}`: a hole in the code, script or options given to an interpreter would give the client a shell; pass the value as an argument of a fixed script",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/usr/bin/timeout", "5", "{a}"]
args.a = { type = "ip" }"#,
            &[
                "fault: 1: commands.x: `{…}`: a hole in the code, script or options given to an interpreter would give the client a shell; pass the value as an argument of a fixed script",
            ],
        ),
    ]);
}

#[test]
fn variables_that_load_code_are_not_a_clients_to_fill() {
    judged(&[
        (
            r#"[commands.x]
exec = ["/bin/true"]
environment.PATH = "{a}"
args.a = { type = "ip" }"#,
            &[
                "fault: 3: commands.x.environment.PATH: a client must not fill `PATH`: it changes which code runs",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
environment.LD_PRELOAD = "{a}"
args.a = { type = "ip" }"#,
            &[
                "fault: 3: commands.x.environment.LD_PRELOAD: a client must not fill `LD_PRELOAD`: it changes which code runs",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
environment.BASH_ENV = "{a}"
args.a = { type = "ip" }"#,
            &[
                "fault: 3: commands.x.environment.BASH_ENV: a client must not fill `BASH_ENV`: it changes which code runs",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
environment.PYTHONPATH = "{a}"
args.a = { type = "ip" }"#,
            &[
                "fault: 3: commands.x.environment.PYTHONPATH: a client must not fill `PYTHONPATH`: it changes which code runs",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
environment.GIT_SSH = "{a}"
args.a = { type = "ip" }"#,
            &[
                "fault: 3: commands.x.environment.GIT_SSH: a client must not fill `GIT_SSH`: it changes which code runs",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
environment.SSH_AUTH_SOCK = "{a}"
args.a = { type = "ip" }"#,
            &[
                "fault: 3: commands.x.environment.SSH_AUTH_SOCK: a client must not fill `SSH_AUTH_SOCK`: it changes which code runs",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
environment.HOME = "{a}"
args.a = { type = "ip" }"#,
            &[
                "fault: 3: commands.x.environment.HOME: a client must not fill `HOME`: it changes which code runs",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
environment."1A" = "x""#,
            &[
                "fault: 3: commands.x.environment.1A: is not a variable's name: letters, digits and `_`, not beginning with a digit",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
environment."A-B" = "x""#,
            &[
                "fault: 3: commands.x.environment.A-B: is not a variable's name: letters, digits and `_`, not beginning with a digit",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
environment.ORDAIN_USER = "x""#,
            &["fault: 3: commands.x.environment.ORDAIN_USER: ORDAIN_ variables are ordain's own"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
environment.A = 1"#,
            &["fault: 3: commands.x.environment.A: found 1; accepted is a string"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
environment.A = "{b}""#,
            &["fault: 3: commands.x.environment.A: `{b}` is not a declared argument"],
        ),
    ]);
}

#[test]
fn every_kind_of_argument_says_what_it_needs() {
    judged(&[
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = {}"#,
            &[
                r#"fault: 3: commands.x.args.a: `type` is missing; accepted are "choice", "integer", "string", "flag", "path", "hostname", "ip", "cidr", "time""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "number" }"#,
            &[
                r#"fault: 3: commands.x.args.a.type: found "number"; accepted are "choice", "integer", "string", "flag", "path", "hostname", "ip", "cidr", "time""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = 3 }"#,
            &["fault: 3: commands.x.args.a.type: found 3; accepted is a string"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "choice" }"#,
            &[
                "fault: 3: commands.x.args.a: `choices` is missing; accepted is a list of strings, or a table of words with their values",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "choice", choices = [] }"#,
            &["fault: 3: commands.x.args.a: `choices` is empty"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "choice", choices = [1] }"#,
            &[
                "fault: 3: commands.x.args.a.choices[0]: found 1; accepted is a string",
                "fault: 3: commands.x.args.a: `choices` is empty",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "choice", choices = ["-x"] }"#,
            &[
                "fault: 3: commands.x.args.a: the choice `-x` starts with `-`, which allow_dash = true must permit",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "integer", min = 5, max = 1 }"#,
            &["fault: 3: commands.x.args.a: `min` is greater than `max`"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "integer", min = "1", max = 2 }"#,
            &[
                r#"fault: 3: commands.x.args.a.min: found "1"; accepted is a whole number from -9223372036854775808 to 9223372036854775807"#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "string" }"#,
            &[
                "fault: 3: commands.x.args.a: `pattern` is missing; accepted is a regular expression that matches the whole value, such as '[a-z0-9-]+'",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "string", pattern = "(" }"#,
            &["fault: 3: commands.x.args.a.pattern: is no usable pattern: unclosed group"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "string", pattern = "a)|(b" }"#,
            &["fault: 3: commands.x.args.a.pattern: is no usable pattern: unopened group"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "string", pattern = "[" }"#,
            &[
                "fault: 3: commands.x.args.a.pattern: is no usable pattern: unclosed character class",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "string", pattern = '(?=a)' }"#,
            &[
                "fault: 3: commands.x.args.a.pattern: is no usable pattern: look-around, including look-ahead and look-behind, is not supported",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "string", pattern = ".*", max = 0 }"#,
            &[
                "fault: 3: commands.x.args.a.max: found 0; accepted is a whole number from 1 to 8192",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "string", pattern = ".*", max = 1000000 }"#,
            &[
                "fault: 3: commands.x.args.a.max: found 1000000; accepted is a whole number from 1 to 8192",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "string", pattern = "(a{1000}){1000}" }"#,
            &[
                "fault: 3: commands.x.args.a.pattern: is no usable pattern: judging a value of 256 bytes could take too long; count with `+` instead of `{1,…}` and let `max` bound the value, give a smaller `max`, or write letters out instead of `\\w`",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "flag" }"#,
            &[
                r#"fault: 3: commands.x.args.a: `word` is missing; accepted is what the flag becomes, such as "--force""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "path" }"#,
            &[
                "fault: 3: commands.x.args.a: `beneath` is missing; accepted is the absolute path of a folder",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "path", beneath = "srv" }"#,
            &[
                r#"fault: 3: commands.x.args.a.beneath: found "srv"; accepted is an absolute path without `.` and `..`"#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "path", beneath = "/srv/../etc" }"#,
            &[
                r#"fault: 3: commands.x.args.a.beneath: found "/srv/../etc"; accepted is an absolute path without `.` and `..`"#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "path", beneath = "/srv", pass = "copy" }"#,
            &[r#"fault: 3: commands.x.args.a.pass: found "copy"; accepted are "name", "fd""#],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = 3"#,
            &["fault: 3: commands.x.args.a: found 3; accepted is a table"],
        ),
    ]);
}

#[test]
fn what_stands_in_for_an_argument_must_fit_it() {
    judged(&[
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "integer", min = 1, max = 9, default = 10 }"#,
            &[
                "fault: 3: commands.x.args.a.default: the default `10` is not a whole number from 1 to 9",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "integer", min = 1, max = 9, default = "x" }"#,
            &[
                "fault: 3: commands.x.args.a.default: the default `x` is not a whole number from 1 to 9",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "choice", choices = ["a"], default = "b" }"#,
            &["fault: 3: commands.x.args.a.default: the default `b` is not one of a"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "string", pattern = "[a-z]+", default = "A" }"#,
            &["fault: 3: commands.x.args.a.default: the default `A` does not match [a-z]+"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "ip", default = "300.1.1.1" }"#,
            &["fault: 3: commands.x.args.a.default: the default `300.1.1.1` is not an IP address"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "cidr", default = "10.0.0.1/8" }"#,
            &[
                "fault: 3: commands.x.args.a.default: the default `10.0.0.1/8` has bits set beyond its prefix; the network is 10.0.0.0/8",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "hostname", default = "a b" }"#,
            &["fault: 3: commands.x.args.a.default: the default `a b` is not a host name"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "ip", default = "::1", optional = true }"#,
            &[
                "fault: 3: commands.x.args.a: has `optional` and `default`; an argument with a default is optional already",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "ip", default = [] }"#,
            &["fault: 3: commands.x.args.a.default: the default `` is not an IP address"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "ip", optional = "yes" }"#,
            &[r#"fault: 3: commands.x.args.a.optional: found "yes"; accepted is true or false"#],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "ip", repeated = 0 }"#,
            &[
                "fault: 3: commands.x.args.a.repeated: found 0; accepted is a whole number from 1 to 64",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "ip", repeated = "yes" }"#,
            &[
                r#"fault: 3: commands.x.args.a.repeated: found "yes"; accepted is a whole number from 1 to 64"#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "ip", secret = 1 }"#,
            &["fault: 3: commands.x.args.a.secret: found 1; accepted is true or false"],
        ),
    ]);
}

#[test]
fn secrets_are_one_text_each() {
    judged(&[
        (
            r#"[commands.x]
exec = ["/bin/true"]
environment.A = "{a}"
args.a = { type = "string", pattern = ".*", secret = true, repeated = 2 }"#,
            &[
                "fault: 1: commands.x: argument `a` is repeated, and a variable has one value",
                "fault: 4: commands.x.args.a: a secret cannot be repeated",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true", "{a}"]
args.a = { type = "flag", word = "-v", secret = true }"#,
            &["fault: 3: commands.x.args.a: a flag cannot be secret"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
environment.A = "{a}"
args.a = { type = "path", beneath = "/srv", secret = true }"#,
            &["fault: 4: commands.x.args.a: a path cannot be secret"],
        ),
    ]);
}

#[test]
fn times_have_a_number_and_a_unit() {
    judged(&[
        (
            r#"[commands.x]
exec = ["/bin/true"]
timeout = "soon""#,
            &[
                r#"fault: 3: commands.x.timeout: found "soon"; accepted is a duration such as "500ms", "60s", "30m", "2h""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
timeout = 60"#,
            &[
                r#"fault: 3: commands.x.timeout: found 60; accepted is a duration such as "500ms", "60s", "30m", "2h""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
timeout = "60""#,
            &[
                r#"fault: 3: commands.x.timeout: found "60"; accepted is a duration such as "500ms", "60s", "30m", "2h""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
timeout = "-1s""#,
            &[
                r#"fault: 3: commands.x.timeout: found "-1s"; accepted is a duration such as "500ms", "60s", "30m", "2h""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
timeout = "1.5s""#,
            &[
                r#"fault: 3: commands.x.timeout: found "1.5s"; accepted is a duration such as "500ms", "60s", "30m", "2h""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
timeout = "0s""#,
            &[
                r#"fault: 3: commands.x.timeout: found "0s"; accepted is a duration such as "500ms", "60s", "30m", "2h""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
timeout = "1y""#,
            &[
                r#"fault: 3: commands.x.timeout: found "1y"; accepted is a duration such as "500ms", "60s", "30m", "2h""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
grace = "none""#,
            &[
                r#"fault: 3: commands.x.grace: found "none"; accepted is a duration such as "500ms", "60s", "30m", "2h""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
grace = true"#,
            &[
                r#"fault: 3: commands.x.grace: found true; accepted is a duration such as "500ms", "60s", "30m", "2h""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
linger = "long""#,
            &[
                r#"fault: 3: commands.x.linger: found "long"; accepted is a duration such as "500ms", "60s", "30m", "2h""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
idle_timeout = "none""#,
            &[
                r#"fault: 3: commands.x.idle_timeout: found "none"; accepted is a duration such as "500ms", "60s", "30m", "2h""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
resume_window = "ever""#,
            &[
                r#"fault: 3: commands.x.resume_window: found "ever"; accepted is a duration such as "500ms", "60s", "30m", "2h""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
queue_timeout = """#,
            &[
                r#"fault: 3: commands.x.queue_timeout: found ""; accepted is a duration such as "500ms", "60s", "30m", "2h""#,
            ],
        ),
        (
            r#"[defaults]
timeout = "x"
[commands.x]
exec = ["/bin/true"]"#,
            &[
                r#"fault: 2: defaults.timeout: found "x"; accepted is a duration such as "500ms", "60s", "30m", "2h""#,
            ],
        ),
        (
            r#"[defaults]
grace = "1s"
[commands.x]
exec = ["/bin/true"]"#,
            &[
                r#"fault: 3: commands.x: `timeout` is missing, here and in [defaults]; accepted is a duration, or "none" spelled out"#,
            ],
        ),
        (
            r#"[server]
grace = "x""#,
            &[
                r#"fault: 2: server.grace: found "x"; accepted is a duration such as "500ms", "60s", "30m", "2h""#,
            ],
        ),
        (
            r#"[tls]
handshake_timeout = "0ms""#,
            &[
                r#"fault: 2: tls.handshake_timeout: found "0ms"; accepted is a duration such as "500ms", "60s", "30m", "2h""#,
            ],
        ),
        (
            r#"[login]
timeout = 5"#,
            &[
                r#"fault: 2: login.timeout: found 5; accepted is a duration such as "500ms", "60s", "30m", "2h""#,
            ],
        ),
        (
            r#"[login]
lifetime = "x""#,
            &[
                r#"fault: 2: login.lifetime: found "x"; accepted is a duration such as "500ms", "60s", "30m", "2h""#,
            ],
        ),
        (
            r#"[output]
retention = "none""#,
            &[
                r#"fault: 2: output.retention: found "none"; accepted is a duration such as "500ms", "60s", "30m", "2h""#,
            ],
        ),
        (
            r#"[roles.r]
when = ["Mon-Fri 08:00-18:00", "Mon 08:00-18:00 localtime"]"#,
            &[
                r#"fault: 2: roles.r.when[0]: found "Mon-Fri 08:00-18:00"; it names no zone; add one, such as `UTC` or `Europe/Berlin`: the clocks of which place are meant must not depend on the machine"#,
                r#"fault: 2: roles.r.when[1]: found "Mon 08:00-18:00 localtime"; `localtime` is no name of a zone; accepted are `UTC` and names of the IANA database, such as `Europe/Berlin`"#,
            ],
        ),
        (
            r#"[roles.r]
when = []"#,
            &[
                "fault: 1: roles.r: `when` names no hours; leave it out for a role that always holds",
            ],
        ),
        (
            r#"[roles.r]
when = "22:00-22:00 UTC""#,
            &[
                r#"fault: 2: roles.r.when: found "22:00-22:00 UTC"; it begins and ends at the same time, so it never holds; a whole day is 00:00-24:00"#,
            ],
        ),
        (
            r#"[roles.r]
max_run_time = "none""#,
            &[
                r#"fault: 2: roles.r.max_run_time: found "none"; accepted is a duration such as "500ms", "60s", "30m", "2h""#,
            ],
        ),
    ]);
}

#[test]
fn sizes_have_a_number_and_a_unit() {
    judged(&[
        (
            r#"[commands.x]
exec = ["/bin/true"]
stdin = { max = "1 GiB" }"#,
            &[
                r#"fault: 3: commands.x.stdin.max: found "1 GiB"; accepted is a size such as 4096, "64KiB", "2GiB""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
stdin = {}"#,
            &[
                r#"fault: 3: commands.x.stdin: `max` is missing; accepted is a size such as "2GiB" (stdin = true has no bound)"#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
output_max = "much""#,
            &[
                r#"fault: 3: commands.x.output_max: found "much"; accepted is a size such as 4096, "64KiB", "2GiB""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
output_max = "-1""#,
            &[
                r#"fault: 3: commands.x.output_max: found "-1"; accepted is a size such as 4096, "64KiB", "2GiB""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
spool = "1MiB""#,
            &["fault: 3: commands.x.spool: is under 2 MiB, which is what a lost link may need"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
spool = "2TiB""#,
            &["fault: 3: commands.x.spool: is over 1 TiB"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
spool = "x""#,
            &[
                r#"fault: 3: commands.x.spool: found "x"; accepted is a size such as 4096, "64KiB", "2GiB""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
limits = { memory = "lots" }"#,
            &[
                r#"fault: 3: commands.x.limits.memory: found "lots"; accepted is a size such as 4096, "64KiB", "2GiB""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
limits = { file_size = "x" }"#,
            &[
                r#"fault: 3: commands.x.limits.file_size: found "x"; accepted is a size such as 4096, "64KiB", "2GiB""#,
            ],
        ),
        (
            r#"[login]
memory = "x""#,
            &[
                r#"fault: 2: login.memory: found "x"; accepted is a size such as 4096, "64KiB", "2GiB""#,
            ],
        ),
        (
            r#"[output]
kept = "x""#,
            &[
                r#"fault: 2: output.kept: found "x"; accepted is a size such as 4096, "64KiB", "2GiB""#,
            ],
        ),
        (
            r#"[output]
running = 1.5"#,
            &[
                r#"fault: 2: output.running: found 1.5; accepted is a size such as 4096, "64KiB", "2GiB""#,
            ],
        ),
        (
            r#"[audit]
rotate_size = "x""#,
            &[
                r#"fault: 2: audit.rotate_size: found "x"; accepted is a size such as 4096, "64KiB", "2GiB""#,
            ],
        ),
        (
            r#"[audit]
keep_size = "63MiB"
keep_age = "x"
keep_least = 7"#,
            &[
                r#"fault: 2: audit.keep_size: is less than audit.rotate_size (67108864 bytes): the file that is written to is never removed"#,
                r#"fault: 3: audit.keep_age: found "x"; accepted is a duration such as "500ms", "60s", "30m", "2h""#,
                r#"fault: 4: audit.keep_least: found 7; accepted is a duration such as "500ms", "60s", "30m", "2h""#,
            ],
        ),
        (
            r#"[audit]
archive = "nothing""#,
            &[r#"fault: 2: audit.archive: there is no command `nothing`"#],
        ),
        (
            r#"[audit]
archive = "store"
[commands.store]
exec = ["/bin/true"]"#,
            &[
                r#"fault: 2: audit.archive: `store` does not take exactly one argument, which is to be the file's path"#,
            ],
        ),
        (
            r#"[audit]
rotate_size = "none"
keep_size = "1GiB""#,
            &[
                r#"fault: 3: audit.keep_size: goes with audit.rotate_size or audit.rotate_age: the file that is written to is never removed"#,
            ],
        ),
        (
            r#"[audit]
reserve = "-1""#,
            &[
                r#"fault: 2: audit.reserve: found "-1"; accepted is a size such as 4096, "64KiB", "2GiB""#,
            ],
        ),
    ]);
}

#[test]
fn choices_of_the_administrator_are_spelled_out() {
    judged(&[
        (
            r#"[commands.x]
exec = ["/bin/true"]
stdin = "yes""#,
            &[r#"fault: 3: commands.x.stdin: found "yes"; accepted is true or false"#],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
pty = "yes""#,
            &[r#"fault: 3: commands.x.pty: found "yes"; accepted is true or false"#],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
pty = true
stdin = true"#,
            &[
                "fault: 4: commands.x.stdin: goes with no `pty`: what is typed at a terminal is its input",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
record = "always""#,
            &[
                r#"fault: 3: commands.x.record: found "always"; accepted are "optional", "required""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
pty = true
record = "required""#,
            &[
                "fault: 4: commands.x.record: goes with no `pty` yet: only what goes through pipes is recorded",
            ],
        ),
        (
            r#"[recordings]
keep_size = "1KiB"
keep_age = "long"
colour = 1"#,
            &[
                "fault: 2: recordings.keep_size: is under 1 MiB, which is soon more than one recording has",
                "fault: 4: recordings.colour: unknown key; accepted are folder, keep_age, keep_size",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
on_disconnect = "ignore""#,
            &[
                r#"fault: 3: commands.x.on_disconnect: found "ignore"; accepted are "cancel", "continue""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
on_revoke = "ignore""#,
            &[
                r#"fault: 3: commands.x.on_revoke: found "ignore"; accepted are "cancel", "continue""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
audit = "none""#,
            &[
                r#"fault: 3: commands.x.audit: found "none"; accepted are "required", "best-effort""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
confirm = "yes""#,
            &[r#"fault: 3: commands.x.confirm: found "yes"; accepted is true or false"#],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
signals = ["KILLALL"]"#,
            &[
                r#"fault: 3: commands.x.signals[0]: found "KILLALL"; accepted are "HUP", "INT", "QUIT", "USR1", "USR2", "TERM", "WINCH""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
signals = "HUP""#,
            &[r#"fault: 3: commands.x.signals: found "HUP"; accepted is a list"#],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
signals = [1]"#,
            &["fault: 3: commands.x.signals[0]: found 1; accepted is a string"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
cwd = "tmp""#,
            &[
                r#"fault: 3: commands.x.cwd: found "tmp"; accepted is an absolute path without `.` and `..`"#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
cwd = "/tmp/..""#,
            &[
                r#"fault: 3: commands.x.cwd: found "/tmp/.."; accepted is an absolute path without `.` and `..`"#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
summary = 1"#,
            &["fault: 3: commands.x.summary: found 1; accepted is a string"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
require = "reason""#,
            &[r#"fault: 3: commands.x.require: found "reason"; accepted is a table"#],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
max_running = 0"#,
            &[
                "fault: 3: commands.x.max_running: found 0; accepted is a whole number from 1 to 100000",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
queue = -1"#,
            &["fault: 3: commands.x.queue: found -1; accepted is a whole number from 0 to 10000"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
queue = 10001"#,
            &[
                "fault: 3: commands.x.queue: found 10001; accepted is a whole number from 0 to 10000",
            ],
        ),
        (
            r#"[server]
containment = "none""#,
            &[
                r#"fault: 2: server.containment: found "none"; accepted are "cgroup", "best-effort""#,
            ],
        ),
        (
            r#"[server]
threads = 0"#,
            &["fault: 2: server.threads: found 0; accepted is a whole number from 1 to 64"],
        ),
        (
            r#"[server]
listen = ["7424"]"#,
            &[
                r#"fault: 2: server.listen[0]: found "7424"; accepted is "*:7424" for every address, or an address with a port such as "192.0.2.1:7424" or "[::1]:7424""#,
            ],
        ),
        (
            r#"[server]
listen = ["localhost:7424"]"#,
            &[
                r#"fault: 2: server.listen[0]: found "localhost:7424"; accepted is "*:7424" for every address, or an address with a port such as "192.0.2.1:7424" or "[::1]:7424""#,
            ],
        ),
        (
            r#"[server]
listen = ["*:x", "[fe80::1%]:1", "[::ffff:127.0.0.1]:+1", "2001:db8::1:7424"]"#,
            &[
                r#"fault: 2: server.listen[0]: found "*:x"; accepted is "*:7424" for every address, or an address with a port such as "192.0.2.1:7424" or "[::1]:7424""#,
                r#"fault: 2: server.listen[1]: found "[fe80::1%]:1"; accepted is "*:7424" for every address, or an address with a port such as "192.0.2.1:7424" or "[::1]:7424""#,
                r#"fault: 2: server.listen[2]: found "[::ffff:127.0.0.1]:+1"; accepted is "*:7424" for every address, or an address with a port such as "192.0.2.1:7424" or "[::1]:7424""#,
                r#"fault: 2: server.listen[3]: found "2001:db8::1:7424"; accepted is "*:7424" for every address, or an address with a port such as "192.0.2.1:7424" or "[::1]:7424""#,
            ],
        ),
        (
            r#"[server]
listen = "0.0.0.0:1""#,
            &[r#"fault: 2: server.listen: found "0.0.0.0:1"; accepted is a list"#],
        ),
        (
            r#"[audit]
journal = "relative""#,
            &[
                "fault: 2: audit.journal: accepted is true, false, or the absolute path of a journald's socket",
            ],
        ),
        (
            r#"[audit]
sync = "never""#,
            &[
                r#"fault: 2: audit.sync: found "never"; accepted is a duration such as "500ms", "60s", "30m", "2h""#,
            ],
        ),
    ]);
}

#[test]
fn bounds_and_confinement_are_what_the_kernel_can_keep() {
    judged(&[
        (
            r#"[commands.x]
exec = ["/bin/true"]
limits = { memory = "1KiB" }"#,
            &["fault: 3: commands.x.limits: `memory` is under 1 MiB, which no program starts in"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
limits = { processes = 0 }"#,
            &[
                "fault: 3: commands.x.limits.processes: found 0; accepted is a whole number from 1 to 4194304",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
limits = { cpu = "0%" }"#,
            &[
                r#"fault: 3: commands.x.limits.cpu: found "0%"; accepted is a share of one core such as "50%" or "200%""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
limits = { cpu = "50" }"#,
            &[
                r#"fault: 3: commands.x.limits.cpu: found "50"; accepted is a share of one core such as "50%" or "200%""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
limits = { cpu = 50 }"#,
            &["fault: 3: commands.x.limits.cpu: found 50; accepted is a string"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
limits = { cpu = "50%", per_process = true }"#,
            &[
                "fault: 3: commands.x.limits: `cpu` is a share for all processes together; per_process knows `cpu_time`",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
limits = { open_files = 3 }"#,
            &[
                "fault: 3: commands.x.limits.open_files: found 3; accepted is a whole number from 8 to 1048576",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
limits = { core = "no" }"#,
            &[r#"fault: 3: commands.x.limits.core: found "no"; accepted is true or false"#],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
limits = { cpu_time = "x" }"#,
            &[
                r#"fault: 3: commands.x.limits.cpu_time: found "x"; accepted is a duration such as "500ms", "60s", "30m", "2h""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
limits = 3"#,
            &["fault: 3: commands.x.limits: found 3; accepted is a table"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
umask = "999""#,
            &[
                r#"fault: 3: commands.x.umask: found "999"; accepted are octal digits such as "027""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
umask = 18"#,
            &["fault: 3: commands.x.umask: found 18; accepted is a string"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
umask = "00777""#,
            &[
                r#"fault: 3: commands.x.umask: found "00777"; accepted are octal digits such as "027""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
umask = "1000""#,
            &[
                r#"fault: 3: commands.x.umask: found "1000"; accepted are octal digits such as "027""#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
network = "off""#,
            &[r#"fault: 3: commands.x.network: found "off"; accepted is true or false"#],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
sandbox = { read = ["etc"] }"#,
            &[
                r#"fault: 3: commands.x.sandbox.read[0]: found "etc"; accepted is an absolute path without `.` and `..`"#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
sandbox = { write = "/tmp" }"#,
            &[r#"fault: 3: commands.x.sandbox.write: found "/tmp"; accepted is a list"#],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
sandbox = { execute = ["/usr/../bin"] }"#,
            &[
                r#"fault: 3: commands.x.sandbox.execute[0]: found "/usr/../bin"; accepted is an absolute path without `.` and `..`"#,
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
setuid_allowed = true
network = false"#,
            &[
                "fault: 1: commands.x: `setuid_allowed` with `network = false` or a `sandbox`: the kernel keeps these only from processes that can gain no privileges",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
setuid_allowed = true
sandbox = { read = ["/etc"] }"#,
            &[
                "fault: 1: commands.x: `setuid_allowed` with `network = false` or a `sandbox`: the kernel keeps these only from processes that can gain no privileges",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
leave_running = true
linger = "1s""#,
            &[
                "fault: 1: commands.x: has `linger` and `leave_running`; what is left running is not killed after a while",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
sha256 = "abc""#,
            &[
                "fault: 3: commands.x.sha256: is no SHA-256: 64 hexadecimal digits, as `sha256sum` prints them",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
sha256 = "gggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggg""#,
            &[
                "fault: 3: commands.x.sha256: is no SHA-256: 64 hexadecimal digits, as `sha256sum` prints them",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
sha256 = 1"#,
            &["fault: 3: commands.x.sha256: found 1; accepted is a string"],
        ),
    ]);
}

#[test]
fn roots_are_folders_with_rights_that_roles_narrow() {
    judged(&[
        (
            "[files.x]\ncolour = 1",
            &[
                "fault: 1: files.x: `beneath` is missing; accepted is the absolute path of a folder",
                "fault: 1: files.x: `allow` is missing; accepted is a list of \"list\", \"get\", \"put\" and \"remove\"",
                "fault: 2: files.x.colour: unknown key; accepted are acknowledge, allow, audit, beneath, confirm, cross_mounts, grace, limits, links, lock, max_running, on_revoke, only, put, queue, queue_timeout, require, resume_window, run_as, sources, summary, timeout",
            ],
        ),
        (
            "[files.x]\nbeneath = \"srv\"\nallow = [\"get\", \"get\", \"read\"]",
            &[
                "fault: 2: files.x.beneath: found \"srv\"; accepted is an absolute path without `.` and `..`",
                "fault: 3: files.x.allow[1]: is listed twice",
                "fault: 3: files.x.allow[2]: found \"read\"; accepted are \"list\", \"get\", \"put\", \"remove\"",
            ],
        ),
        (
            "[files.x]\nbeneath = \"/srv\"\nallow = [\"get\"]\nput = { mode = \"0644\" }\n[roles.r]\nfiles = [\"x:put\", \"y\", \"x:read\", \"x\"]",
            &[
                "fault: 4: files.x.put: has no effect: \"put\" is not in `allow`",
                "fault: 6: roles.r.files: `put` is not in files.x.allow: a role narrows what a root allows, and never widens it",
                "fault: 6: roles.r.files: there is no root `y` ([files.y]); there are x",
                "fault: 6: roles.r.files[2]: found \"x:read\"; accepted behind the colon are list, get, put and remove",
            ],
        ),
        (
            "[files.x]\nbeneath = \"/srv\"\nallow = [\"put\"]\nput = { mode = \"4755\", directories = \"9\", max_file = 0, sync = \"now\", colour = 1 }\nlinks = \"all\"\nonly = [\"\"]\n[roles.r]\nfiles = [\"x\"]\ndeny = [\"z:get\"]",
            &[
                "fault: 4: files.x.put.mode: found \"4755\"; accepted are octal digits such as \"0644\", without the bits for setuid, setgid and sticky",
                "fault: 4: files.x.put.directories: found \"9\"; accepted are octal digits such as \"0644\", without the bits for setuid, setgid and sticky",
                "fault: 4: files.x.put.max_file: found 0; accepted is a size such as 4096, \"64KiB\", \"2GiB\"",
                "fault: 4: files.x.put.sync: found \"now\"; accepted are \"batch\", \"file\", \"none\"",
                "fault: 4: files.x.put.colour: unknown key; accepted are directories, max_file, max_files, max_total, mode, replace, sync",
                "fault: 5: files.x.links: found \"all\"; accepted are \"refused\", \"inside\"",
                "fault: 6: files.x.only[0]: found \"\"; accepted is a pattern such as \"*.log\", or \"!secret*\" for what is kept out",
                "fault: 9: roles.r.deny: there is no root `z` ([files.z]); there are x",
            ],
        ),
        (
            "[commands.x]\nexec = [\"/bin/true\"]\n[roles.r]\ncommands = [\"x\"]\nfiles = [\"x\"]\n[files.x]\nbeneath = \"/srv\"\nallow = [\"get\"]",
            &[
                "fault: 6: files.x: has the name of a command, at 1: `deny = [\"x\"]` would mean both",
            ],
        ),
    ]);
}

#[test]
fn roles_grant_what_there_is() {
    judged(&[
        (
            r#"[roles.r]
commands = ["none"]"#,
            &["fault: 2: roles.r.commands: there is no command `none`"],
        ),
        (
            r#"[roles.r]
commands = "x""#,
            &[r#"fault: 2: roles.r.commands: found "x"; accepted is a list"#],
        ),
        (
            r#"[roles.r]
commands = [1]"#,
            &["fault: 2: roles.r.commands[0]: found 1; accepted is a string"],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
[roles.r]
commands = ["x"]
deny = ["y"]"#,
            &["fault: 5: roles.r.deny: there is no command `y`"],
        ),
        (
            r#"[roles.r]
verbs = ["everything"]"#,
            &[
                r#"fault: 2: roles.r.verbs[0]: found "everything"; accepted are cancel-of-others, runs-of-others, output-of-others, signal-of-others, sessions-of-others, end-sessions-of-others, room, recordings-of-others"#,
            ],
        ),
        (
            r#"[roles.r]
verbs = "cancel-of-others""#,
            &[r#"fault: 2: roles.r.verbs: found "cancel-of-others"; accepted is a list"#],
        ),
        (
            r#"[roles.r]
sources = ["10.0.0.1/8"]"#,
            &[
                "fault: 1: roles.r: `sources` names no usable network; leave it out to allow every address",
                "fault: 2: roles.r.sources[0]: `10.0.0.1/8` has bits set beyond its prefix; the network is 10.0.0.0/8",
            ],
        ),
        (
            r#"[roles.r]
sources = []"#,
            &[
                "fault: 1: roles.r: `sources` names no usable network; leave it out to allow every address",
            ],
        ),
        (
            r#"[roles.r]
sources = ["x"]"#,
            &[
                "fault: 1: roles.r: `sources` names no usable network; leave it out to allow every address",
                "fault: 2: roles.r.sources[0]: `x` is not an IP address or network",
            ],
        ),
        (
            r#"[roles.r]
sources = ["10.0.0.0/33"]"#,
            &[
                "fault: 1: roles.r: `sources` names no usable network; leave it out to allow every address",
                "fault: 2: roles.r.sources[0]: `/33` is longer than /32",
            ],
        ),
        (
            r#"[roles.r]
sources = ["::ffff:10.0.0.0/90"]"#,
            &[
                "fault: 1: roles.r: `sources` names no usable network; leave it out to allow every address",
                "fault: 2: roles.r.sources[0]: `::ffff:10.0.0.0/90` is IPv4 inside IPv6, and wider than all of IPv4; write it as IPv4",
            ],
        ),
        (
            r#"[roles.r]
sources = ["10.0.0.0/"]"#,
            &[
                "fault: 1: roles.r: `sources` names no usable network; leave it out to allow every address",
                "fault: 2: roles.r.sources[0]: `/` is not a prefix length",
            ],
        ),
        (
            "roles = 3",
            &["fault: 1: roles: found 3; accepted is a table"],
        ),
        (
            r#"[roles]
r = 3"#,
            &["fault: 2: roles.r: found 3; accepted is a table"],
        ),
    ]);
}

#[test]
fn groups_of_the_system_give_roles_that_there_are() {
    judged(&[
        (
            r#"[groups-of-system]
wheel = ["none"]
[roles.r]"#,
            &["fault: 2: groups-of-system.wheel: there is no role `none`; there are r"],
        ),
        (
            r#"[groups-of-system]
wheel = "r"
[roles.r]"#,
            &[r#"fault: 2: groups-of-system.wheel: found "r"; accepted is a list"#],
        ),
        (
            r#"[groups-of-system]
wheel = []"#,
            &[
                r#"fault: 2: groups-of-system.wheel: names no role; accepted is a list of roles, such as ["support"]"#,
            ],
        ),
        (
            r#"[groups-of-system]
wheel = [1]"#,
            &[
                r#"fault: 2: groups-of-system.wheel: names no role; accepted is a list of roles, such as ["support"]"#,
                "fault: 2: groups-of-system.wheel[0]: found 1; accepted is a string",
            ],
        ),
        (
            r#"[groups-of-system]
"a:b" = ["r"]
[roles.r]"#,
            &[
                "fault: 2: groups-of-system.a:b: `a:b` is no name of the system's: accepted are 1 to 256 bytes without `:`, `,`, `/` and control characters, not beginning with `-` or `+`",
            ],
        ),
        (
            "groups-of-system = 3",
            &["fault: 1: groups-of-system: found 3; accepted is a table"],
        ),
        (
            r#"[users.u]
account = "+u""#,
            &[
                "fault: 2: users.u.account: `+u` is no name of the system's: accepted are 1 to 256 bytes without `:`, `,`, `/` and control characters, not beginning with `-` or `+`",
            ],
        ),
        (
            r#"[users.u]
account = 0"#,
            &["fault: 2: users.u.account: found 0; accepted is a string"],
        ),
        (
            r#"[login]
groups_age = "2h""#,
            &[
                r#"fault: 2: login.groups_age: is out of bounds; accepted is a duration from "1s" to "1h""#,
            ],
        ),
        (
            r#"[login]
groups_age = "none""#,
            &[
                r#"fault: 2: login.groups_age: found "none"; accepted is a duration such as "500ms", "60s", "30m", "2h""#,
            ],
        ),
        (
            r#"[groups-of-system]
"domain users@corp" = ["r"]
[commands.x]
exec = ["/bin/true"]
[roles.r]
deny = ["x"]"#,
            &[
                "warning: 2: groups-of-system.domain users@corp: role `r` denies something, which whoever is taken out of the group, or is not known to be in it, is not denied any more [deny-by-group]",
            ],
        ),
    ]);
}

#[test]
fn a_role_that_a_group_gives_is_used_and_what_is_known_of_is_not_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let text = r#"[groups-of-system]
wheel = ["r"]
acknowledge = { deny-by-group = "nobody leaves this group" }
[commands.x]
exec = ["/bin/true"]
timeout = "60s"
[roles.r]
commands = ["x"]
deny = ["x"]"#;
    std::fs::write(&path, text).unwrap();
    let of_groups = |said: &String| said.contains("groups") || said.contains("role");
    let said = said(&path);
    assert!(!said.iter().any(of_groups), "{said:#?}");

    // Two files must not both say what a group gives.
    let more = folder.path().join("more.toml");
    std::fs::write(&more, "[groups-of-system]\nwheel = [\"r\"]\n").unwrap();
    std::fs::write(&path, format!("include = [\"more.toml\"]\n{text}")).unwrap();
    let said = self::said(&path);
    let twice = "groups-of-system.wheel: is defined already, at ";
    assert!(said.iter().any(|said| said.contains(twice)), "{said:#?}");
}

#[test]
fn users_prove_themselves_by_what_can_be_verified() {
    judged(&[
        (
            r#"[users.u]
roles = ["none"]"#,
            &["fault: 1: users.u.roles: there is no role `none`; none is defined"],
        ),
        (
            r#"[users.u]
roles = "r""#,
            &[r#"fault: 2: users.u.roles: found "r"; accepted is a list"#],
        ),
        (
            r#"[users.u]
roles = [1]"#,
            &["fault: 2: users.u.roles[0]: found 1; accepted is a string"],
        ),
        (
            r#"[users.u]
password = "hunter2""#,
            &[
                "fault: 2: users.u.password: is not a PHC string such as $argon2id$v=19$m=19456,t=2,p=1$…$… (`ordaind hash-password` makes one)",
            ],
        ),
        (
            r#"[users.u]
password = 3"#,
            &["fault: 2: users.u.password: found 3; accepted is a string"],
        ),
        (
            r#"[users.u]
password = "$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA""#,
            &[
                "fault: 2: users.u.password: is argon2i, only argon2id is accepted (`ordaind hash-password` makes one)",
            ],
        ),
        (
            r#"[users.u]
password = "$argon2id$v=16$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA""#,
            &[
                "fault: 2: users.u.password: has another version than 19 (0x13) (`ordaind hash-password` makes one)",
            ],
        ),
        (
            r#"[users.u]
password = "$argon2id$v=19$m=99999999,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA""#,
            &[
                "fault: 2: users.u.password: wants m=99999999 KiB for one login, at most 1048576 (1 GiB) are accepted (`ordaind hash-password` makes one)",
            ],
        ),
        (
            r#"[users.u]
password = "$argon2id$v=19$m=19456,t=0,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA""#,
            &[
                "fault: 2: users.u.password: has m=19456, t=0, p=1; none of them may be 0 (`ordaind hash-password` makes one)",
            ],
        ),
        (
            r#"[users.u]
password = "$argon2id$v=19$m=19456,t=101,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA""#,
            &[
                "fault: 2: users.u.password: has t=101, p=1; more than t=100 or p=64 is absurd (`ordaind hash-password` makes one)",
            ],
        ),
        (
            r#"[users.u]
password = "$argon2id$v=19$m=19456,t=2,p=65$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA""#,
            &[
                "fault: 2: users.u.password: has t=2, p=65; more than t=100 or p=64 is absurd (`ordaind hash-password` makes one)",
            ],
        ),
        (
            r#"[users.u]
password = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ""#,
            &[
                "fault: 2: users.u.password: has no salt or no hash (`ordaind hash-password` makes one)",
            ],
        ),
        (
            r#"[users.u]
ssh_keys = ["ssh-rsa AAAA"]"#,
            &["fault: 2: users.u.ssh_keys[0]: is no public key: its kind cannot be read"],
        ),
        (
            r#"[users.u]
ssh_keys = ["ssh-dss AAAA"]"#,
            &[
                r#"fault: 2: users.u.ssh_keys[0]: found a DSA key, which protects nothing any more (`ssh-keygen -t ed25519` makes a new one); accepted are ssh-ed25519, ecdsa-sha2-nistp256, ecdsa-sha2-nistp384, ecdsa-sha2-nistp521, ssh-rsa, sk-ssh-ed25519@openssh.com, sk-ecdsa-sha2-nistp256@openssh.com"#,
            ],
        ),
        (
            r#"[users.u]
ssh_keys = ["x"]"#,
            &[
                r#"fault: 2: users.u.ssh_keys[0]: found a key of the kind "x"; accepted are ssh-ed25519, ecdsa-sha2-nistp256, ecdsa-sha2-nistp384, ecdsa-sha2-nistp521, ssh-rsa, sk-ssh-ed25519@openssh.com, sk-ecdsa-sha2-nistp256@openssh.com"#,
            ],
        ),
        (
            r#"[users.u]
ssh_keys = ["ssh-ed25519 AAAA"]"#,
            &["fault: 2: users.u.ssh_keys[0]: is no public key: its kind cannot be read"],
        ),
        (
            r#"[users.u]
ssh_keys = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGx4d3Rlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3R0""#,
            &[
                r#"fault: 2: users.u.ssh_keys: found "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGx4d3Rlc3R0ZXN0dGVzdHRl"; accepted is a list"#,
            ],
        ),
        (
            r#"[users.u]
ssh_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGx4d3Rlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3R0", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGx4d3Rlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3R0 comment"]"#,
            &["fault: 2: users.u.ssh_keys[1]: is listed twice"],
        ),
        (
            r#"[users.u]
disabled = "yes""#,
            &[r#"fault: 2: users.u.disabled: found "yes"; accepted is true or false"#],
        ),
        (
            r#"[users.u]
totp = 1"#,
            &["fault: 2: users.u.totp: found 1; accepted is true or false"],
        ),
        (
            r#"[users.u]
sources = ["10.1.1.1/8"]"#,
            &[
                "fault: 1: users.u: `sources` names no usable network; leave it out to allow every address",
                "fault: 2: users.u.sources[0]: `10.1.1.1/8` has bits set beyond its prefix; the network is 10.0.0.0/8",
            ],
        ),
        (
            r#"[users]
u = 3"#,
            &["fault: 2: users.u: found 3; accepted is a table"],
        ),
    ]);
}

#[test]
fn the_daemons_own_bounds_are_whole_numbers_in_range() {
    judged(&[
        (
            r#"[limits]
connections = 0"#,
            &[
                "fault: 2: limits.connections: found 0; accepted is a whole number from 1 to 1000000",
            ],
        ),
        (
            r#"[limits]
connections = "many""#,
            &[
                r#"fault: 2: limits.connections: found "many"; accepted is a whole number from 1 to 1000000"#,
            ],
        ),
        (
            r#"[limits]
connections_per_source = -1"#,
            &[
                "fault: 2: limits.connections_per_source: found -1; accepted is a whole number from 1 to 1000000",
            ],
        ),
        (
            r#"[limits]
connections_before_login = 1000001"#,
            &[
                "fault: 2: limits.connections_before_login: found 1000001; accepted is a whole number from 1 to 1000000",
            ],
        ),
        (
            r#"[limits]
streams_per_connection = 513"#,
            &[
                "fault: 2: limits.streams_per_connection: found 513; accepted is a whole number from 1 to 512",
            ],
        ),
        (
            r#"[limits]
runs_per_user = 0"#,
            &[
                "fault: 2: limits.runs_per_user: found 0; accepted is a whole number from 1 to 100000",
            ],
        ),
        (
            r#"[limits]
runs_per_user = 1.5"#,
            &[
                "fault: 2: limits.runs_per_user: found 1.5; accepted is a whole number from 1 to 100000",
            ],
        ),
        (
            r#"[login]
verifiers = 0"#,
            &["fault: 2: login.verifiers: found 0; accepted is a whole number from 1 to 64"],
        ),
        (
            r#"[login]
verifiers = 65"#,
            &["fault: 2: login.verifiers: found 65; accepted is a whole number from 1 to 64"],
        ),
        (
            "limits = 3",
            &["fault: 1: limits: found 3; accepted is a table"],
        ),
        (
            r#"login = "x""#,
            &[r#"fault: 1: login: found "x"; accepted is a table"#],
        ),
        (
            r#"[penalties]
login = "x""#,
            &[
                r#"fault: 2: penalties.login: found "x"; accepted is a duration such as "500ms", "60s", "30m", "2h""#,
            ],
        ),
        (
            r#"[penalties]
floor = "20s"
cap = "10s""#,
            &[
                "fault: 1: penalties: `cap` is under `floor`: nothing would ever be enforced; spell that off = true",
            ],
        ),
        (
            r#"[penalties]
cap = "30s""#,
            &[
                "fault: 1: penalties: `cap` is under `user_floor`: failures in a user's name would never count",
            ],
        ),
        (
            r#"[penalties]
entries = 1"#,
            &[
                "fault: 2: penalties.entries: found 1; accepted is a whole number from 16 to 1000000",
            ],
        ),
        (
            r#"[penalties]
ipv4_prefix = 33"#,
            &["fault: 2: penalties.ipv4_prefix: found 33; accepted is a whole number from 1 to 32"],
        ),
        (
            r#"[penalties]
ipv6_prefix = 0"#,
            &["fault: 2: penalties.ipv6_prefix: found 0; accepted is a whole number from 1 to 128"],
        ),
        (
            r#"[penalties]
exempt = ["localhost"]"#,
            &["fault: 2: penalties.exempt[0]: `localhost` is not an IP address or network"],
        ),
        (
            r#"[penalties]
exempt = "::1""#,
            &[r#"fault: 2: penalties.exempt: found "::1"; accepted is a list"#],
        ),
        (
            r#"[penalties]
off = "yes""#,
            &[r#"fault: 2: penalties.off: found "yes"; accepted is true or false"#],
        ),
    ]);
}

#[test]
fn what_is_risky_is_warned_of_and_allowed() {
    judged(&[
        (
            r#"[commands.x]
exec = ["/bin/true"]
timeout = "none""#,
            &[
                r#"warning: 1: commands.x: timeout is "none": a run that hangs goes on for ever [no-timeout]"#,
                "warning: 1: commands.x: no role grants this command [unused-command]",
            ],
        ),
        (
            r#"[commands.vi]
exec = ["/usr/bin/vi"]
pty = true"#,
            &[
                "warning: 1: commands.vi: pty: this program can start a shell from inside, and whoever runs it has that shell as its account [shell-inside]",
                "warning: 1: commands.vi: no role grants this command [unused-command]",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/echo", "{a}"]
args.a = { type = "string", pattern = ".*", allow_dash = true }"#,
            &[
                "warning: 1: commands.x: no role grants this command [unused-command]",
                "warning: 3: commands.x.args.a: allow_dash: a value may look like an option; put `--` before its hole [option-injection]",
            ],
        ),
        // Where a value cannot be taken for an option there is nothing to warn of.
        (
            r#"[commands.x]
exec = ["/bin/grep", "-e", "{a}", "--since={b}", "--", "{c}"]
args.a = { type = "string", pattern = ".*", allow_dash = true }
args.b = { type = "string", pattern = ".*", allow_dash = true }
args.c = { type = "string", pattern = ".*", allow_dash = true }"#,
            &["warning: 1: commands.x: no role grants this command [unused-command]"],
        ),
        (
            r#"[roles.r]
commands = ["*"]"#,
            &[
                "warning: 1: roles.r: no user has this role [unused-role]",
                "warning: 2: roles.r.commands: `*` grants nothing [wildcard]",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
[roles.r]
commands = ["*"]"#,
            &[
                "warning: 3: roles.r: no user has this role [unused-role]",
                "warning: 4: roles.r.commands: `*` grants x [wildcard]",
            ],
        ),
        (
            r#"[commands.x]
exec = ["/bin/true"]
[roles.r]
commands = ["y*"]"#,
            &[
                "warning: 1: commands.x: no role grants this command [unused-command]",
                "warning: 3: roles.r: no user has this role [unused-role]",
                "warning: 4: roles.r.commands: `y*` grants nothing [wildcard]",
            ],
        ),
        (
            r#"[roles.r]
commands = []"#,
            &["warning: 1: roles.r: no user has this role [unused-role]"],
        ),
        (
            r#"[users.u]
roles = []"#,
            &[
                "warning: 1: users.u: has neither a password nor SSH keys and cannot log in [no-login]",
            ],
        ),
        (
            r#"[users.u]
roles = []
password = "$argon2id$v=19$m=64,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA""#,
            &[
                "warning: 3: users.u.password: is weak: m=64 KiB, t=2; OWASP's least is m=19456, t=2 [weak-hash]",
            ],
        ),
        (
            r#"[users.a]
password = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"
[users.b]
password = "$argon2id$v=19$m=19456,t=3,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA""#,
            &[
                "warning: 3: users.b.password: costs another amount of work than that of `a`: the time of a refusal tells such users apart [uneven-hashes]",
            ],
        ),
        (
            r#"[penalties]
off = true"#,
            &[
                "warning: 1: penalties: penalties are off: passwords can be guessed as fast as they can be verified [penalties-off]",
            ],
        ),
        (
            r#"include = ["none-*.toml"]"#,
            &["warning: 1: include[0]: matches no file [empty-include]"],
        ),
    ]);
}

#[test]
fn includes_are_files_beside_the_first() {
    judged(&[
        (
            r#"include = "x.toml""#,
            &[r#"fault: 1: include: found "x.toml"; accepted is a list"#],
        ),
        (
            "include = [1]",
            &["fault: 1: include[0]: found 1; accepted is a string"],
        ),
        (
            r#"include = ["~/x.toml"]"#,
            &[
                "fault: 1: include[0]: is `~/x.toml`: `~` is not expanded here; accepted is a path, from this file's folder on where it is not absolute",
            ],
        ),
        (
            r#"include = ["missing.toml"]"#,
            &["fault: {folder}/missing.toml: No such file or directory (os error 2)"],
        ),
        (
            r#"include = ["*/x.toml"]"#,
            &["fault: 1: include[0]: `*` is accepted in the file's name only"],
        ),
    ]);
}

/// Who must agree to a command's runs could do so also when one of them is away, or asks.
#[test]
fn who_must_agree_could() {
    let users = "[users.a]\nroles = [\"dba\"]\n[users.b]\nroles = [\"dba\"]\n[users.c]\nroles = [\"dba\"]\ndisabled = true\n[roles.dba]\ncommands = [\"x\"]\n";
    let piece = |keys: &str| format!("[commands.x]\nexec = [\"/bin/true\"]\n{keys}\n{users}");
    let few = "fault: 1: commands.x.approval: needs 2 to agree, and 2 could: the users with the role `dba` must be more than are needed, because nobody agrees to a run of their own";
    let unseen = |what: &str| {
        format!(
            "fault: 3: commands.x.approval: goes with no {what}: whoever agrees could not see it"
        )
    };
    let (sent, typed) = (
        unseen("what is sent as `stdin`"),
        unseen("what is typed at a `pty`"),
    );
    for (keys, expected) in [
        ("approval = { by = \"dba\" }", &[][..]),
        ("approval = { by = \"dba\", needed = 2 }", &[few]),
        (
            "approval = { by = \"dba\" }\n[users.d]\nroles = [\"dba\"]",
            &[],
        ),
        (
            "approval = { by = \"boss\" }",
            &["fault: 1: commands.x.approval: there is no role `boss`"],
        ),
        (
            "approval = { by = \"dba\" }\nstdin = true",
            &[sent.as_str()],
        ),
        ("approval = { by = \"dba\" }\npty = true", &[typed.as_str()]),
        (
            "approval = {}",
            &[
                "fault: 3: commands.x.approval: `by` is missing; accepted is the name of the role whose users may agree",
            ],
        ),
        (
            "approval = { by = \"dba\", asked_for = \"15d\" }",
            &["fault: 3: commands.x.approval.asked_for: is not between 1s and 14d"],
        ),
    ] {
        judged(&[(&piece(keys), expected)]);
    }
}

/// Two users who log in by one key are one person, who cannot be who asks and who agrees.
#[test]
fn users_with_one_key_are_one_person_who_could_agree() {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
    let user = |name: &str, keys: &str| format!("[users.{name}]\nroles = [\"dba\"]\n{keys}");
    let same = format!("ssh_keys = [\"{key}\"]\n");
    let begins = "[commands.x]\nexec = [\"/bin/true\"]\napproval = { by = \"dba\" }\n[roles.dba]\ncommands = [\"x\"]\n";
    let two = [begins, &user("a", &same), &user("b", &same)].concat();
    let one = "fault: 1: commands.x.approval: needs 1 to agree, and 1 could: the users with the role `dba` must be more than are needed, because nobody agrees to a run of their own";
    judged(&[(&two, &[one])]);
    let three = [&two, user("c", "").as_str()].concat();
    judged(&[(&three, &[])]);
}
