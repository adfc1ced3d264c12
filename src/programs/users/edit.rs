//! `ordaind user add`, `set` and `remove`: the configuration's file is edited, judged as `check`
//! judges it, put in place at once, and reloaded.

use crate::config::{self, Edited, Fault, File, Machine, Said, Text, Unedited};
use crate::exit::Status;
use crate::limits;
use crate::programs::display::plain;
use crate::programs::faults::count;
use crate::programs::local::{Unanswered, ask_if_there, failed, tell_reloaded};
use crate::programs::{complain, say};
use crate::sys::{self, Trust};
use crate::verb::Reload;
use std::path::Path;

/// What is done with a user.
pub enum Act {
    /// They are put in.
    Add(Said),
    /// Something else is said of them.
    Set(Said),
    /// They are taken out.
    Remove,
}

/// The file among the included ones that new users are put into.
const OF_USERS: &str = "users.toml";

/// Does it, and says what became of it.
pub fn edit(path: &Path, user: &str, act: &Act, reload: bool) -> Status {
    if let Err(why) = config::name(user) {
        return failed(&why);
    }
    match edited(path, user, act) {
        Err(status) => status,
        Ok(done) => {
            say(&done);
            if reload { reloaded(path) } else { Status::OK }
        }
    }
}

/// Edits the file, while nobody else does; what was done, in words.
fn edited(path: &Path, user: &str, act: &Act) -> Result<String, Status> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let _alone =
        sys::hold(folder).map_err(|fault| failed(&format!("{}: {fault}", folder.display())))?;
    let files = config::files(path).map_err(|faults| {
        let told = |fault: &Fault| complain(&format!("fault: {}", plain(&fault.to_string())));
        faults.iter().for_each(told);
        untouched(path, faults.len(), true)
    })?;
    let (file, text) = made(&files, user, act).map_err(|why| failed(&why))?;
    let line = Text::read(&text).ok().and_then(|text| text.line_of(user));

    sys::replaceable(&file.path, &Trust::own()).map_err(|fault| failed(&fault.to_string()))?;
    let edited = Edited {
        path: file.path.clone(),
        text,
    };
    judge(path, &edited)?;
    sys::exchange(&file.path, edited.text.as_bytes(), &file.meta)
        .map_err(|fault| failed(&format!("{}: {fault}", file.path.display())))?;

    let name = file.path.display();
    Ok(match (act, line) {
        (Act::Add(_), Some(line)) => format!("{user} was added at {name}:{line}"),
        (Act::Set(_), Some(line)) => format!("{user} was changed at {name}:{line}"),
        _ => format!("{user} was removed from {name}"),
    })
}

/// The file that changes, and what it is to say.
fn made<'f>(files: &'f [File], user: &str, act: &Act) -> Result<(&'f File, String), String> {
    let mut texts = Vec::new();
    for file in files {
        let text = Text::read(&file.text).map_err(|why| in_file(file, &why))?;
        texts.push((file, text));
    }
    let known = texts
        .iter()
        .find_map(|(file, text)| Some((*file, text, text.line_of(user)?)));

    let (file, text) = match (act, known) {
        (Act::Add(_), Some((file, _, line))) => {
            return Err(format!(
                "{user} is there already, at {}:{line}; `ordaind user set {user}` says something else of them",
                file.path.display()
            ));
        }
        (Act::Add(said), None) => {
            let of_users = |(file, _): &&(&File, Text<'_>)| {
                file.path.file_name().is_some_and(|name| name == OF_USERS)
            };
            let included = texts.iter().skip(1).find(of_users);
            let (file, text) = included.or(texts.first()).ok_or("there is no file")?;
            (*file, text.with(user, said))
        }
        (Act::Set(said), Some((file, text, _))) => (file, text.changed(user, said)),
        (Act::Remove, Some((file, text, _))) => (file, text.without(user)),
        (_, None) => return Err(format!("there is no user `{user}`")),
    };
    let text = text.map_err(|why| in_file(file, &why))?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > limits::CONFIG_FILE {
        let (name, most) = (file.path.display(), limits::CONFIG_FILE);
        return Err(format!("{name} would have more than {most} bytes"));
    }
    Ok((file, text))
}

fn in_file(file: &File, why: &Unedited) -> String {
    format!("{}: {why}", file.path.display())
}

/// Judges the configuration as it is to become, by the code of `ordaind check`. What was risky before
/// is not told again.
fn judge(path: &Path, edited: &Edited) -> Result<(), Status> {
    // What control groups a shell has says nothing of the service's.
    let machine = Machine::probe().as_a_service();
    let (old_faults, old_warnings) = match config::load(path, &machine) {
        Ok(loaded) => (Vec::new(), loaded.warnings),
        Err(both) => both,
    };
    let (faults, warnings) = match config::load_edited(path, &machine, edited) {
        Ok(loaded) => (Vec::new(), loaded.warnings),
        Err(both) => both,
    };
    for fault in &faults {
        complain(&format!("fault: {}", plain(&fault.to_string())));
    }
    for warning in warnings.iter().filter(|it| is_new(it, &old_warnings)) {
        complain(&format!("warning: {}", plain(&warning.to_string())));
    }
    if faults.is_empty() {
        return Ok(());
    }
    let known = !faults.iter().any(|fault| is_new(fault, &old_faults));
    Err(untouched(path, faults.len(), known))
}

/// Whether a fault was not there before. Its line may be another now.
fn is_new(fault: &Fault, old: &[Fault]) -> bool {
    let same = |other: &Fault| (&other.key, &other.text) == (&fault.key, &fault.text);
    !old.iter().any(same)
}

/// Says that for so many faults nothing is changed, and whether they are there without it.
fn untouched(path: &Path, faults: usize, known: bool) -> Status {
    let before = if known {
        ", which the configuration has already"
    } else {
        ""
    };
    failed(&format!(
        "{}: {}{before}; nothing was changed",
        path.display(),
        count(faults, "fault")
    ))
}

/// Has the daemon read its configuration anew, if it runs.
fn reloaded(path: &Path) -> Status {
    match ask_if_there(path, &Reload {}) {
        Ok(reloaded) => tell_reloaded(&reloaded),
        Err(Unanswered::Nobody(_)) => {
            say("no daemon runs with this configuration; the next one that starts has it");
            Status::OK
        }
        Err(Unanswered::Refused(why)) => failed(&format!(
            "the file was changed, but the daemon did not reload it: {why}"
        )),
    }
}
