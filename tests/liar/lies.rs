//! Every lie about a story that can be made by rule: each field of each frame by its type, and each
//! frame by its place, its stream, its length and its kind.

use super::{Act, Case, Lie, On, Step, Story, When};
use ordain::protocol::Kind;
use serde_json::{Map, Value, json};

/// What would rename a window, write the clipboard, clear the screen, turn text around, go back and
/// begin a line of somebody else's.
const EVIL: &str = "\u{1b}]0;title\u{7}\u{1b}]52;c;aGk=\u{7}\u{1b}[2J\u{9b}31m\u{202e}x\r\u{8}\0\nordain: all is well";
/// Stands for a number that no integer of 64 bits can be.
const HUGE: &str = "18446744073709551616";

/// A changed payload.
struct Changed {
    what: String,
    payload: Vec<u8>,
    evil: bool,
    must_fail: bool,
}

/// All lies about a story.
pub fn lies(story: &Story) -> Vec<Case> {
    let mut all = Vec::new();
    for (at, step) in story.script.iter().enumerate() {
        // The greeting is the same in every story.
        let greeting = matches!(step.when, When::Accepted | When::Login);
        let own = !step.sends("HELLO")
            && ["login", "login refused", "refused early"].contains(&story.name);
        if greeting && story.name != "run" && !own {
            continue;
        }
        let place = format!("{}[{at}]", step.kind().map_or("?", Kind::word));
        // As are the frames of a plain run.
        let plain = ["deaf", "deploy"].contains(&story.name);
        let known = plain && (step.sends("STARTED") || step.sends("EXIT"));
        for changed in fields(step).into_iter().filter(|_| !known) {
            let mut script = story.script.clone();
            script[at] = step.saying(changed.payload);
            let mut case = Case::new(
                story,
                &Lie::Script(script),
                format!("{place}{}", changed.what),
            );
            case.evil = changed.evil;
            case.must_fail = changed.must_fail;
            all.push(case);
        }
        all.extend(output(story, at, step, &place));
        all.extend(frames(story, at, step, &place));
    }
    all
}

/// Control characters in what a command writes.
fn output(story: &Story, at: usize, step: &Step, place: &str) -> Option<Case> {
    let bytes = matches!(step.kind(), Some(Kind::Stdout | Kind::Stderr));
    bytes.then(|| {
        let mut script = story.script.clone();
        script[at] = step.saying(EVIL.as_bytes().to_vec());
        let mut case = Case::new(story, &Lie::Script(script), format!("{place} is evil"));
        (case.evil, case.of_output) = (true, true);
        case
    })
}

/// Lies about a frame as a whole.
fn frames(story: &Story, at: usize, step: &Step, place: &str) -> Vec<Case> {
    let mut all = Vec::new();
    let mut lie = |what: &str, script: Vec<Step>| {
        let mut case = Case::new(story, &Lie::Script(script), format!("{place} {what}"));
        // Whoever only logs in has left when the rest comes.
        case.must_fail = shows(step, what) && story.name != "login";
        // What was meant as the next frame's header may have become output.
        case.of_output = matches!(step.kind(), Some(Kind::Stdout | Kind::Stderr));
        all.push(case);
    };
    let with = |change: &dyn Fn(&mut Vec<Step>)| {
        let mut script = story.script.clone();
        change(&mut script);
        script
    };
    lie("is missing", with(&|script| drop(script.remove(at))));
    lie(
        "comes twice",
        with(&|script| script.insert(at, step.clone())),
    );
    lie(
        "comes before the one before",
        with(&|script| script.swap(at, at.saturating_sub(1))),
    );
    lie("comes first", with(&|script| script[..=at].rotate_right(1)));

    let Act::Send {
        kind, on, payload, ..
    } = &step.act
    else {
        return all;
    };
    let sent = |kind: u8, on: On, length: Option<u32>, payload: &[u8]| {
        let payload = payload.to_vec();
        Act::Send {
            kind,
            on,
            length,
            payload,
        }
        .when(step.when)
    };
    let count = payload.len() as u32;
    for length in [0, count - 1, count + 1, 4097, (1 << 20) + 1, u32::MAX] {
        let other = sent(*kind, *on, Some(length), payload);
        lie(
            &format!("says it has {length} bytes"),
            with(&|script| script[at] = other.clone()),
        );
    }
    for on in [
        On::Connection,
        On::Own,
        On::Other(2),
        On::Other(7),
        On::Other(u32::MAX),
    ] {
        let other = sent(*kind, on, None, payload);
        lie(
            &format!("is on {on:?}"),
            with(&|script| script[at] = other.clone()),
        );
    }
    // Each kind at each place, where the places are not like those of another story.
    let thorough = ["run", "follow", "login"].contains(&story.name);
    let kinds = Kind::ALL.iter().filter(|_| thorough);
    for kind in kinds.map(|kind| kind.number()).chain([0, 8, 27, 35, 255]) {
        let other = sent(kind, *on, None, payload);
        lie(
            &format!("is of the kind {kind}"),
            with(&|script| script[at] = other.clone()),
        );
        let more = sent(kind, On::Own, None, b"{}");
        lie(
            &format!("is followed by the kind {kind}"),
            with(&|script| script.insert(at + 1, more.clone())),
        );
    }

    // More than there was credit for, in and out.
    let much = sent(Kind::Stdout.number(), On::Own, None, &[b'x'; 65_536]);
    lie(
        "is followed by too much",
        with(&|script| {
            script.splice(at + 1..at + 1, vec![much.clone(); 9]);
        }),
    );
    let grant = sent(
        Kind::Credit.number(),
        On::Own,
        None,
        br#"{"bytes":4294967295}"#,
    );
    lie(
        "is followed by much credit",
        with(&|script| script.insert(at + 1, grant.clone())),
    );
    all
}

/// Whether a frame that is moved so must end the connection: one that comes once at the most, and one
/// on a stream that nobody has opened.
fn shows(step: &Step, what: &str) -> bool {
    let once = ["HELLO", "LOGGED_IN", "QUEUED", "STARTED", "STDIN_CLOSED"];
    match what {
        "comes twice" => once.iter().any(|word| step.sends(word)),
        "is on Other(7)" | "is on Other(4294967295)" => true,
        _ => false,
    }
}

/// Lies in the fields of a frame's payload.
fn fields(step: &Step) -> Vec<Changed> {
    let Some(honest) = step.json() else {
        return Vec::new();
    };
    let early = matches!(step.when, When::Accepted | When::Login);
    let mut all = broken(&honest);
    walk(
        &honest,
        &mut |what: String, value: &Value, evil, must_fail| {
            let huge = format!("\"{HUGE}\"");
            let payload = value.to_string().replace(&huge, HUGE).into_bytes();
            all.push(Changed {
                what,
                payload,
                evil,
                must_fail,
            });
        },
        if early { 3000 } else { 70_000 },
    );
    all
}

/// Payloads that are no object of known fields.
fn broken(honest: &Value) -> Vec<Changed> {
    let text = honest.to_string();
    let inside = text.trim_start_matches('{').trim_end_matches('}');
    let first = inside.split(',').next().unwrap_or_default();
    let mut texts = vec![
        ("is a list", "[]".to_owned().into_bytes()),
        ("is null", b"null".to_vec()),
        ("is a number", b"5".to_vec()),
        ("is a text", b"\"x\"".to_vec()),
        (
            "is half an object",
            text.as_bytes()[..text.len() / 2 + 1].to_vec(),
        ),
        ("has something behind it", format!("{text}x").into_bytes()),
        ("is two objects", format!("{text}{text}").into_bytes()),
        ("is not UTF-8", [text.as_bytes(), b"\xff"].concat()),
        ("is deep", vec![b'['; 3000]),
        ("is blank", b" ".to_vec()),
    ];
    if first.is_empty() {
        texts.retain(|(what, _)| *what != "is half an object");
    } else {
        texts.push((
            "has a field twice",
            format!("{{{first},{inside}}}").into_bytes(),
        ));
    }
    let changed = |(what, payload): (&str, Vec<u8>)| Changed {
        what: format!(" {what}"),
        payload,
        evil: false,
        must_fail: true,
    };
    texts.into_iter().map(changed).collect()
}

/// Tells every change of one thing in a value, with the whole value around it.
fn walk(value: &Value, tell: &mut dyn FnMut(String, &Value, bool, bool), long: usize) {
    match value {
        Value::Object(fields) => walk_fields(fields, tell, long),
        Value::Array(items) => walk_items(items, tell, long),
        Value::String(_) => {
            for other in [json!(5), json!({})] {
                tell(format!(" = {other}"), &other, false, true);
            }
            tell(" = null".into(), &Value::Null, false, false);
            tell(" = empty".into(), &json!(""), false, false);
            tell(" = long".into(), &json!("x".repeat(long)), false, false);
            tell(" = evil".into(), &json!(EVIL), true, false);
        }
        Value::Number(_) => {
            for other in [json!(-1), json!(1.5), json!("5"), json!(HUGE)] {
                tell(format!(" = {other}"), &other, false, true);
            }
            for other in [
                json!(0),
                json!(1),
                json!(u32::MAX),
                json!(u64::MAX),
                Value::Null,
            ] {
                tell(format!(" = {other}"), &other, false, false);
            }
        }
        Value::Bool(honest) => {
            for other in [json!(1), json!("true")] {
                tell(format!(" = {other}"), &other, false, true);
            }
            for other in [json!(!honest), Value::Null] {
                tell(format!(" = {other}"), &other, false, false);
            }
        }
        Value::Null => {}
    }
}

fn walk_fields(
    fields: &Map<String, Value>,
    tell: &mut dyn FnMut(String, &Value, bool, bool),
    long: usize,
) {
    let mut more = fields.clone();
    more.insert("extra".into(), json!(1));
    tell(
        " with one field more".into(),
        &Value::Object(more),
        false,
        true,
    );
    let mut evil = fields.clone();
    evil.insert(EVIL.into(), json!(1));
    tell(
        " with an evil field".into(),
        &Value::Object(evil),
        true,
        true,
    );
    for (name, value) in fields {
        let mut fewer = fields.clone();
        fewer.remove(name);
        tell(
            format!(" without {name}"),
            &Value::Object(fewer),
            false,
            false,
        );
        walk(
            value,
            &mut |what: String, other: &Value, evil, must_fail| {
                let mut changed = fields.clone();
                changed.insert(name.clone(), other.clone());
                tell(
                    format!(".{name}{what}"),
                    &Value::Object(changed),
                    evil,
                    must_fail,
                );
            },
            long,
        );
    }
}

fn walk_items(items: &[Value], tell: &mut dyn FnMut(String, &Value, bool, bool), long: usize) {
    tell(" = {}".into(), &json!({}), false, true);
    tell(" = a text".into(), &json!("x"), false, true);
    tell(" = [null]".into(), &json!([null]), false, true);
    tell(" = []".into(), &json!([]), false, false);
    tell(" = null".into(), &Value::Null, false, false);
    for (at, item) in items.iter().enumerate() {
        walk(
            item,
            &mut |what: String, other: &Value, evil, must_fail| {
                let mut changed = items.to_vec();
                changed[at] = other.clone();
                tell(
                    format!("[{at}]{what}"),
                    &Value::Array(changed),
                    evil,
                    must_fail,
                );
            },
            long,
        );
    }
}
