//! `ordain room`, `say` and `who`: what happens on one host or on many, and what is said there.

mod merged;
mod shown;

use crate::cli::{ClientArgs, RoomArgs};
use crate::client::{ClientError, Options, Session};
use crate::exit::{Human, Status};
use crate::ids::{Named, RunId};
use crate::limits::RESUME_WINDOW;
use crate::programs::display::plain;
use crate::programs::fleet::hosts::meant;
use crate::programs::patience::passes;
use crate::programs::target::{Target, hosts};
use crate::programs::trusts::Trusts;
use crate::programs::typing::{Typed, Typing};
use crate::programs::{complain, enter, say, say_json};
use crate::protocol::{Code, Event};
use crate::verb::{Room, RoomPage, Runs, Said, Say, Who, WhoList};
use merged::Merged;
use serde_json::json;
use shown::{lines, who_line};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Events of all hosts that wait to be shown.
const WAITING: usize = 64;
/// How long is waited before a lost link is tried again.
const PAUSE: Duration = Duration::from_millis(200);

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
    let typing = match asked.listen {
        true => None,
        false => Some(Typing::begin(!args.json)?),
    };
    let screen = Screen {
        json: args.json,
        all: asked.all,
        told: Merged::of(places.len()),
        places,
        typing,
        last: None,
    };
    screen.show(heard).await
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

/// Returns at this moment.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// The next line, where somebody types.
async fn typed(typing: &mut Option<Typing>) -> Typed {
    match typing {
        Some(typing) => typing.next().await,
        None => std::future::pending().await,
    }
}

/// Returns when the person wants to leave.
async fn left(typing: &mut Option<Typing>) {
    match typing {
        Some(typing) => typing.left().await,
        None => std::future::pending().await,
    }
}

/// What is shown, and what is typed.
struct Screen {
    json: bool,
    all: bool,
    places: Vec<Place>,
    /// What is about to be shown.
    told: Merged<(usize, Event<RoomPage>)>,
    /// Nothing where nobody types.
    typing: Option<Typing>,
    /// Why the last host that is over is.
    last: Option<ClientError>,
}

/// What a typed line wants.
enum Wish {
    Go,
    End,
}

impl Screen {
    /// Shows what happens and says what is typed, until the input or every host is over.
    async fn show(mut self, mut heard: mpsc::Receiver<Heard>) -> Result<Status, ClientError> {
        loop {
            let due = self.told.next();
            tokio::select! {
                // Events first, so that who only listens for what is there sees all of it.
                biased;
                event = heard.recv() => match event {
                    Some(event) => self.hear(event),
                    None => break,
                },
                () = at(due) => {}
                typed = typed(&mut self.typing) => if let Wish::End = self.typed(typed).await {
                    break;
                },
            }
            let due = self.told.due(Instant::now());
            self.tell(due);
        }
        let rest = self.told.rest();
        self.tell(rest);
        // The terminal is as it was before anything else is done.
        self.typing = None;
        for place in self.places {
            place.session.close().await;
        }
        self.last.map_or(Ok(Status::OK), Err)
    }

    /// Does what was typed, unless the person leaves meanwhile.
    async fn typed(&mut self, typed: Typed) -> Wish {
        let line = match typed {
            Typed::Line(line) => line,
            Typed::End => return Wish::End,
            Typed::TooLong => {
                complain("ordain: this line is longer than what can be said");
                return Wish::Go;
            }
            Typed::Broken(fault) => {
                let text = format!("standard input cannot be read: {fault}");
                self.last = Some(ClientError::new(Code::Usage, text));
                return Wish::End;
            }
        };
        let mut typing = self.typing.take();
        let wish = tokio::select! {
            wish = self.line(line.trim()) => wish,
            () = left(&mut typing) => Wish::End,
        };
        self.typing = typing;
        wish
    }

    /// Does something above the prompt.
    fn above(&self, what: impl FnOnce()) {
        if let Some(typing) = &self.typing {
            typing.hide();
        }
        what();
        if let Some(typing) = &self.typing {
            typing.show();
        }
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
            Heard::Event(place, event) => {
                let first = event.what.as_ref().and_then(|page| page.events.first());
                let time = first.map(|event| event.at.clone());
                let told = (place, event);
                self.told.add(place, time.as_deref(), told, Instant::now());
            }
            Heard::Link(place, text) => {
                let at = self.at(place);
                self.above(|| complain(&format!("ordain: {at}{text}")));
            }
            Heard::Session(place, session) => {
                if let Some(place) = self.places.get_mut(place) {
                    place.session = session;
                }
            }
            Heard::Over(place, error) => {
                self.above(|| self.complain_of(place, &error));
                self.last = Some(error);
            }
        }
    }

    fn tell(&self, told: Vec<(usize, Event<RoomPage>)>) {
        if told.is_empty() {
            return;
        }
        self.above(|| {
            for (place, event) in told {
                self.tell_one(place, event);
            }
        });
    }

    fn tell_one(&self, place: usize, event: Event<RoomPage>) {
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
