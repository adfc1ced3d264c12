//! `ordain room`, `say` and `who`: what happens on one host or on many, and what is said there.

use crate::cli::{ClientArgs, RoomArgs};
use crate::client::{ClientError, Options, Session};
use crate::exit::{Human, Status};
use crate::ids::{Named, RunId};
use crate::limits::RESUME_WINDOW;
use crate::programs::display::plain;
use crate::programs::fleet::hosts::meant;
use crate::programs::run_input::Pieces;
use crate::programs::target::{Target, hosts};
use crate::programs::trusts::Trusts;
use crate::programs::{complain, enter, say, say_json};
use crate::protocol::{Code, Event};
use crate::verb::{Room, RoomEvent, RoomPage, Runs, Said, Say, Who, WhoLine, WhoList};
use serde_json::json;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Events of all hosts that wait to be shown.
const WAITING: usize = 64;
/// How long is waited before a lost link is tried again.
const PAUSE: Duration = Duration::from_millis(200);
/// Bytes of a line that is typed: more than can be said.
const TYPED: usize = 8 * 1024;

/// `ordain say`
pub async fn say_text(
    args: &ClientArgs,
    session: &Session,
    run: Option<&str>,
    words: &[String],
) -> Result<Status, ClientError> {
    let run = run.map(run_id).transpose()?;
    let text = words.join(" ");
    let Said { said } = session.ask(&Say { text, run }).await?;
    if args.json {
        say_json(&json!({ "said": said }));
    }
    Ok(Status::OK)
}

fn run_id(run: &str) -> Result<Named<RunId>, ClientError> {
    let id: Result<RunId, _> = run.parse();
    id.map(Named::from)
        .map_err(|_| ClientError::new(Code::NoSuchRun, "there is no such run"))
}

/// `ordain who`
pub async fn who(args: &ClientArgs, session: &Session) -> Result<Status, ClientError> {
    let list = session.ask(&Who {}).await?;
    if args.json {
        say_json(&json!(list));
    } else {
        show_who("", &list);
    }
    Ok(Status::OK)
}

fn show_who(at: &str, list: &WhoList) {
    for line in &list.users {
        say(&format!("{at}{}", who_line(line)));
    }
}

fn who_line(line: &WhoLine) -> String {
    let sessions = match line.sessions {
        1 => "1 session".to_owned(),
        count => format!("{count} sessions"),
    };
    let age = Human(Duration::from_secs(line.age_s));
    let room = if line.in_room { ", in the room" } else { "" };
    let watching = match line.watching.join(" ") {
        runs if runs.is_empty() => runs,
        runs => format!(", watches {runs}"),
    };
    format!("{}: {sessions} for {age}{room}{watching}", line.user)
}

/// A host whose room is shown.
struct Place {
    /// As it was typed.
    name: String,
    session: Session,
}

/// What comes from a host.
enum Heard {
    Event(usize, Event<RoomPage>),
    /// Its link is lost, or whole again.
    Link(usize, String),
    Session(usize, Session),
    /// It is over, and why.
    Over(usize, ClientError),
}

/// `ordain room`
pub async fn room(args: &ClientArgs, asked: &RoomArgs) -> Result<Status, ClientError> {
    let known = hosts(args)?;
    let mut named = Vec::new();
    for place in &asked.hosts {
        named.extend(meant(place, &known)?);
    }
    if asked.since.is_some() && named.len() != 1 {
        let text = "--since is the number of one server's record; name one host";
        return Err(ClientError::new(Code::Usage, text));
    }

    let trusts = Trusts::default();
    let (sender, heard) = mpsc::channel(WAITING);
    let mut places = Vec::new();
    for (number, host) in named.into_iter().enumerate() {
        let mut target = Target::new(args, &host.destination, &known, &trusts)?;
        let session = enter::enter(args, &mut target).await?;
        let following = follow(
            number,
            (session.clone(), target.options.clone()),
            (asked.since, args.connect_timeout.unwrap_or(RESUME_WINDOW)),
            sender.clone(),
        );
        tokio::task::spawn_local(following);
        let name = plain(&host.name);
        places.push(Place { name, session });
    }
    drop(sender);
    let screen = Screen {
        json: args.json,
        all: asked.all,
        places,
    };
    screen.show(heard, !asked.listen).await
}

/// Follows a host's room, and comes back to it behind the last event after a lost link.
async fn follow(
    place: usize,
    (mut session, options): (Session, Options),
    (mut since, patience): (Option<u64>, Duration),
    tell: mpsc::Sender<Heard>,
) {
    loop {
        let known = since;
        let Err(error) = followed(place, &session, &mut since, &tell).await else {
            return;
        };
        // A link that has brought nothing new is not worth another.
        if !error.is(Code::ConnectionLost) || since == known {
            let _ = tell.send(Heard::Over(place, error)).await;
            return;
        }
        let text = "the link is lost; trying again".to_owned();
        let _ = tell.send(Heard::Link(place, text)).await;
        let until = Instant::now() + patience;
        session = loop {
            match session.reconnect(&options).await {
                Ok(session) => break session,
                Err(error) if Instant::now() > until || !passes(&error) => {
                    let _ = tell.send(Heard::Over(place, error)).await;
                    return;
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        };
        let _ = tell.send(Heard::Session(place, session.clone())).await;
    }
}

/// Whether what has come of a try to come back may be another a moment later.
fn passes(error: &ClientError) -> bool {
    let passing = [
        Code::Stopping,
        Code::Connect,
        Code::ConnectTimeout,
        Code::ConnectionLost,
        Code::LoginBusy,
    ];
    passing.iter().any(|code| error.is(*code))
}

/// Passes on what happens; `Ok` when nobody hears it any more.
async fn followed(
    place: usize,
    session: &Session,
    since: &mut Option<u64>,
    tell: &mpsc::Sender<Heard>,
) -> Result<(), ClientError> {
    let room = Room {
        since: *since,
        follow: true,
    };
    let mut following = session.follow(&room).await?;
    loop {
        let mut event = following.next().await?;
        // A server that tells something twice is not believed the second time.
        let known = since.unwrap_or(0);
        if let Some(page) = &mut event.what {
            page.events.retain(|event| event.id > known);
        }
        *since = Some(known.max(event.id));
        if tell.send(Heard::Event(place, event)).await.is_err() {
            return Ok(());
        }
    }
}

/// What is shown, and what is typed.
struct Screen {
    json: bool,
    all: bool,
    places: Vec<Place>,
}

/// What a typed line wants.
enum Wish {
    Go,
    End,
}

impl Screen {
    /// Shows what happens and says what is typed, until the input or every host is over.
    async fn show(
        mut self,
        mut heard: mpsc::Receiver<Heard>,
        reads: bool,
    ) -> Result<Status, ClientError> {
        let mut input = reads.then(Pieces::of_standard_input);
        let mut typed = Vec::new();
        let mut last = None;
        loop {
            let piece = async {
                match &mut input {
                    Some(input) => input.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // Events first, so that who only listens for what is there sees all of it.
                biased;
                event = heard.recv() => match event {
                    Some(Heard::Over(place, error)) => {
                        self.complain_of(place, &error);
                        last = Some(error);
                    }
                    Some(event) => self.hear(event),
                    None => break,
                },
                piece = piece => match piece {
                    Ok(piece) if !piece.is_empty() => {
                        typed.extend(piece);
                        if let Wish::End = self.lines(&mut typed).await {
                            break;
                        }
                    }
                    _ => break,
                },
            }
        }
        for place in self.places {
            place.session.close().await;
        }
        last.map_or(Ok(Status::OK), Err)
    }

    /// The host's name before a line, where there are several.
    fn at(&self, place: usize) -> String {
        match self.places.get(place) {
            Some(place) if self.places.len() > 1 => format!("{}: ", place.name),
            _ => String::new(),
        }
    }

    fn complain_of(&self, place: usize, error: &ClientError) {
        let at = self.at(place);
        complain(&format!("ordain: {at}{error}"));
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Event(place, event) => self.tell(place, event),
            Heard::Link(place, text) => complain(&format!("ordain: {}{text}", self.at(place))),
            Heard::Session(place, session) => {
                if let Some(place) = self.places.get_mut(place) {
                    place.session = session;
                }
            }
            Heard::Over(place, error) => self.complain_of(place, &error),
        }
    }

    fn tell(&self, place: usize, event: Event<RoomPage>) {
        if self.json {
            let host = self.places.get(place).map(|place| place.name.as_str());
            return say_json(&json!({ "host": host, "told": event }));
        }
        let at = self.at(place);
        if event.missed > 0 {
            let missed = event.missed;
            complain(&format!(
                "ordain: {at}{missed} events were missed, because they came too fast"
            ));
        }
        let events = event.what.map(|page| page.events).unwrap_or_default();
        for event in events {
            if self.all || !matches!(event.kind.as_str(), "login" | "logout") {
                lines(&at, &event).iter().for_each(|line| say(line));
            }
        }
    }

    /// Does what each whole line says.
    async fn lines(&self, typed: &mut Vec<u8>) -> Wish {
        while let Some(end) = typed.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = typed.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            if let Wish::End = self.line(line.trim()).await {
                return Wish::End;
            }
        }
        if typed.len() > TYPED {
            typed.clear();
            complain("ordain: this line is longer than what can be said");
        }
        Wish::Go
    }

    async fn line(&self, line: &str) -> Wish {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "" => {}
            "/quit" => return Wish::End,
            "/who" => {
                for (place, Place { session, .. }) in self.places.iter().enumerate() {
                    match session.ask(&Who {}).await {
                        Ok(list) => show_who(&self.at(place), &list),
                        Err(error) => self.complain_of(place, &error),
                    }
                }
            }
            "/run" => self.show_run(rest.trim()).await,
            word if word.starts_with('/') => {
                complain("ordain: a line that begins with / is /who, /run ID or /quit");
            }
            word if word.starts_with('@') => self.say(word.strip_prefix('@'), rest).await,
            _ => self.say(None, line).await,
        }
        Wish::Go
    }

    /// Shows a run, wherever it is.
    async fn show_run(&self, id: &str) {
        let mut found = false;
        for (place, Place { session, .. }) in self.places.iter().enumerate() {
            let list = match session.ask(&Runs::default()).await {
                Ok(list) => list,
                Err(error) => {
                    self.complain_of(place, &error);
                    continue;
                }
            };
            for run in list.runs.iter().filter(|run| run.run == id) {
                found = true;
                let state = run.ended.as_deref().unwrap_or("goes on");
                let (user, command, arguments) = (&run.user, &run.command, &run.arguments);
                let took = Human(Duration::from_secs(run.seconds));
                let at = self.at(place);
                say(&format!(
                    "{at}{id}: {user} {command} {arguments}, {state}, {took}"
                ));
            }
        }
        if !found {
            complain("ordain: there is no such run");
        }
    }

    /// Says something on every host, or on one.
    async fn say(&self, only: Option<&str>, text: &str) {
        let mut found = false;
        for (place, Place { name, session }) in self.places.iter().enumerate() {
            if only.is_some_and(|only| only != name) {
                continue;
            }
            found = true;
            let text = text.to_owned();
            if let Err(error) = session.ask(&Say { text, run: None }).await {
                self.complain_of(place, &error);
            }
        }
        if !found {
            complain("ordain: no host of this name is shown; nothing was said");
        }
    }
}

/// An event as lines for people: a text of several lines is indented behind its first.
fn lines(at: &str, event: &RoomEvent) -> Vec<String> {
    let RoomEvent {
        at: time,
        kind,
        user,
        text,
        run,
        command,
        ended,
        number,
        ..
    } = event;
    let time = time.get(11..19).unwrap_or("--:--:--");
    let number = number.map_or_else(String::new, |number| format!(" {number}"));
    let about = match run.as_str() {
        "" => String::new(),
        run => format!(" (of run {run})"),
    };
    let what = match kind.as_str() {
        "said" => {
            let mut said = text.split('\n');
            let first = said.next().unwrap_or_default();
            let first = format!("{at}{time} <{user}>{about} {first}");
            let more = said.map(|line| format!("{at}         | {line}"));
            return std::iter::once(first).chain(more).collect();
        }
        "room" => format!("{user} has come into the room"),
        "login" => format!("{user} has logged in"),
        "logout" => format!("{user} has logged out"),
        "run" => format!("{user} asks for {command}: run {run}"),
        "end" => format!("{command} of {user} has ended: {ended}{number}, run {run}"),
        "attach" => format!("{user} watches run {run}"),
        "signal" => format!("{user} signals run {run}"),
        "approval" => format!("{command} of {user} waits for others to agree: run {run}"),
        "approve" => format!("{user} agrees to run {run}"),
        "deny" => format!("{user} denies run {run}"),
        "cancel" => format!("{user} ends run {run}"),
        "started" => "the server has started".to_owned(),
        "stopping" => "the server is stopping".to_owned(),
        other => format!("{other} by {user}"),
    };
    vec![format!("{at}{time} * {what}")]
}
