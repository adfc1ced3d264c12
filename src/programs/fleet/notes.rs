//! What a run on many machines has come to, on the disk: whoever takes it up again asks every host
//! by the same request id, and nothing runs twice.
//!
//! The file begins with what was asked, of whom, and a seed, all of it on the disk before the first
//! request leaves. A request's id is made of the seed and the host's name. That a request is about
//! to leave is a line that is written before; a host without one was not asked, as long as this
//! machine has not been started anew since.
//!
//! Each line has its number, and a sum over it and the seed: what was changed, cut or taken away is
//! found, and not believed.

use super::input::{Expected, Whole};
use super::noted::{Called, Ended, Head, KeyLine, Known, Line, Said};
use crate::cli::RunArgs;
use crate::client::{GoodUntil, Kept};
use crate::credential::{random, sha256};
use crate::encoding::{base64, hex, unbase64};
use crate::fleet::End;
use crate::ids::{FleetId, RequestId, RunId};
use crate::programs::home;
use crate::sys;
use crate::tls::Fingerprint;
use serde::Serialize;
use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use zeroize::Zeroizing;

/// Bytes of one such file.
const LONGEST: u64 = 256 << 20;
/// How many are kept, and for how long after their last line.
const KEPT: (usize, Duration) = (100, Duration::from_secs(30 * 86_400));

/// The notes of a run that this process attends to.
pub struct Notes {
    /// What was asked, of whom.
    pub head: Head,
    path: PathBuf,
    seed: [u8; 32],
    file: RefCell<File>,
    keys: RefCell<File>,
    /// The number of the last line.
    last: Cell<u64>,
    /// Whether hosts without a line were not asked.
    pub is_whole: bool,
}

fn folder() -> io::Result<PathBuf> {
    home::state("fleets")
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is no home folder"))
}

fn path_of(id: FleetId) -> io::Result<PathBuf> {
    folder().map(|folder| folder.join(format!("{id}.jsonl")))
}

fn keys_of(path: &Path) -> PathBuf {
    path.with_extension("keys")
}

/// Which start of this machine this is, where that can be told.
fn boot() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

impl Notes {
    /// Begins notes, and has them on the disk when it returns.
    ///
    /// # Errors
    /// As open(2), write(2) and fsync(2).
    pub fn begin(set: &str, hosts: Vec<Called>, run: &RunArgs) -> io::Result<Self> {
        let folder = folder()?;
        sys::make_folder(&folder, 0o700)?;
        sweep();
        let id = FleetId::from_random(random());
        let seed: [u8; 32] = random();
        let head = Head {
            fleet: id.to_string(),
            at: home::now(),
            boot: boot(),
            set: set.to_owned(),
            hosts,
            line: std::iter::once(run.command())
                .chain(run.words().iter().map(String::as_str))
                .map(str::to_owned)
                .collect(),
            said: Said::of(run),
            seed: base64(&seed),
        };
        let path = path_of(id)?;
        let mut file = sys::private_file(&path)?;
        sys::try_hold(&file)?;
        file.write_all(&summed(&head, &[])?)?;
        file.sync_all()?;
        let keys = sys::private_file(&keys_of(&path))?;
        File::open(&folder)?.sync_all()?;
        Ok(Self {
            is_whole: head.boot.is_some(),
            last: Cell::default(),
            head,
            path,
            seed,
            file: RefCell::new(file),
            keys: RefCell::new(keys),
        })
    }

    /// Takes notes up again, with what they say of each host.
    ///
    /// # Errors
    /// As open(2) and read(2); `WouldBlock` while another process attends to them.
    pub fn take_up(id: FleetId) -> io::Result<(Self, Vec<Known>)> {
        let path = path_of(id)?;
        // What is opened to be written to would be made.
        fs::symlink_metadata(&path)?;
        let file = sys::append_private(&path)?;
        sys::try_hold(&file)?;
        let Read {
            head,
            known,
            is_whole,
            length,
            last,
            ..
        } = read(&path)?;
        // What is written next must not become a part of a line that was cut.
        file.set_len(length)?;
        let seed = unbase64(&head.seed).ok_or_else(|| broken("its seed is none"))?;
        let keys = sys::append_private(&keys_of(&path))?;
        let notes = Self {
            is_whole: is_whole && head.boot.is_some() && head.boot == boot(),
            last: Cell::new(last),
            head,
            path,
            seed,
            file: RefCell::new(file),
            keys: RefCell::new(keys),
        };
        Ok((notes, known))
    }

    /// The id of the request for this host: the same whenever it is asked for.
    pub fn request(&self, host: &str) -> RequestId {
        let digest = sha256(&[&self.seed, host.as_bytes()].concat());
        let mut id = [0; 20];
        id.copy_from_slice(digest.get(..20).unwrap_or(&[0; 20]));
        RequestId::from_random(id)
    }

    /// A host's request is about to leave, by this session.
    ///
    /// # Errors
    /// As write(2): then it must not leave.
    pub fn sends(
        &self,
        host: usize,
        good: Option<&GoodUntil>,
        session: &Kept,
        key: Option<Fingerprint>,
    ) -> io::Result<()> {
        self.takes_up(host, session, 0)?;
        self.write(Line {
            host: Some(host),
            sent: true,
            key: key.map(|key| key.to_string()),
            instance: good.map(|good| good.instance.clone()),
            not_after: good.map(|good| good.not_after),
            ..Line::default()
        })
    }

    /// A host's session is there, and was taken up again so often.
    ///
    /// # Errors
    /// As write(2): then it must not be used.
    pub fn takes_up(&self, host: usize, session: &Kept, turns: u32) -> io::Result<()> {
        let key = KeyLine {
            host,
            session: session.id.to_string(),
            key: Zeroizing::new(base64(session.key.seed())),
            turns,
        };
        let key = Zeroizing::new(line(&key)?);
        self.keys.borrow_mut().write_all(&key)
    }

    /// A host's request has led to a run.
    ///
    /// # Errors
    /// As write(2).
    pub fn runs(&self, host: usize, run: RunId) -> io::Result<()> {
        self.write(Line {
            host: Some(host),
            run: Some(run.to_string()),
            ..Line::default()
        })
    }

    /// How it ended at a host.
    ///
    /// # Errors
    /// As write(2).
    pub fn ended(&self, host: usize, end: End) -> io::Result<()> {
        self.write(Line {
            host: Some(host),
            end: Some(Ended::of(end)),
            ..Line::default()
        })
    }

    /// What standard input was: that of all hosts, or of one.
    ///
    /// # Errors
    /// As write(2).
    pub fn input(&self, host: Option<usize>, input: Whole) -> io::Result<()> {
        self.write(Line {
            host,
            input: Some(input),
            ..Line::default()
        })
    }

    /// Has all of it on the disk; the keys go where nothing goes on any more.
    pub fn close(&self, over: bool) {
        let _ = self.file.borrow().sync_all();
        if over {
            wipe(&keys_of(&self.path));
        }
    }

    /// Forgets all of it.
    pub fn forget(&self) {
        wipe(&keys_of(&self.path));
        wipe(&self.path);
    }

    /// Whether there is anything to go on with.
    pub fn are_there(&self) -> bool {
        self.path.exists()
    }

    fn write(&self, about: Line) -> io::Result<()> {
        let mut file = self.file.borrow_mut();
        let before = file.metadata()?.len();
        let number = self.last.get() + 1;
        let numbered = Line {
            line: number,
            ..about
        };
        let written = file.write_all(&summed(&numbered, &self.seed)?);
        match written {
            Ok(()) => self.last.set(number),
            // A part of a line would spoil the next one.
            Err(_) => drop(file.set_len(before)),
        }
        written
    }
}

/// Whether a run's client attends to it now.
pub fn is_attended(id: FleetId) -> bool {
    let file = path_of(id).and_then(File::open);
    file.is_ok_and(|file| sys::try_hold(&file).is_err())
}

/// What the notes of a run say.
///
/// # Errors
/// As open(2) and read(2); that they cannot be read.
pub fn look(id: FleetId) -> io::Result<Read> {
    read(&path_of(id)?)
}

/// All that there are, the youngest first.
pub fn all() -> Vec<FleetId> {
    dated().into_iter().map(|(_, id)| id).collect()
}

/// All that there are with the time of their last line, the youngest first.
fn dated() -> Vec<(SystemTime, FleetId)> {
    let entries = folder()
        .and_then(fs::read_dir)
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let id = name.to_str()?.strip_suffix(".jsonl")?.parse().ok()?;
            let modified = entry.metadata().ok()?.modified().ok()?;
            Some((modified, id))
        })
        .collect();
    found.sort_by(|one, other| other.cmp(one));
    found
}

/// Forgets a run.
///
/// # Errors
/// As unlink(2).
pub fn forget(id: FleetId) -> io::Result<()> {
    let path = path_of(id)?;
    wipe(&keys_of(&path));
    fs::remove_file(path)
}

/// Removes what is old, and what is too much. Nothing is read for it: there may be much to read.
fn sweep() {
    let (most, age) = KEPT;
    for (number, (modified, id)) in dated().into_iter().enumerate() {
        let old = modified.elapsed().is_ok_and(|elapsed| elapsed > age);
        if (number >= most || old) && !is_attended(id) {
            let _ = forget(id);
        }
    }
}

/// Overwrites a file before it goes.
fn wipe(path: &Path) {
    if let Ok(file) = File::options().write(true).open(path) {
        let length = file.metadata().map_or(0, |meta| meta.len());
        let zeros = vec![0; usize::try_from(length).unwrap_or(0)];
        let _ = (&file).write_all(&zeros).and_then(|()| file.sync_all());
    }
    let _ = fs::remove_file(path);
}

fn line(of: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(of)?;
    line.push(b'\n');
    Ok(line)
}

/// Symbols of a line's sum: what happens by itself is found, and nobody else writes here.
const SUM: usize = 16;
/// What stands before the sum, which comes last.
const BEFORE_SUM: &[u8] = b",\"sum\":\"";

/// A line with its sum.
fn summed(of: &impl Serialize, seed: &[u8]) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(of)?;
    let sum = sum(seed, &line);
    line.pop();
    line.extend_from_slice(BEFORE_SUM);
    line.extend_from_slice(sum.as_bytes());
    line.extend_from_slice(b"\"}\n");
    Ok(line)
}

fn sum(seed: &[u8], line: &[u8]) -> String {
    let mut sum = hex(&sha256(&[seed, line].concat()));
    sum.truncate(SUM);
    sum
}

/// A line without its sum, where that is right.
fn proved(line: &[u8], seed: &[u8]) -> Option<Vec<u8>> {
    let behind = line.len().checked_sub(SUM + 2)?;
    let (said, told) = line.split_at(behind);
    let mut said = said.strip_suffix(BEFORE_SUM)?.to_vec();
    said.push(b'}');
    let told = told.strip_suffix(b"\"}")?;
    (sum(seed, &said).as_bytes() == told).then_some(said)
}

fn broken(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

/// What was read of notes.
pub struct Read {
    /// What was asked, of whom.
    pub head: Head,
    /// What is known of each host.
    pub known: Vec<Known>,
    /// Whether each line is there, and as it was written.
    pub is_whole: bool,
    /// What standard input was, as far as that is known.
    pub input: Option<Whole>,
    /// Bytes up to the end of the last whole line.
    length: u64,
    /// The number of the last line.
    last: u64,
}

impl Read {
    /// What standard input has to be where the same is asked for again.
    pub fn expected(&self) -> Expected {
        let hosts = self.head.hosts.iter().zip(&self.known);
        let of_each = hosts.filter_map(|(called, known)| {
            let input = known.input.clone()?;
            Some((called.name.clone(), input))
        });
        Expected {
            of_each: of_each.collect(),
            of_all: self.input.clone(),
        }
    }
}

fn read(path: &Path) -> io::Result<Read> {
    fs::symlink_metadata(path)?;
    let bytes =
        sys::read_private(path, LONGEST).map_err(|fault| io::Error::other(fault.to_string()))?;
    // A last line that was cut says nothing: what it was to be noted for was not done.
    let whole = bytes.iter().rposition(|byte| *byte == b'\n');
    let bytes = bytes.get(..whole.unwrap_or(0)).unwrap_or_default();
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let head = proved(lines.next().unwrap_or_default(), &[])
        .ok_or_else(|| broken("its first line is not as it was written"))?;
    let head: Head = serde_json::from_slice(&head)?;
    let seed: [u8; 32] = unbase64(&head.seed).ok_or_else(|| broken("its seed is none"))?;
    let mut known = vec![Known::default(); head.hosts.len()];
    let (mut is_whole, mut input, mut last) = (true, None, 0);
    for line in lines {
        let line = proved(line, &seed);
        let line = line.and_then(|line| serde_json::from_slice::<Line>(&line).ok());
        let Some(line) = line else {
            is_whole = false;
            continue;
        };
        is_whole &= line.line == last + 1;
        last = line.line;
        match line.host.map(|host| known.get_mut(host)) {
            None => input = line.input,
            Some(Some(known)) => known.learn(line),
            Some(None) => is_whole = false,
        }
    }
    let keys = sys::read_private(&keys_of(path), LONGEST).unwrap_or_default();
    let keys = Zeroizing::new(keys);
    for line in keys.split(|byte| *byte == b'\n') {
        if let Ok(line) = serde_json::from_slice::<KeyLine>(line)
            && let Some(known) = known.get_mut(line.host)
        {
            known.session = line.kept();
        }
    }
    Ok(Read {
        head,
        known,
        is_whole,
        input,
        last,
        length: bytes.len() as u64 + 1,
    })
}
