//! What is typed, by both parsers.

use super::*;
use clap::CommandFactory;

#[test]
fn everything_after_the_command_is_the_commands() {
    let args = ClientArgs::parse_from([
        "ordain", "--user", "alice", "run", "--nagios", "web1", "tail", "--lines", "5", "--json",
        "-x", "--", "--y",
    ]);
    assert_eq!(args.user.as_deref(), Some("alice"));
    assert!(!args.json);
    let ClientVerb::Run(run) = args.verb else {
        panic!("not run")
    };
    assert!(run.nagios);
    assert_eq!(
        (run.command(), run.words()),
        (
            "tail",
            ["--lines", "5", "--json", "-x", "--", "--y"]
                .map(String::from)
                .as_slice()
        )
    );
}

/// Options of ordain's own were taken from what followed the command, as long as nothing else
/// had.
#[test]
fn the_first_word_after_the_command_is_the_commands_too() {
    for words in [
        ["--timeout", "1s"],
        ["--", "--dry-run"],
        ["--verbose", "x"],
        ["--json", "--raw"],
    ] {
        let args = ClientArgs::parse_from(
            ["ordain", "run", "--raw", "web1", "slow"]
                .iter()
                .chain(&words),
        );

        assert!(!args.json && !args.verbose);
        let ClientVerb::Run(run) = args.verb else {
            panic!("not run")
        };
        assert!(run.timeout.is_none() && !run.dry_run && run.raw);
        assert_eq!(run.words(), words);
    }
}

/// What the parser of `run` alone reads is what the whole one reads.
#[test]
fn run_is_read_the_same_by_both_parsers() {
    let lines = [
        "run web1 uptime",
        "--user run run web1 uptime",
        "--json run --timeout 1s alice@web1:1 tail --lines 5 -- run",
        "-v run --dry-run web1 run",
        "list run",
        "--user run list web1",
        "explain web1 run",
        "run",
        "run web1",
        "run --nothing web1 x",
        "run --help",
        "--help run",
        "--pin x --ca y run web1 x",
        "run --connect-timeout never web1 x",
    ];

    for line in lines {
        let words: Vec<OsString> = std::iter::once("ordain")
            .chain(line.split(' '))
            .map(Into::into)
            .collect();
        let shown = |read: Result<ClientArgs, clap::Error>| {
            read.map(|args| format!("{args:?}"))
                .map_err(|error| error.to_string())
        };

        assert_eq!(
            shown(ClientArgs::read(&words)),
            shown(ClientArgs::try_parse_from(&words)),
            "{line}"
        );
    }
}

#[test]
fn the_definitions_are_sound() {
    ClientArgs::command().debug_assert();
    super::super::CertsArgs::command().debug_assert();
    #[cfg(target_os = "linux")]
    super::super::DaemonArgs::command().debug_assert();
}
