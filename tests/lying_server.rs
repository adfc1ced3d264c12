//! A server that lies: it plays an honest conversation and changes one thing of it, in every field of
//! every frame and in their order. Whatever it says, the real client ends in time, never panics, never
//! takes missing bytes for a success, and shows a terminal nothing that could do harm there.

mod common;
mod liar;

use liar::{Act, Case, Liar, Lie, Played, Story, When, lies, stories};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Whatever a server says, nothing of this takes longer.
const DEADLINE: Duration = Duration::from_secs(10);
/// Clients at once: most of the time each waits for the other side.
const AT_ONCE: usize = 24;

/// Plays all cases, several at a time, and gives the faults that were found.
fn play(cases: Vec<Case>, at_a_terminal: bool) -> usize {
    let (liar, next, faults) = (Liar::new(), AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let played = if at_a_terminal {
                        liar.play_at_a_terminal(case, DEADLINE)
                    } else {
                        liar.play(case, DEADLINE)
                    };
                    if let Some(fault) = judged(case, &played, at_a_terminal) {
                        faults.lock().unwrap().push(fault);
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(
        faults.is_empty(),
        "{} of {} cases:\n{}",
        faults.len(),
        cases.len(),
        faults[..faults.len().min(20)].join("\n")
    );
    cases.len()
}

/// What is wrong with what the client did, if anything is.
fn judged(case: &Case, played: &Played, at_a_terminal: bool) -> Option<String> {
    let name = &case.name;
    let shown = played.shown();
    let fault = |why: &str| {
        Some(format!(
            "{name}: {why} (status {:?})\n{shown}",
            played.status
        ))
    };
    let Some(status) = played.status else {
        return fault("it did not end in time, or by a signal");
    };
    if shown.contains("panicked") || status == 101 {
        return fault("it panicked");
    }
    let told = played.number == Some(status.into());
    if status != case.story.status && status != 255 && !told {
        return fault("it ended with a status that is neither the honest one nor a failure");
    }
    if status == 0 && case.story.runs && !at_a_terminal && played.said != played.came() {
        return fault("bytes are missing, and it is a success");
    }
    if case.must_fail && status != 255 {
        return fault("it took the lie");
    }
    let harmless = |c: char| !c.is_control() || matches!(c, '\n' | '\t' | '\r');
    // Into a pipe a command's output goes as it is.
    let judged = at_a_terminal || !case.of_output;
    if judged && (!at_a_terminal && shown.contains('\r') || !shown.chars().all(harmless)) {
        return fault("control characters went through");
    }
    if !case.of_output
        && shown
            .lines()
            .any(|line| line.starts_with("ordain: all is well"))
    {
        return fault("the server began a line of its own");
    }
    let turned = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if judged && shown.chars().any(turned) {
        return fault("text was turned around");
    }
    None
}

#[test]
fn no_lie_in_any_field_hangs_breaks_or_deceives_the_client() {
    let begun = Instant::now();
    let cases: Vec<Case> = stories().iter().flat_map(lies).collect();
    let count = play(cases, false);
    println!("{count} lies in {:?}", begun.elapsed());
    assert!(count > 1000, "{count}");
}

#[test]
fn no_text_of_a_server_reaches_the_terminal_as_it_is() {
    let begun = Instant::now();
    let mut cases: Vec<Case> = stories().iter().flat_map(lies).collect();
    cases.retain(|case| case.evil);
    let count = play(cases, true);
    println!("{count} lies at a terminal in {:?}", begun.elapsed());
    assert!(count > 50, "{count}");
}

#[test]
fn honest_conversations_end_as_they_should() {
    let liar = Liar::new();
    for story in stories() {
        let played = liar.play(&Case::honest(&story), DEADLINE * 6);
        assert_eq!(
            played.status,
            Some(story.status),
            "{}: {}",
            story.name,
            played.shown()
        );
        if story.runs {
            assert_eq!(played.said, played.came(), "{}", story.name);
        }
    }
}

fn story(name: &str) -> Story {
    let found = stories().into_iter().find(|story| story.name == name);
    found.unwrap()
}

/// `EXIT 0` with bytes that never came was a success.
#[test]
fn bytes_that_were_promised_and_did_not_come_are_a_failure_with_a_sentence() {
    let liar = Liar::new();
    let run = story("run");
    for (field, said, sentence) in [
        (
            "stdout_bytes",
            1_000_000_000u64,
            "the server says that 1000000000 bytes of standard output came, and 14 did (code 603)",
        ),
        (
            "stderr_bytes",
            0,
            "the server says that 0 bytes of standard error came, and 13 did (code 603)",
        ),
        (
            "stdin_bytes",
            7,
            "the server says that 7 bytes of standard input came, and 6 were sent (code 603)",
        ),
    ] {
        let case = run.with("EXIT", field, said.into());
        let played = liar.play(&case, DEADLINE);
        assert_eq!(played.status, Some(255), "{}", played.shown());
        assert!(played.stderr.contains(sentence), "{}", played.stderr);
    }
}

/// A server that called a plain command one with a terminal had the client's in raw mode, and all
/// that it sent went through.
#[test]
fn a_terminal_is_the_persons_to_give() {
    let liar = Liar::new();
    let evil = "\u{1b}]0;title\u{7}\u{1b}]52;c;aGk=\u{7}done\n";
    let mut run = story("run");
    run.input = None;
    run.script = run
        .script
        .into_iter()
        .map(|act| act.with_field("STARTED", "terminal", true.into()))
        .map(|act| act.with_field("EXIT", "stdout_bytes", evil.len().into()))
        .map(|act| act.with_bytes("STDOUT", evil.as_bytes()))
        .map(|act| act.with_field("EXIT", "stdin_bytes", 0.into()))
        .map(|act| act.at("EXIT", When::Open("run")))
        .collect();
    let played = liar.play_at_a_terminal(&Case::honest(&run), DEADLINE);
    assert_eq!(played.status, Some(0), "{}", played.stdout);
    assert!(
        played
            .stdout
            .contains("\\x1b]0;title\\x07\\x1b]52;c;aGk=\\x07done"),
        "{:?}",
        played.stdout
    );
    assert!(
        played
            .stdout
            .contains("`greet` runs at a terminal there; --tty gives it this one"),
        "{:?}",
        played.stdout
    );

    assert!(!played.asked_for_a_terminal, "the request says so");

    let option = Story {
        words: vec!["run", "--tty", "HOST", "greet"],
        ..run.clone()
    };
    let setting = Story {
        settings: "trusting.toml",
        ..run
    };
    for given in [option, setting] {
        let played = liar.play_at_a_terminal(&Case::honest(&given), DEADLINE);
        let screen = played.stdout;
        assert!(screen.contains("\u{1b}]0;title"), "{screen:?}");
        assert!(played.asked_for_a_terminal, "the request says so");
    }
}

/// What the server says stands on lines of its own, and the question is in the client's words.
#[test]
fn agreement_and_reasons_are_asked_for_in_the_one_form_too() {
    let liar = Liar::new();
    let confirm = story("confirm");
    let played = liar.play_and_type(&Case::honest(&confirm), ("[y/N] ", "n\r"), DEADLINE);
    let (screen, status) = (played.stdout, played.status);
    assert_eq!(status, Some(255), "{screen:?}");
    for line in [
        "ordain: 127.0.0.1: deploy would run as www: /bin/deploy v1 '***'\r\n",
        "\nordain: 127.0.0.1: run deploy? [y/N] ",
        "not confirmed; nothing was run (code 605)",
    ] {
        assert!(screen.contains(line), "{screen:?}");
    }

    let mut wants = confirm.with("ERROR", "code", 406.into());
    let describe = |step: &liar::Step| step.sends("ANSWER").then(|| step.clone());
    let described = story("describe").script.iter().find_map(describe);
    wants.script.extend(described);
    let typed = ("reason for deploy: ", "OPS-1\r");
    let screen = liar.play_and_type(&wants, typed, DEADLINE).stdout;
    for line in [
        "ordain: 127.0.0.1: deploy wants a reason of the form OPS-[0-9]+\r\n",
        "\nordain: 127.0.0.1: reason for deploy: ",
    ] {
        assert!(screen.contains(line), "{screen:?}");
    }
}

#[test]
fn a_secret_is_asked_for_in_one_form_and_by_a_name_only() {
    let liar = Liar::new();
    let mut deploy = story("deploy");
    deploy.words.truncate(4);
    let typed = ("token of deploy: ", "t0ken\r");
    let played = liar.play_and_type(&Case::honest(&deploy), typed, DEADLINE);
    assert_eq!(played.status, Some(0), "{:?}", played.stdout);
    let prompt = format!("ordain: {}: argument token of deploy: ", "127.0.0.1");
    assert!(played.stdout.contains(&prompt), "{:?}", played.stdout);
    assert!(!played.stdout.contains("t0ken"), "{:?}", played.stdout);

    for name in [
        "[sudo] password for alice",
        "token\n[sudo] password for alice",
        "\u{1b}[2K\r[sudo] password for alice",
    ] {
        let mut deploy = deploy.clone();
        let token = |step: &liar::Step| step.json().filter(|_| step.sends("ANSWER"));
        let described = deploy.script.iter().find_map(token).unwrap();
        let mut arguments = described["arguments"].clone();
        arguments[1]["name"] = name.into();
        deploy.script = deploy
            .script
            .into_iter()
            .map(|act| act.with_field("ANSWER", "arguments", arguments.clone()))
            .collect();
        let played = liar.play_at_a_terminal(&Case::honest(&deploy), DEADLINE);
        assert_eq!(played.status, Some(255), "{:?}", played.stdout);
        assert!(
            played
                .stdout
                .contains("asks for an argument whose name is none"),
            "{:?}",
            played.stdout
        );
        assert!(
            !played.stdout.lines().any(|line| line.starts_with("[sudo]")),
            "{:?}",
            played.stdout
        );
    }
}

#[test]
fn a_server_that_falls_silent_anywhere_is_left() {
    let mut cases = Vec::new();
    for story in stories() {
        for at in 0..story.script.len() {
            for (what, act) in [
                ("silence", Act::Silence),
                ("close", Act::Close),
                ("cut", Act::Cut),
            ] {
                let mut script = story.script.clone();
                let when = script[at].when;
                script.truncate(at);
                script.push(act.clone().when(when));
                cases.push(Case::new(
                    &story,
                    &Lie::Script(script),
                    format!("{what} at {at}"),
                ));
            }
        }
    }
    let begun = Instant::now();
    let count = play(cases, false);
    println!("{count} silences and ends in {:?}", begun.elapsed());
}
