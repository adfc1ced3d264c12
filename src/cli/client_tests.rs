//! What is typed, by both parsers.

use super::*;

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
        "run web1 x --hosts-from list",
        "run --hosts-from list x",
        "run --hosts-from",
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
            shown(ClientArgs::read_by_all(&words)),
            "{line}"
        );
    }
}

#[test]
fn the_definitions_are_sound() {
    ClientArgs::command().debug_assert();
    listed::in_place(<ClientArgs as CommandFactory>::command()).debug_assert();
    super::super::CertsArgs::command().debug_assert();
    #[cfg(target_os = "linux")]
    super::super::DaemonArgs::command().debug_assert();
}

/// With a file of names there is no word for HOST, whatever stands where it would be.
#[test]
fn a_file_of_names_stands_in_the_place_of_host() {
    let read = |line: &str| {
        let words = std::iter::once("ordain").chain(line.split(' '));
        let words: Vec<OsString> = words.map(Into::into).collect();
        ClientArgs::read(&words)
    };
    let listed = |line: &str| match read(line)
        .unwrap_or_else(|why| panic!("{line}: {why}"))
        .verb
    {
        ClientVerb::Run(run) => (run.host, [&[run.line[0].clone()], &run.line[1..]].concat()),
        ClientVerb::Explain(run) => (run.host, run.line),
        ClientVerb::Describe { host, command } => (host, vec![command]),
        ClientVerb::List { host } | ClientVerb::Login { host, .. } => (host, Vec::new()),
        ClientVerb::Keyscan { hosts } => (hosts[0].clone(), Vec::new()),
        other => panic!("{line}: {other:?}"),
    };
    for (line, wanted) in [
        (
            "run --hosts-from list deploy v1 -x",
            &["deploy", "v1", "-x"][..],
        ),
        ("run --hosts-from=list deploy", &["deploy"]),
        (
            "run --fold --hosts-from list --yes a b --hosts-from c",
            &["a", "b", "--hosts-from", "c"],
        ),
        ("explain --hosts-from list deploy v1", &["deploy", "v1"]),
        ("describe --hosts-from list deploy", &["deploy"]),
        ("describe deploy --hosts-from list", &["deploy"]),
        ("list --hosts-from list", &[]),
        ("login --hosts-from list", &[]),
        ("keyscan --hosts-from list", &[]),
    ] {
        let (place, words) = listed(line);
        assert_eq!(place, Place::Listed("list".into()), "{line}");
        assert_eq!(words, wanted, "{line}");
    }
    let (place, words) = listed("run web1 deploy --hosts-from list");
    assert!(matches!(place, Place::One(_)));
    assert_eq!(words, ["deploy", "--hosts-from", "list"]);

    for (line, sentence) in [
        ("list web1 --hosts-from list", "unexpected argument 'web1'"),
        (
            "list --hosts-from list --hosts-from more",
            "cannot be used multiple times",
        ),
        ("run --hosts-from list", "COMMAND"),
        ("run --hosts-from", "a value is required"),
        (
            "attach --hosts-from list abc",
            "unexpected argument '--hosts-from'",
        ),
        (
            "--hosts-from list list",
            "unexpected argument '--hosts-from'",
        ),
        ("list", "<HOST>"),
    ] {
        let said = read(line).unwrap_err().to_string();
        assert!(said.contains(sentence), "{line}: {said}");
    }
    let help = read("list --help").unwrap_err().to_string();
    assert!(
        help.contains("--hosts-from <FILE>") && help.contains("<HOST>"),
        "{help}"
    );
}
