//! `ordain sync`: one folder is made like another, and only what differs travels.

use super::listing::{Wanted, list};
use super::server::{Server, no_thread, usage};
use super::store::{Stored, send};
use super::{fetch, here, removal, told};
use crate::cli::{Side, SyncArgs, There};
use crate::client::ClientError;
use crate::exit::Status;
use crate::files::stream::{Fault, Record, Told};
use crate::files::{Below, Entry, Mode, Names, Target, What};
use crate::mover::{At, Expected, Place, Reader, Scope, Visit, walk};
use crate::programs::ask::{self, Wanted as Question};
use crate::programs::display::plain;
use crate::programs::{complain, say, say_json};
use crate::protocol::Code;
use crate::sys::{Folder, Found, FoundKind};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// What is in a folder, by where it is.
type Entries = BTreeMap<Below, Entry>;

/// `ordain sync`.
///
/// # Errors
/// What kept all of it from being done.
pub async fn sync(server: Server<'_>, args: &SyncArgs) -> Result<Status, ClientError> {
    match (&args.from, &args.to) {
        (Side::Here(from), Side::There(to)) => upwards(server, args, from, to).await,
        (Side::There(from), Side::Here(to)) => downwards(server, args, from, to).await,
        _ => Err(usage("one folder is HOST:ROOT/PATH, and the other is here")),
    }
}

/// What is to be done so that one folder is like another.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    /// What is sent: what differs, and the folders on the way there.
    sent: Vec<Below>,
    /// Of that, what differs.
    changed: Vec<Below>,
    /// What is in the way of something of another kind, deepest first.
    in_the_way: Vec<Below>,
    /// What is not in the source, deepest first.
    surplus: Vec<Below>,
    /// How many entries the folder has that is changed.
    whole: usize,
}

impl Plan {
    /// Compares what there should be with what there is.
    fn new(from: &Entries, to: &Entries) -> Self {
        let mut plan = Self {
            whole: to.len().saturating_sub(1),
            ..Self::default()
        };
        let mut sent = BTreeSet::new();
        let mut replaced: Option<&Below> = None;
        for (path, entry) in from {
            let there = to.get(path);
            if there.is_some_and(|there| is_same(entry, there)) {
                continue;
            }
            let of_another_kind = there
                .is_some_and(|there| (there.what == What::Folder) != (entry.what == What::Folder));
            if of_another_kind && !replaced.is_some_and(|above| path.is_in(above)) {
                plan.in_the_way.extend(
                    to.keys()
                        .filter(|at| *at == path || at.is_in(path))
                        .cloned(),
                );
                replaced = Some(path);
            }
            plan.changed.push(path.clone());
            sent.insert(path.clone());
            let mut above = path.folder();
            while let Some(at) = above {
                above = at.folder();
                sent.insert(at);
            }
        }
        plan.sent = sent.into_iter().collect();
        let surplus = to.keys().filter(|path| !from.contains_key(path));
        let in_the_way: BTreeSet<&Below> = plan.in_the_way.iter().collect();
        plan.surplus = surplus
            .filter(|path| !in_the_way.contains(path))
            .cloned()
            .collect();
        plan.surplus.reverse();
        plan.in_the_way.reverse();
        plan
    }

    /// How many entries would go.
    fn removed(&self) -> usize {
        self.surplus.len() + self.in_the_way.len()
    }

    /// Says what would be done.
    fn show(&self, json: bool, deletes: bool) {
        let said = |what: &str, path: &Below| {
            let name = plain(&path.to_string());
            match json {
                true => say_json(&serde_json::json!({ "event": what, "path": path.to_string() })),
                false => say(&format!(
                    "{what} {}",
                    if name.is_empty() { "." } else { &name }
                )),
            }
        };
        for path in &self.changed {
            said("send", path);
        }
        if deletes {
            for path in self.in_the_way.iter().chain(&self.surplus) {
                said("remove", path);
            }
        }
    }
}

/// Whether an entry need not be sent: by its content, where that is known of both, else by size and
/// time.
fn is_same(one: &Entry, other: &Entry) -> bool {
    match (&one.what, &other.what) {
        (What::Folder, What::Folder) => true,
        (What::Link { target: one }, What::Link { target: other }) => one == other,
        (
            What::File { size, digest },
            What::File {
                size: other_size,
                digest: other_digest,
            },
        ) => match (digest, other_digest) {
            (Some(digest), Some(other_digest)) => digest == other_digest,
            _ => size == other_size && one.time == other.time,
        },
        _ => false,
    }
}

/// Removals are asked about from so many entries on, if they are more than half.
const MANY: usize = 20;

/// Whether what is surplus may go.
///
/// # Errors
/// That it may not.
fn may_remove(
    server: &Server<'_>,
    args: &SyncArgs,
    plan: &Plan,
    from: &Entries,
    faults: &[&[Told]],
) -> Result<bool, ClientError> {
    if !args.delete || plan.removed() == 0 {
        return Ok(false);
    }
    if from.len() <= 1 {
        return Err(usage(
            "the folder that is as it should be is empty: --delete would empty the other one, and does not",
        ));
    }
    if faults.iter().any(|faults| !faults.is_empty()) {
        complain("ordain: not all could be looked at, so nothing is removed");
        return Ok(false);
    }
    if plan.whole > MANY && plan.removed() * 2 > plan.whole && !args.asked.yes {
        let question = format!("remove {} of {} entries?", plan.removed(), plan.whole);
        if server.target.among.is_some() {
            let text = format!("{question} (--yes agrees to that at each of many hosts)");
            return Err(ClientError::new(Code::Confirm, text));
        }
        ask::agree(&Question::of(server.target.host(), &question))?;
    }
    Ok(true)
}

/// A folder there is made like one here.
async fn upwards(
    server: Server<'_>,
    args: &SyncArgs,
    from: &Path,
    to: &There,
) -> Result<Status, ClientError> {
    let folder =
        Folder::named(from, true).map_err(|fault| usage(format!("{}: {fault}", from.display())))?;
    let scope = here::scope(true)?;
    let digests = args.checksum;
    let place = Place::Root(folder);
    let (place, scope, looked) = tokio::task::spawn_blocking(move || {
        let looked = look(&scope, &place, digests);
        (place, scope, looked)
    })
    .await
    .map_err(|_| no_thread())?;
    let (there, there_faults) = listed(server, args, to).await?;
    let plan = Plan::new(&looked.entries, &there);
    let at = from.display().to_string();
    for fault in &looked.faults {
        told::fault(server.args.json, &at, fault);
    }
    let removes = may_remove(
        &server,
        args,
        &plan,
        &looked.entries,
        &[&looked.faults, &there_faults],
    )?;
    if args.dry_run {
        plan.show(server.args.json, removes);
        return Ok(Status::OK);
    }
    let worst = |one: Status, other: Status| if one == Status::OK { other } else { one };
    let mut status = match looked.faults.is_empty() {
        true => Status::OK,
        false => Status(1),
    };
    if removes && !plan.in_the_way.is_empty() {
        let names = Some(plan.in_the_way.clone());
        let (_, removed) = removal::remove(server, to, true, names, &args.asked).await?;
        status = worst(status, removed);
    }
    if !plan.changed.is_empty() {
        let how = Stored {
            all_or_nothing: false,
            packs: server.packs(args.no_compress),
        };
        let wanted = wishes(&plan.sent);
        let size = |path| match looked.entries.get(path).map(|entry| &entry.what) {
            Some(What::File { size, .. }) => *size,
            _ => 0,
        };
        let total = plan.changed.iter().map(size).sum();
        let sent = send(
            server,
            to,
            how,
            &args.asked,
            (true, Some(total)),
            move |sending| sending.wanted(&scope, &place, &mut Reader::new(&wanted[..])),
        )
        .await?;
        status = worst(status, sent);
    }
    if removes && status == Status::OK && !plan.surplus.is_empty() {
        let names = Some(plan.surplus.clone());
        let (_, removed) = removal::remove(server, to, true, names, &args.asked).await?;
        status = worst(status, removed);
    }
    Ok(status)
}

/// A folder here is made like one there.
async fn downwards(
    server: Server<'_>,
    args: &SyncArgs,
    from: &There,
    to: &Path,
) -> Result<Status, ClientError> {
    let made = match &server.target.among {
        Some(among) => Some(here::folder_of(to, &among.name)?),
        None => None,
    };
    let to = made.as_ref().map_or(to, |made| made.path());
    if !to.exists() {
        std::fs::create_dir(to).map_err(|fault| usage(format!("{}: {fault}", to.display())))?;
    }
    let open =
        || Folder::named(to, true).map_err(|fault| usage(format!("{}: {fault}", to.display())));
    let (scope, place, digests) = (here::scope(true)?, Place::Root(open()?), args.checksum);
    let looked = tokio::task::spawn_blocking(move || look(&scope, &place, digests))
        .await
        .map_err(|_| no_thread())?;
    let (there, there_faults) = listed(server, args, from).await?;
    if there.is_empty() {
        return Err(usage(format!("`{from}` is not there")));
    }
    let plan = Plan::new(&there, &looked.entries);
    let removes = may_remove(
        &server,
        args,
        &plan,
        &there,
        &[&looked.faults, &there_faults],
    )?;
    if args.dry_run {
        plan.show(server.args.json, removes);
        return Ok(Status::OK);
    }
    let mut status = match there_faults.is_empty() {
        true => Status::OK,
        false => Status(1),
    };
    if removes {
        remove_here(&open()?, &plan.in_the_way);
    }
    if !plan.changed.is_empty() {
        let names: BTreeSet<Below> = plan.sent.iter().cloned().collect();
        let wanted = fetch::Wanted {
            expected: Expected::Chosen(names),
            packs: server.packs(args.no_compress),
            replace: true,
            chosen: Some(plan.sent.clone()),
        };
        let fetched = fetch::fetch(server, from, Place::Root(open()?), wanted, &args.asked).await?;
        if status == Status::OK {
            status = fetched;
        }
    }
    if removes && status == Status::OK {
        let left = remove_here(&open()?, &plan.surplus);
        if left > 0 {
            complain(&format!("ordain: {left} entries could not be removed"));
            status = Status(1);
        }
    }
    Ok(status)
}

/// Removes names below a folder here, each by itself; how many are still there.
fn remove_here(folder: &Folder, names: &[Below]) -> usize {
    let Ok(again) = folder.again() else {
        return names.len();
    };
    let place = Place::Root(again);
    let remove = |path: &&Below| -> bool {
        let Ok((folder, Some(name))) = crate::mover::find(&place, path) else {
            return false;
        };
        match folder.look(&name) {
            Ok(found) if found.kind == FoundKind::Folder => folder.remove_folder(&name).is_ok(),
            Ok(_) => folder.remove_file(&name).is_ok(),
            Err(_) => true,
        }
    };
    names.len() - names.iter().filter(remove).count()
}

/// What is there. A folder that is not there is an empty one.
async fn listed(
    server: Server<'_>,
    args: &SyncArgs,
    there: &There,
) -> Result<(Entries, Vec<Told>), ClientError> {
    let wanted = Wanted {
        recursive: true,
        digests: args.checksum,
    };
    let entries = Arc::new(Mutex::new(Entries::new()));
    let into = entries.clone();
    let each = move |entry: &Entry| {
        let mut entries = into.lock().unwrap_or_else(PoisonError::into_inner);
        entries.insert(entry.path.clone(), entry.clone());
    };
    let (_, mut faults, _) = list(server, there, wanted, &args.asked, each).await?;
    faults.retain(|told| !(told.path.is_root() && told.what == Fault::Absent));
    for fault in &faults {
        told::fault(server.args.json, &there.to_string(), fault);
    }
    let entries = std::mem::take(&mut *entries.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((entries, faults))
}

/// What says which entries are wanted.
fn wishes(paths: &[Below]) -> Vec<u8> {
    let (mut stream, mut names) = (Vec::new(), Names::default());
    for path in paths {
        names.add(path);
        Record::Want(path.clone(), false).encode(&mut stream);
    }
    Record::Done(names.sum()).encode(&mut stream);
    stream
}

/// What was found here.
#[derive(Debug, Default)]
struct Looked {
    entries: Entries,
    faults: Vec<Told>,
    digests: bool,
}

/// Looks at all that is in a folder here.
fn look(scope: &Scope, place: &Place, digests: bool) -> Looked {
    let mut looked = Looked {
        digests,
        ..Looked::default()
    };
    let Ok(()) = walk(scope, place, &mut looked);
    looked
}

impl Looked {
    fn add(&mut self, path: &Below, found: &Found, what: What) {
        let entry = Entry {
            path: path.clone(),
            mode: Mode::of_file(found.mode),
            time: found.time,
            what,
        };
        self.entries.insert(path.clone(), entry);
    }

    fn tell(&mut self, path: &Below, what: Fault) {
        self.faults.push(Told {
            path: path.clone(),
            name: Vec::new(),
            what,
            number: 0,
        });
    }
}

impl Visit for Looked {
    type Stop = std::convert::Infallible;

    fn folder(&mut self, path: &Below, found: &Found) -> Result<bool, Self::Stop> {
        self.add(path, found, What::Folder);
        Ok(true)
    }

    fn entry(&mut self, at: At<'_>, path: &Below, found: &Found) -> Result<(), Self::Stop> {
        match found.kind {
            FoundKind::File => {
                let read = || -> std::io::Result<[u8; 32]> {
                    let (file, _) = at.folder.file(at.name)?;
                    Ok(*blake3::Hasher::new()
                        .update_reader(file)?
                        .finalize()
                        .as_bytes())
                };
                let digest = match self.digests {
                    true => match read() {
                        Ok(digest) => Some(digest),
                        Err(_) => {
                            self.tell(path, Fault::Denied);
                            return Ok(());
                        }
                    },
                    false => None,
                };
                let size = found.size;
                self.add(path, found, What::File { size, digest });
            }
            FoundKind::Link => {
                let target = at.folder.target(at.name).unwrap_or_default();
                match Target::inside(&target, path) {
                    Some(target) => self.add(path, found, What::Link { target }),
                    None => self.tell(path, Fault::Link),
                }
            }
            FoundKind::Special | FoundKind::Folder => self.tell(path, Fault::Special),
        }
        Ok(())
    }

    fn fault(&mut self, told: Told) -> Result<(), Self::Stop> {
        self.faults.push(told);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(list: &[(&str, Option<(u64, i64)>)]) -> Entries {
        let entry = |(name, file): &(&str, Option<(u64, i64)>)| {
            let path: Below = name.parse().unwrap();
            let what = match file {
                Some((size, _)) => What::File {
                    size: *size,
                    digest: None,
                },
                None => What::Folder,
            };
            let entry = Entry {
                path: path.clone(),
                mode: Mode::of_file(0o644),
                time: file.map_or(0, |(_, time)| time),
                what,
            };
            (path, entry)
        };
        list.iter().map(entry).collect()
    }

    fn shown(paths: &[Below]) -> Vec<String> {
        paths.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_what_differs_is_sent_with_the_folders_on_the_way() {
        let from = [
            ("", None),
            ("a", Some((1, 1))),
            ("d", None),
            ("d/b", Some((2, 2))),
            ("d/c", Some((3, 3))),
        ];
        let to = [
            ("", None),
            ("a", Some((1, 1))),
            ("d", None),
            ("d/b", Some((2, 9))),
            ("x", None),
            ("x/y", Some((1, 1))),
        ];
        let plan = Plan::new(&entries(&from), &entries(&to));
        assert_eq!(shown(&plan.changed), ["d/b", "d/c"]);
        assert_eq!(shown(&plan.sent), ["", "d", "d/b", "d/c"]);
        assert_eq!(shown(&plan.surplus), ["x/y", "x"]);
        assert_eq!((plan.in_the_way.len(), plan.whole), (0, 5));
        assert_eq!(Plan::new(&entries(&from), &entries(&from)).changed, []);
    }

    #[test]
    fn what_is_of_another_kind_is_in_the_way() {
        let from = [
            ("", None),
            ("a", Some((1, 1))),
            ("b", None),
            ("b/c", Some((1, 1))),
        ];
        let to = [
            ("", None),
            ("a", None),
            ("a/x", Some((1, 1))),
            ("b", Some((1, 1))),
        ];
        let plan = Plan::new(&entries(&from), &entries(&to));
        assert_eq!(shown(&plan.in_the_way), ["b", "a/x", "a"]);
        assert_eq!(plan.surplus, []);
        assert_eq!(shown(&plan.sent), ["", "a", "b", "b/c"]);
    }
}
