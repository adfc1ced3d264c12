//! The room: what is said and what happens, told to whoever may know, each thing once.

mod common;

use common::{Cmd, Server, block, invocation, stdout};
use ordain::client::{ClientError, Following, Session};
use ordain::ids::Named;
use ordain::protocol::{Code, Event};
use ordain::verb::{Attach, Room, RoomEvent, RoomPage, Say, Who};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

fn setup() -> common::Setup {
    Server::new()
        .command(Cmd::new("true", &["/bin/true"]))
        .command(Cmd::new("sleep", &["/bin/sleep", "1000"]).goes_on())
        .role_with("all", &["true", "sleep"], "verbs = [\"room\"]")
        .role_with(
            "lead",
            &["true"],
            "verbs = [\"room\", \"runs-of-others\", \"output-of-others\"]",
        )
        .role("alone", &["true", "sleep"])
        .user("alice", &["all"])
        .user("bob", &["all"])
        .user("lead", &["lead"])
        .user("carol", &["alone"])
}

fn server() -> Server {
    setup().start()
}

fn words(text: &str) -> Say {
    Say {
        text: text.into(),
        run: None,
    }
}

async fn enter(session: &Session, since: Option<u64>) -> Following<Room> {
    let room = Room {
        since,
        follow: true,
    };
    session.follow(&room).await.unwrap()
}

async fn next(following: &mut Following<Room>) -> Result<Event<RoomPage>, ClientError> {
    tokio::time::timeout(Duration::from_secs(20), following.next())
        .await
        .expect("nothing was told")
}

/// The next thing that has happened, of these kinds.
async fn happens(following: &mut Following<Room>, kinds: &[&str]) -> RoomEvent {
    loop {
        let event = next(following).await.unwrap();
        let events = event.what.map(|page| page.events).unwrap_or_default();
        for event in events {
            if kinds.contains(&event.kind.as_str()) {
                return event;
            }
        }
    }
}

/// Everything up to now has been told.
async fn caught_up(following: &mut Following<Room>) -> u64 {
    loop {
        let event = next(following).await.unwrap();
        if event.what.is_some_and(|page| page.events.is_empty()) {
            return event.id;
        }
    }
}

#[test]
fn what_is_said_is_heard_by_everybody_and_proved_by_the_trail() {
    let server = server();
    block(async {
        let (alice, bob) = (server.session("alice").await, server.session("bob").await);
        let mut hears = enter(&bob, None).await;
        caught_up(&mut hears).await;
        let said = alice.ask(&words("grüße\nan alle")).await.unwrap().said;
        let event = happens(&mut hears, &["said"]).await;
        assert_eq!(
            (event.id, event.user.as_str(), event.text.as_str()),
            (said, "alice", "grüße\nan alle")
        );
        let trail = server.trail();
        let at = trail
            .iter()
            .position(|record| record["seq"] == said)
            .unwrap();
        assert_eq!(trail[at]["kind"], "said");
        assert_eq!(trail[at - 1]["verb"], "say");
        assert!(
            trail[at - 1]["signed"]
                .as_str()
                .unwrap()
                .contains("an alle")
        );
    });
    let verified = server.ordaind(&["audit", "verify"]);
    assert!(verified.status.success(), "{}", stdout(&verified));
}

#[test]
fn whoever_comes_back_gets_each_event_once_and_in_order() {
    let mut server = setup().table("limits", "said_per_user = 1000").start();
    let mut heard: Vec<RoomEvent> = Vec::new();
    let mut said = Vec::new();
    for restart in [false, true] {
        if restart {
            server.stop_and_start(&[]);
        }
        block(async {
            let (alice, bob) = (server.session("alice").await, server.session("bob").await);
            let from = match heard.last() {
                Some(event) => event.id,
                None => bob.ask(&Room::default()).await.unwrap().upto,
            };
            let mut last = from;
            for round in 0..20 {
                let mut follows = enter(&bob, Some(last)).await;
                for number in 0..15 {
                    said.push(
                        alice
                            .ask(&words(&format!("{round} {number}")))
                            .await
                            .unwrap()
                            .said,
                    );
                    // It leaves somewhere in the middle of what is said.
                    if number == round % 10 {
                        let event = happens(&mut follows, &["said"]).await;
                        last = event.id;
                        heard.push(event);
                    }
                }
            }
            let mut follows = enter(&bob, Some(last)).await;
            while heard.len() < said.len() {
                heard.push(happens(&mut follows, &["said"]).await);
            }
        });
    }
    let ids: Vec<u64> = heard.iter().map(|event| event.id).collect();
    assert_eq!(ids, said);
}

#[test]
fn nobody_hears_of_runs_that_they_could_not_ask_for() {
    let server = server();
    block(async {
        let (alice, bob, lead) = (
            server.session("alice").await,
            server.session("bob").await,
            server.session("lead").await,
        );
        let (mut bobs, mut leads) = (enter(&bob, None).await, enter(&lead, None).await);
        caught_up(&mut bobs).await;
        caught_up(&mut leads).await;
        let run = alice.run(invocation("true", &[])).await.unwrap();
        let id = run.id().unwrap();
        run.collect().await.unwrap();
        let about = Say {
            text: "look".into(),
            run: Some(Named::from(id)),
        };
        alice.ask(&about).await.unwrap();

        let asked = happens(&mut leads, &["run"]).await;
        assert_eq!((asked.user.as_str(), asked.run), ("alice", id.to_string()));
        // A client hears that its run has ended before the trail has it, so it may speak first.
        let (first, second) = (
            happens(&mut leads, &["end", "said"]).await,
            happens(&mut leads, &["end", "said"]).await,
        );
        let ends = if first.kind == "end" { &first } else { &second };
        assert_eq!((ends.kind.as_str(), ends.ended.as_str()), ("end", "exit"));
        assert_ne!(first.kind, second.kind);
        assert_eq!([first.run, second.run], [id.to_string(), id.to_string()]);
        // The run is not there for Bob, nor which run is spoken of.
        let first = happens(&mut bobs, &["run", "end", "said"]).await;
        assert_eq!((first.kind.as_str(), first.run.as_str()), ("said", ""));
        let refused = bob.ask(&about).await.unwrap_err();
        assert!(refused.is(Code::NoSuchRun), "{refused}");
    });
}

#[test]
fn who_watches_a_run_is_seen_by_its_owner() {
    let server = server();
    block(async {
        let (alice, bob, lead) = (
            server.session("alice").await,
            server.session("carol").await,
            server.session("lead").await,
        );
        let mut hears = enter(&alice, None).await;
        caught_up(&mut hears).await;
        let (own, other) = (
            alice.run(invocation("sleep", &[])).await.unwrap(),
            bob.run(invocation("sleep", &[])).await.unwrap(),
        );
        let attach = |run: &ordain::client::Run| Attach {
            run: run.id().unwrap().into(),
            stdout: None,
            stderr: None,
            follow: true,
            resume: false,
        };
        let _watched = lead.attach(attach(&other)).await.unwrap();
        let _own = lead.attach(attach(&own)).await.unwrap();
        let event = happens(&mut hears, &["attach"]).await;
        let id = own.id().unwrap().to_string();
        assert_eq!((event.user.as_str(), &event.run), ("lead", &id));

        let users = alice.ask(&Who {}).await.unwrap().users;
        let names: Vec<_> = users.iter().map(|line| line.user.as_str()).collect();
        assert_eq!(names, ["alice", "carol", "lead"]);
        assert!(users[0].in_room && !users[1].in_room);
        assert_eq!(users[2].watching, [id]);
        // Without the right one sees oneself, and who watches.
        let users = bob.ask(&Who {}).await.unwrap().users;
        let names: Vec<_> = users.iter().map(|line| line.user.as_str()).collect();
        assert_eq!(names, ["carol", "lead"]);
        assert_eq!(users[1].watching, [other.id().unwrap().to_string()]);
    });
}

#[test]
fn a_user_without_the_right_neither_hears_nor_speaks() {
    let server = server();
    block(async {
        let carol = server.session("carol").await;
        let refused = carol.ask(&words("hello")).await.unwrap_err();
        assert!(refused.is(Code::NotPermitted), "{refused}");
        let mut follows = enter(&carol, None).await;
        let refused = next(&mut follows).await.unwrap_err();
        assert!(refused.is(Code::NotPermitted), "{refused}");
        assert!(server.records("said").is_empty());
    });
}

#[test]
fn hostile_texts_floods_and_numbers_that_are_not_there_are_refused() {
    let server = setup().table("limits", "said_per_user = 5").start();
    block(async {
        let (alice, bob) = (server.session("alice").await, server.session("bob").await);
        for text in [
            "",
            "\u{1b}[2J",
            "a\0b",
            "\u{202e}abc",
            &"x".repeat(2049),
            &"\n".repeat(30),
        ] {
            let refused = alice.ask(&words(text)).await.unwrap_err();
            assert!(refused.is(Code::Argument), "{text:?}: {refused}");
        }
        for number in 0..5 {
            alice.ask(&words(&number.to_string())).await.unwrap();
        }
        for _ in 0..50 {
            let refused = alice.ask(&words("more")).await.unwrap_err();
            assert!(refused.is(Code::OverLimit), "{refused}");
            assert!(refused.text.contains("limits.said_per_user"), "{refused}");
        }
        bob.ask(&words("mine is mine")).await.unwrap();
        assert_eq!(server.records("said").len(), 6);

        let mut follows = enter(&bob, Some(1 << 40)).await;
        let refused = next(&mut follows).await.unwrap_err();
        assert!(refused.is(Code::NoSuchRecord), "{refused}");
    });
}

#[test]
fn one_who_does_not_read_makes_nobody_wait_and_is_told_of_one_gap() {
    let server = setup().table("limits", "said_per_user = 5000").start();
    block(async {
        let (alice, bob) = (server.session("alice").await, server.session("bob").await);
        let mut slow = enter(&bob, None).await;
        let mut quick = enter(&alice, None).await;
        caught_up(&mut quick).await;
        let text = "x".repeat(2000);
        let mut said = 0;
        for _ in 0..2000 {
            said = alice.ask(&words(&text)).await.unwrap().said;
            assert_eq!(happens(&mut quick, &["said"]).await.id, said);
        }
        let (mut missed, mut gaps, mut heard) = (0, 0, 0);
        loop {
            let event = next(&mut slow).await.unwrap();
            gaps += u64::from(event.missed > 0);
            missed += event.missed;
            let events = event.what.map(|page| page.events).unwrap_or_default();
            heard += events.iter().filter(|event| event.kind == "said").count() as u64;
            if event.id >= said {
                break;
            }
        }
        assert!(
            gaps <= 1 && heard + missed >= 2000,
            "{gaps} {heard} {missed}"
        );
    });
}

#[test]
fn two_people_talk_at_their_terminals() {
    let server = server();
    let mut room = server
        .client()
        .args(["room", "t"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(room.stdout.take().unwrap()).lines();
    let mut until = |what: &str| {
        let found = lines.by_ref().map(Result::unwrap);
        found.into_iter().find(|line| line.contains(what)).unwrap()
    };
    server.wait_for_trail("the room", |trail| {
        trail.iter().any(|record| record["verb"] == "room")
    });
    block(async {
        let bob = server.session("bob").await;
        let mut hears = enter(&bob, None).await;
        caught_up(&mut hears).await;
        bob.ask(&words("are you there?")).await.unwrap();
        assert!(until("<bob>").ends_with("<bob> are you there?"));
        use std::io::Write;
        let mut stdin = room.stdin.take().unwrap();
        stdin.write_all(b"yes, I am\n/who\n/quit\n").unwrap();
        assert_eq!(happens(&mut hears, &["said"]).await.user, "bob");
        assert_eq!(happens(&mut hears, &["said"]).await.text, "yes, I am");
    });
    assert!(until("alice: ").contains("in the room"));
    assert!(room.wait().unwrap().success());
    assert!(server.ordain(&["say", "t", "one", "more"]).status.success());
    let who = server.ordain(&["--json", "who", "t"]);
    assert!(
        stdout(&who).contains("\"user\":\"alice\""),
        "{}",
        stdout(&who)
    );
}
