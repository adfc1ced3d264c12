//! The commands that many tests use, and who may run them.

use super::builder::{Cmd, Setup};

/// One of them by its name.
pub fn command(name: &str) -> Cmd {
    commands()
        .into_iter()
        .find(|command| command.name == name)
        .unwrap_or_else(|| panic!("`{name}` is no common command"))
}

/// All of them; alice may run all but `hidden`, bob and lead some, and whoever is gone none.
pub fn all(setup: Setup) -> Setup {
    let names: Vec<String> = commands().into_iter().map(|command| command.name).collect();
    let open: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| *name != "hidden")
        .collect();

    setup
        .commands(commands())
        .role("all", &open)
        .role("other", &["true", "sleep"])
        .role_with(
            "lead",
            &["true"],
            r#"verbs = ["runs-of-others", "cancel-of-others"]"#,
        )
        .user("alice", &["all"])
        .user("bob", &["other"])
        .user("lead", &["lead"])
        .user_with("gone", &["all"], "password = \"{hash}\"\ndisabled = true")
}

fn commands() -> Vec<Cmd> {
    vec![
        Cmd::new("true", &["/bin/true"]),
        Cmd::new(
            "args",
            &[
                "/bin/sh",
                "-c",
                r#"for word in "$@"; do printf "<%s>\n" "$word"; done"#,
                "args",
                "{text}",
            ],
        )
        .group(&["--number", "{number}"])
        .word("{flag}")
        .word("{many}")
        .summary("Prints its arguments, a line each")
        .string("text", "(?s).*", 4096)
        .arg(
            "number",
            r#"type = "integer", min = -5, max = 1000, optional = true"#,
        )
        .arg("flag", r#"type = "flag", word = "--flag""#)
        .arg(
            "many",
            r#"type = "choice", choices = ["a", "b"], repeated = 3, optional = true"#,
        ),
        Cmd::new("kinds", &["/bin/echo"])
            .group(&["{host}"])
            .group(&["{ip}"])
            .group(&["{net}"])
            .group(&["{choice}"])
            .group(&["{word}"])
            .group(&["{unit}"])
            .group(&["{time}"])
            .arg("host", r#"type = "hostname", optional = true"#)
            .arg("ip", r#"type = "ip", optional = true"#)
            .arg("net", r#"type = "cidr", optional = true"#)
            .arg(
                "choice",
                r#"type = "choice", choices = ["one", "two"], optional = true"#,
            )
            .arg(
                "word",
                r#"type = "string", pattern = "[a-z]+", max = 8, optional = true"#,
            )
            .arg(
                "unit",
                r#"type = "choice", choices = { web = "nginx.service" }, optional = true"#,
            )
            .arg(
                "time",
                r#"type = "time", min = "7d ago", max = "now", form = "journal", optional = true"#,
            ),
        Cmd::new("show", &["/bin/cat", "--", "{file}"]).arg(
            "file",
            r#"type = "path", beneath = "{folder}/files", pass = "fd""#,
        ),
        Cmd::new("cat", &["/bin/cat"]).stdin(),
        Cmd::new("small", &["/bin/cat"]).set("stdin", r#"{ max = "1KiB" }"#),
        Cmd::sh(
            "exit",
            r#"echo out; echo err >&2; exit "$1""#,
            &["{status}"],
        )
        .integer("status", 0, 255),
        Cmd::sh("signal", r#"kill -"$1" $$"#, &["{number}"]).integer("number", 1, 15),
        Cmd::new("sleep", &["/bin/sleep", "1000"]),
        Cmd::sh("marked", "echo $$; exec sleep 1000", &[]),
        Cmd::new("hangs", &["/bin/sleep", "1000"])
            .timeout("300ms")
            .grace("100ms"),
        Cmd::sh(
            "stubborn",
            r#"trap "" TERM; echo ready; while :; do sleep 1; done"#,
            &[],
        )
        .timeout("300ms")
        .grace("200ms"),
        Cmd::new("missing", &["{folder}/gone"]),
        Cmd::new("plain", &["{folder}/plain"]),
        Cmd::new("noexec", &["{folder}/noexec"]),
        Cmd::sh("early", "exec <&-; echo done", &[]).stdin(),
        Cmd::sh("closes", "exec >&-; sleep 0.05; echo late >&2; exit 4", &[]),
        Cmd::new("quiet", &["/bin/true"]),
        Cmd::new("flood", &["/usr/bin/head", "-c", "1073741824", "/dev/zero"]),
        Cmd::sh("leaves", "sleep 1000 & echo $!; exit 5", &[]),
        Cmd::new("environment", &["/usr/bin/env"])
            .environment("WHO", "x-{who}")
            .string("who", "[a-z]+", 10),
        Cmd::sh("secret", r#"printf "%s" "$TOKEN""#, &[])
            .environment("TOKEN", "{token}")
            .arg(
                "token",
                r#"type = "string", pattern = "[a-z0-9]+", max = 40, secret = true"#,
            ),
        Cmd::new("ask", &["/bin/echo", "asked"]).set("confirm", "true"),
        Cmd::new("locked", &["/bin/sleep", "1000"]).lock("only"),
        Cmd::sh(
            "goes-on",
            r#"cat > "$1"; sleep 0.1; echo finished >> "$1""#,
            &["{folder}/went-on"],
        )
        .stdin()
        .goes_on(),
        Cmd::new("hidden", &["/bin/true"]),
        Cmd::sh("control", r#"printf "a\033[2Jb""#, &[]),
    ]
}
