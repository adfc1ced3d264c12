//! Arguments in a configuration: words with values, times, definitions that commands share; and
//! warnings that somebody has acknowledged. What is said is compared whole, so that nothing follows
//! from a fault that is a fault already.

use std::path::Path;

/// What is said of a configuration whose command may be run by a role that somebody has.
fn said(text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let rest = "[roles.r]\ncommands = [\"x\"]\n[users.u]\nroles = [\"r\"]\nssh_keys = [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPbKkK4Bp6Jt8VfpFJSqe8vAe3HNzXlm5LpT5x0sNNyI\"]\n[defaults]\ntimeout = \"60s\"\n";
    let rest = match text.contains("[defaults]") {
        true => rest.split("[defaults]").next().unwrap(),
        false => rest,
    };
    std::fs::write(&path, format!("{text}\n{rest}")).unwrap();
    of_file(&path)
}

fn of_file(path: &Path) -> Vec<String> {
    let own = format!("{}:", path.display());
    let shown = |what: &str, fault: &ordain::config::Fault| {
        format!("{what}: {}", fault.to_string().replace(&own, ""))
    };
    match ordain::config::offline(path) {
        Ok(loaded) => loaded
            .warnings
            .iter()
            .map(|warning| shown("warning", warning))
            .chain((loaded.acknowledged > 0).then(|| format!("{} known", loaded.acknowledged)))
            .collect(),
        Err((faults, warnings)) => faults
            .iter()
            .map(|fault| shown("fault", fault))
            .chain(warnings.iter().map(|warning| shown("warning", warning)))
            .collect(),
    }
}

/// A command with this argument, behind a `--`.
fn argument(definition: &str) -> Vec<String> {
    said(&format!(
        "[commands.x]\nexec = [\"/bin/echo\", \"--\", \"{{a}}\"]\nargs.a = {{ {definition} }}"
    ))
}

#[test]
fn words_have_values_and_both_are_judged() {
    for (definition, expected) in [
        (
            r#"type = "choice", choices = { web = "nginx.service", db = "postgresql.service" }"#,
            None,
        ),
        (
            r#"type = "choice", choices = { web = "nginx.service" }, default = "web""#,
            None,
        ),
        (
            r#"type = "choice", choices = { none = "", "two words" = "x" }"#,
            None,
        ),
        (
            r#"type = "choice", choices = { all = "-a" }, allow_dash = true"#,
            None,
        ),
        (
            r#"type = "choice", choices = { web = "nginx.service" }, default = "nginx.service""#,
            Some(
                "fault: 3: commands.x.args.a.default: the default `nginx.service` is not one of web",
            ),
        ),
        (
            r#"type = "choice", choices = { all = "-a" }"#,
            Some(
                "fault: 3: commands.x.args.a: the choice `all` becomes `-a`, which starts with `-`, which allow_dash = true must permit",
            ),
        ),
        (
            r#"type = "choice", choices = { "-a" = "-a" }"#,
            Some(
                "fault: 3: commands.x.args.a: the choice `-a` starts with `-`, which allow_dash = true must permit",
            ),
        ),
        (
            r#"type = "choice", choices = { "" = "x" }"#,
            Some(
                "fault: 3: commands.x.args.a.choices.: the word is empty, and a word must be typed",
            ),
        ),
        (
            r#"type = "choice", choices = { "a\u001b" = "x" }"#,
            Some(
                "fault: 3: commands.x.args.a.choices.a\u{1b}: the word holds the character U+001B",
            ),
        ),
        (
            r#"type = "choice", choices = { web = "a\u0000b" }"#,
            Some(
                "fault: 3: commands.x.args.a.choices.web: has a NUL character, which no argument can hold",
            ),
        ),
        (
            r#"type = "choice", choices = { web = 1 }"#,
            Some("fault: 3: commands.x.args.a.choices.web: found 1; accepted is a string"),
        ),
        (
            r#"type = "choice", choices = {}"#,
            Some("fault: 3: commands.x.args.a: `choices` is empty"),
        ),
        (
            r#"type = "choice", choices = "web""#,
            Some(r#"fault: 3: commands.x.args.a.choices: found "web"; accepted is a list"#),
        ),
    ] {
        let seen = argument(definition);
        let expected: Vec<&str> = expected.into_iter().collect();
        match expected.first() {
            // Where words cannot be read it may be that none is left.
            Some(first) => assert_eq!(
                seen.iter().filter(|line| line == first).count(),
                1,
                "{definition}: {seen:#?}"
            ),
            None => assert_eq!(seen, expected, "{definition}"),
        }
    }
}

#[test]
fn times_have_bounds_and_a_form() {
    for (definition, expected) in [
        (r#"type = "time""#, None),
        (
            r#"type = "time", min = "7d ago", max = "now", form = "journal", default = "2h ago""#,
            None,
        ),
        (
            r#"type = "time", min = "2026-01-01", max = "now", form = "unix""#,
            None,
        ),
        (
            r#"type = "time", min = "now", max = "1h ago""#,
            Some("fault: 3: commands.x.args.a: `min` is later than `max`"),
        ),
        (
            r#"type = "time", min = "yesterday""#,
            Some(
                "fault: 3: commands.x.args.a.min: `yesterday` is no time; accepted are now, 2h ago, 2026-11-27 or 2026-11-27T08:00:00Z",
            ),
        ),
        (
            r#"type = "time", min = "99999d ago""#,
            Some(
                "fault: 3: commands.x.args.a.min: `99999d ago` is no time ago; accepted is a whole number with s, m, h or d, such as `2h ago`, ten years at the most",
            ),
        ),
        (
            r#"type = "time", form = "iso""#,
            Some(
                r#"fault: 3: commands.x.args.a.form: found "iso"; accepted are "rfc3339", "unix", "journal""#,
            ),
        ),
        (
            r#"type = "time", min = "1h ago", default = "2h ago""#,
            Some(
                "fault: 3: commands.x.args.a.default: the default `2h ago` lies before 1h ago, or will",
            ),
        ),
        (
            r#"type = "time", min = "7d ago", default = "2099-01-01""#,
            Some(
                "fault: 3: commands.x.args.a.default: the default `2099-01-01` lies before 7d ago, or will",
            ),
        ),
        (
            r#"type = "time", max = 5"#,
            Some("fault: 3: commands.x.args.a.max: found 5; accepted is a string"),
        ),
    ] {
        assert_eq!(
            argument(definition),
            Vec::from_iter(expected),
            "{definition}"
        );
    }
}

#[test]
fn a_path_is_for_files_or_folders_or_both() {
    let path = r#"type = "path", beneath = "/var/log", pass = "fd""#;
    for only in ["file", "folder"] {
        assert_eq!(argument(&format!(r#"{path}, only = "{only}""#)), [""; 0]);
    }
    assert_eq!(
        argument(&format!(r#"{path}, only = "link""#)),
        [r#"fault: 3: commands.x.args.a.only: found "link"; accepted are "file", "folder""#]
    );
}

/// A command that uses the definition at its third line.
const USES: &str =
    "[commands.x]\nexec = [\"/bin/echo\", \"--\", \"{a}\"]\nargs.a = { use = \"unit\" }";

#[test]
fn a_definition_is_shared_and_told_of_once() {
    for (definition, use_of_it, expected) in [
        (
            r#"type = "choice", choices = ["web"]"#,
            USES.to_owned(),
            &[][..],
        ),
        // Twice used, once wrong.
        (
            r#"type = "choice", choice = ["web"]"#,
            format!("{USES}\nargs.b = {{ use = \"unit\" }}").replace("{a}\"", "{a}\", \"{b}\""),
            &["fault: 1: arguments.unit.choice: unknown key; did you mean `choices`?"],
        ),
        (
            r#"type = "chioce", choices = ["web"]"#,
            USES.replace("\"unit\"", "\"unit\", default = \"no host name\""),
            &[
                "fault: 1: arguments.unit.type: found \"chioce\"; accepted are \"choice\", \"integer\", \"string\", \"flag\", \"path\", \"hostname\", \"ip\", \"cidr\", \"time\"",
            ],
        ),
        (
            r#"type = "choice", choices = ["web"], default = "db""#,
            USES.to_owned(),
            &["fault: 1: arguments.unit.default: the default `db` is not one of web"],
        ),
        (
            r#"type = "choice", choices = ["web"]"#,
            USES.replace("\"unit\"", "\"unti\""),
            &[
                "fault: 5: commands.x.args.a.use: there is no `[arguments.unti]`; did you mean `unit`?",
                "warning: 1: arguments.unit: no command uses this definition [unused-argument]",
            ],
        ),
        (
            r#"type = "choice", choices = ["web"]"#,
            USES.replace("\"unit\"", "\"service\""),
            &[
                "fault: 5: commands.x.args.a.use: there is no `[arguments.service]`",
                "warning: 1: arguments.unit: no command uses this definition [unused-argument]",
            ],
        ),
        // What a command may say otherwise, and what not.
        (
            r#"type = "choice", choices = ["web", "db"]"#,
            USES.replace(
                "use = \"unit\"",
                "use = \"unit\", default = \"db\", summary = \"which\"",
            ),
            &[],
        ),
        (
            r#"type = "choice", choices = ["web", "db"]"#,
            USES.replace("use = \"unit\"", "use = \"unit\", default = \"dp\""),
            &["fault: 5: commands.x.args.a.default: the default `dp` is not one of web, db"],
        ),
        (
            r#"type = "choice", choices = ["web", "db"]"#,
            USES.replace("use = \"unit\"", "use = \"unit\", choices = [\"web\"]"),
            &[
                "fault: 5: commands.x.args.a.choices: unknown key; accepted are default, optional, summary, use",
            ],
        ),
        (
            r#"type = "choice", choices = ["web"], use = "unit""#,
            USES.to_owned(),
            &[
                "fault: 1: arguments.unit.use: unknown key; accepted are acknowledge, allow_dash, choices, default, optional, repeated, secret, summary, type",
            ],
        ),
    ] {
        let seen = said(&format!(
            "arguments.unit = {{ {definition} }}\n\n{use_of_it}"
        ));
        assert_eq!(seen, expected, "{definition}\n{use_of_it}");
    }
}

#[test]
fn a_definition_may_stand_in_another_file_than_its_commands() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let own = "include = [\"more.toml\"]\n[commands.x]\ntimeout = \"5s\"\nexec = [\"/bin/echo\", \"--\", \"{a}\"]\nargs.a = { use = \"unit\" }\n[roles.r]\ncommands = [\"x\"]\n";
    std::fs::write(&path, own).unwrap();
    let more = folder.path().join("more.toml");
    std::fs::write(&more, "[arguments.unit]\ntype = \"hostname\"\n").unwrap();
    assert_eq!(
        of_file(&path),
        ["warning: 6: roles.r: no user has this role [unused-role]"]
    );
}

#[test]
fn nothing_follows_from_a_fault_that_is_one_already() {
    for (text, expected) in [
        (
            "[commands.x]\nexec = [\"/bin/echo\", \"--\", \"{a}\"]\narg.a = { type = \"ip\" }",
            "fault: 3: commands.x.arg: unknown key; did you mean `args`?",
        ),
        (
            "[commands.x]\nexce = [\"/bin/true\"]",
            "fault: 2: commands.x.exce: unknown key; did you mean `exec`?",
        ),
        (
            "[commands.x]\nexec = [\"bin/true\"]",
            "fault: 2: commands.x.exec: the executable: found \"bin/true\"; accepted is an absolute path without `.` and `..`",
        ),
        (
            "[commands.x]\nexec = [\"/bin/echo\", \"--\", \"{a}\"]\nargs.a = { typ = \"ip\" }",
            "fault: 3: commands.x.args.a.typ: unknown key; did you mean `type`?",
        ),
        (
            "[commands.x]\nexec = [\"/bin/echo\", \"--\", \"{a}\"]\nargs.a = { type = \"string\", patern = \"x\" }",
            "fault: 3: commands.x.args.a.patern: unknown key; did you mean `pattern`?",
        ),
        (
            "[commands.x]\nexec = [\"/bin/echo\", \"--\", \"{a}\"]\nargs.a = \"unit\"",
            "fault: 3: commands.x.args.a: found \"unit\"; accepted is a table",
        ),
        (
            "[commands.x]\nexec = [\"/bin/true\"]\ntimout = \"5s\"\n[defaults]\ntimeout = \"none\"\nacknowledge = { no-timeout = \"watched\" }",
            "fault: 3: commands.x.timout: unknown key; did you mean `timeout`?",
        ),
        (
            "[commands.x]\nexec = [\"/bin/true\"]\n[defaults]\ntimout = \"5s\"",
            "fault: 4: defaults.timout: unknown key; did you mean `timeout`?",
        ),
    ] {
        let seen = said(text);
        assert!(
            seen.len() == 1 && seen[0].starts_with(expected),
            "{text}\n{seen:#?}"
        );
    }
}

#[test]
fn a_default_that_is_risky_is_told_where_it_stands() {
    let text = "[defaults]\ntimeout = \"none\"\n[commands.x]\nexec = [\"/bin/true\"]";
    assert_eq!(
        said(text),
        [
            "warning: 1: defaults: timeout is \"none\": a run that hangs goes on for ever, of every command without its own [no-timeout]"
        ]
    );
}

const RISKY: &str = "[commands.x]\nexec = [\"/bin/echo\", \"{a}\"]\nargs.a = { type = \"string\", pattern = \".*\", allow_dash = true }\n";

#[test]
fn what_is_acknowledged_with_a_reason_is_not_warned_of() {
    let warned = "warning: 3: commands.x.args.a: allow_dash: a value may look like an option; put `--` before its hole [option-injection]";
    assert_eq!(said(RISKY), [warned]);
    for (acknowledge, expected) in [
        (
            r#"option-injection = "echo has no harmful option""#,
            &["1 known"][..],
        ),
        (
            r#"option-injection = " ""#,
            &[
                "fault: 4: commands.x.acknowledge.option-injection: is empty; accepted is the reason why this is no risk here",
                warned,
            ],
        ),
        (
            "option-injection = true",
            &[
                "fault: 4: commands.x.acknowledge.option-injection: found true; accepted is a string",
                warned,
            ],
        ),
        (
            r#"option-injection = "known", secret-in-argv = "only root is here""#,
            &[
                "warning: 4: commands.x.acknowledge.secret-in-argv: acknowledges what is not warned of; leave it out [unused-acknowledgement]",
                "1 known",
            ],
        ),
        // What only the machine itself shows is not looked for on another.
        (
            r#"option-injection = "known", account-processes = "an account of its own""#,
            &["1 known"],
        ),
    ] {
        let seen = said(&format!("{RISKY}acknowledge = {{ {acknowledge} }}"));
        assert_eq!(seen, expected, "{acknowledge}");
    }
}

#[test]
fn an_unknown_warning_is_a_fault_that_names_the_one_that_was_meant() {
    let seen = said(&format!(
        "{RISKY}acknowledge = {{ option-injections = \"x\" }}"
    ));
    assert!(
        seen[0].starts_with("fault: 4: commands.x.acknowledge.option-injections: is no warning that can be acknowledged; did you mean `option-injection`? accepted are option-injection, secret-in-argv, "),
        "{seen:#?}"
    );
    for none in ["unused-acknowledgement", "empty-include"] {
        let seen = said(&format!("{RISKY}acknowledge = {{ {none} = \"x\" }}"));
        assert!(
            seen[0].contains("is no warning that can be acknowledged"),
            "{seen:#?}"
        );
    }
}

/// `x.y` is another command, and no part of `x`.
#[test]
fn one_command_acknowledges_nothing_of_another() {
    let other = RISKY.replace("[commands.x]", "[commands.\"x.y\"]");
    let seen = said(&format!(
        "[commands.x]\nexec = [\"/bin/true\"]\nacknowledge = {{ option-injection = \"known\", unused-command = \"known\" }}\n{other}"
    ));
    let names: Vec<&str> = seen
        .iter()
        .filter_map(|line| line.rsplit('[').next())
        .collect();
    assert_eq!(
        names,
        [
            "unused-acknowledgement]",
            "unused-acknowledgement]",
            "unused-command]",
            "option-injection]"
        ]
    );
}

#[test]
fn every_place_that_is_warned_of_can_acknowledge_it() {
    let text = "[commands.y]\nexec = [\"/bin/true\"]\ntimeout = \"none\"\nacknowledge = { no-timeout = \"a\", unused-command = \"b\" }\n[roles.w]\ncommands = [\"y*\"]\nacknowledge = { wildcard = \"c\", unused-role = \"d\" }\n[users.w]\nacknowledge = { no-login = \"e\" }\n[arguments.spare]\ntype = \"ip\"\nacknowledge = { unused-argument = \"f\" }\n[penalties]\noff = true\nacknowledge = { penalties-off = \"g\" }\n[commands.x]\nexec = [\"/bin/true\"]";
    assert_eq!(
        said(text),
        [
            "warning: 4: commands.y.acknowledge.unused-command: acknowledges what is not warned of; leave it out [unused-acknowledgement]",
            "6 known"
        ]
    );
}

#[test]
fn every_warning_stands_in_the_book() {
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src/warnings.md"))
            .unwrap();
    for warning in ordain::config::Warning::ALL {
        let row = format!("| `{}` |", warning.word());
        assert_eq!(page.matches(&row).count(), 1, "{row}");
    }
    let rows = page.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, ordain::config::Warning::ALL.len());
}
