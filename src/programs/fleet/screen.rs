//! What many hosts write, told so that it can be read: every line behind its host's name, or equal
//! outputs once under the names of all that wrote them.

use super::differ::{LONGEST, differences};
use super::hosts::Host;
use crate::fleet::{End, Leaf, Lines, Tree};
use crate::nodes;
use crate::programs::display::{Sanitizer, plain};
use crate::programs::output;
use crate::programs::terminal::{Letters, for_machines};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use tokio::sync::{mpsc, oneshot};

/// How it is told.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// Every line as it comes.
    pub live: bool,
    /// Equal outputs of equal ends once, when all have ended.
    pub fold: bool,
    /// What hosts wrote at which it did not go well, when they have ended.
    pub quiet: bool,
    /// As JSON, a line for each event.
    pub json: bool,
    /// Control characters as they are, also on a terminal.
    pub raw: bool,
    /// All of it on standard error.
    pub aside: bool,
    /// Outputs that differ from those of most hosts by what differs.
    pub diff: bool,
}

/// Nobody reads what is told any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

/// What is told of all hosts.
pub struct Screen {
    manner: Manner,
    /// The names of all hosts, as they are shown.
    names: Vec<String>,
    width: usize,
    colours: bool,
    hosts: RefCell<Vec<[Told; 2]>>,
    trees: RefCell<[Tree; 2]>,
    writer: mpsc::Sender<Piece>,
    gone: Cell<bool>,
}

/// What one host has written so far on one of its outputs.
#[derive(Default)]
struct Told {
    letters: Letters,
    lines: Lines,
    leaf: Leaf,
}

enum Piece {
    Bytes(bool, Vec<u8>),
    Flush(oneshot::Sender<()>),
}

/// Pieces that may wait to be written: who writes much then waits for its turn, as all do.
const WAITING: usize = 64;
/// The longest name that the others are filled up to.
const WIDEST: usize = 32;
/// The colours of names: all that can be read on dark and on light.
const COLOURS: [u8; 6] = [36, 33, 32, 35, 34, 31];

impl Screen {
    /// Of these hosts.
    pub fn begin(manner: Manner, hosts: &[Host]) -> Self {
        let names: Vec<String> = hosts.iter().map(|host| plain(&host.name)).collect();
        let width = names.iter().map(|name| name.chars().count()).max();
        let colours = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self {
            manner,
            width: width.unwrap_or(0).min(WIDEST),
            colours: colours && !manner.json,
            hosts: RefCell::new(names.iter().map(|_| Default::default()).collect()),
            trees: RefCell::default(),
            writer: writer(),
            gone: Cell::new(false),
            names,
        }
    }

    fn with<T>(&self, host: usize, error: bool, what: impl FnOnce(&mut Told) -> T) -> Option<T> {
        let mut hosts = self.hosts.borrow_mut();
        let told = hosts.get_mut(host)?.get_mut(usize::from(error))?;
        Some(what(told))
    }

    fn name(&self, host: usize) -> &str {
        self.names.get(host).map_or("", String::as_str)
    }

    /// Tells bytes of a host's output, and returns once they are written or kept.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub async fn bytes(&self, host: usize, error: bool, bytes: &[u8]) -> Result<(), Gone> {
        if self.manner.fold || self.manner.quiet {
            self.keep(host, error, bytes);
        }
        if self.manner.json {
            let whole = self.with(host, error, |told| told.letters.whole(bytes.to_vec()));
            return self.machine_text(host, error, whole).await;
        }
        if !self.manner.live {
            return if self.gone.get() { Err(Gone) } else { Ok(()) };
        }
        let mut whole = Vec::new();
        self.with(host, error, |told| {
            told.lines
                .feed(bytes, |line| self.line(&mut whole, host, error, line));
        });
        self.write(error, whole).await
    }

    /// Whether a host has begun a line and not ended it.
    pub fn is_within_a_line(&self, host: usize) -> bool {
        let hosts = self.hosts.borrow();
        hosts
            .get(host)
            .is_some_and(|told| told.iter().any(|told| told.lines.is_within()))
    }

    /// Tells the beginnings of lines whose ends do not come.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub async fn parts(&self, host: usize) -> Result<(), Gone> {
        for error in [false, true] {
            let part = self.with(host, error, |told| told.lines.part()).flatten();
            if let Some(part) = part {
                let mut line = Vec::new();
                self.line(&mut line, host, error, &part);
                self.write(error, line).await?;
            }
        }
        Ok(())
    }

    /// A host has come to its end: tells what was held back of its last line and letter.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub async fn ended(&self, host: usize) -> Result<(), Gone> {
        for error in [false, true] {
            let left = self.with(host, error, |told| told.letters.left());
            self.machine_text(host, error, left).await?;
        }
        self.parts(host).await
    }

    async fn machine_text(
        &self,
        host: usize,
        error: bool,
        bytes: Option<Vec<u8>>,
    ) -> Result<(), Gone> {
        match bytes.and_then(|bytes| for_machines(error, bytes)) {
            Some(event) => self.event(host, &event).await,
            None => Ok(()),
        }
    }

    /// Tells something of ordain's own about a host, on standard error.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub async fn note(&self, host: usize, text: &str) -> Result<(), Gone> {
        if self.manner.json {
            return Ok(());
        }
        self.bytes(host, true, format!("ordain: {}\n", plain(text)).as_bytes())
            .await
    }

    /// Tells something of ordain's own about all of it, on standard error, behind what was told
    /// before.
    pub async fn say(&self, text: &str) {
        let line = format!("ordain: {}\n", plain(text));
        let _ = self.write(true, line.into_bytes()).await;
    }

    /// Tells an event of a host, for machines; nothing is told to people.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub async fn event(&self, host: usize, event: &serde_json::Value) -> Result<(), Gone> {
        if !self.manner.json {
            return Ok(());
        }
        let mut event = event.clone();
        if let Some(object) = event.as_object_mut() {
            object.insert("host".into(), self.name(host).into());
        }
        let line = crate::audit::line(&event).unwrap_or_default();
        self.write(false, line).await
    }

    /// Tells what was held back until now; `ends` says how it ended at each host, and `good` which
    /// exit statuses are well.
    pub async fn finish(&self, ends: &[End], good: &[u8]) {
        if self.manner.quiet && !self.manner.fold {
            for (host, end) in ends
                .iter()
                .enumerate()
                .filter(|(_, end)| !end.is_well(good))
            {
                let _ = self.kept_of(host, *end).await;
            }
        } else if self.manner.fold {
            let _ = self.folded(ends, good).await;
        }
        let (done, flushed) = oneshot::channel();
        if self.writer.send(Piece::Flush(done)).await.is_ok() {
            let _ = flushed.await;
        }
    }

    /// A line as it is shown: behind the host's name, and harmless.
    fn line(&self, into: &mut Vec<u8>, host: usize, error: bool, line: &[u8]) {
        let name = self.name(host);
        let fill = self.width.saturating_sub(name.chars().count());
        if self.colours && !error {
            let colour = COLOURS.get(host % COLOURS.len()).copied().unwrap_or(0);
            into.extend_from_slice(format!("\x1b[{colour}m{name}:\x1b[0m").as_bytes());
        } else {
            into.extend_from_slice(format!("{name}:").as_bytes());
        }
        into.resize(into.len() + fill + 1, b' ');
        into.extend(self.harmless(error, line));
        into.push(b'\n');
    }

    /// A line without what could do harm in a terminal, where it goes to one.
    fn harmless(&self, error: bool, line: &[u8]) -> Vec<u8> {
        let terminal = if error {
            io::stderr().is_terminal()
        } else {
            io::stdout().is_terminal()
        };
        if !terminal || self.manner.raw {
            return line.to_vec();
        }
        let mut sanitizer = Sanitizer::default();
        let mut shown = sanitizer.feed(line);
        shown.extend(sanitizer.leave());
        shown
    }

    fn keep(&self, host: usize, error: bool, bytes: &[u8]) {
        let mut trees = self.trees.borrow_mut();
        let Some(tree) = trees.get_mut(usize::from(error)) else {
            return;
        };
        let kept = self.with(host, error, |told| {
            told.leaf = tree.add(told.leaf, bytes)?;
            Ok::<_, io::Error>(())
        });
        if let Some(Err(fault)) = kept {
            output::complain(&format!("ordain: output could not be kept: {fault}"));
            self.gone.set(true);
        }
    }

    /// Where a host's outputs have come to.
    fn place(&self, host: usize) -> [Leaf; 2] {
        let (hosts, trees) = (self.hosts.borrow(), self.trees.borrow());
        let [of_output, of_error] = &*trees;
        match hosts.get(host) {
            Some([output, error]) => [of_output.settled(output.leaf), of_error.settled(error.leaf)],
            None => [Leaf::default(); 2],
        }
    }

    /// Equal outputs of equal ends together: the most hosts first, and what went well before the
    /// rest.
    async fn folded(&self, ends: &[End], good: &[u8]) -> Result<(), Gone> {
        let mut groups: BTreeMap<(bool, String, [Leaf; 2]), Vec<usize>> = BTreeMap::new();
        for (host, end) in ends.iter().enumerate() {
            let well = end.is_well(good);
            if self.manner.quiet && well {
                continue;
            }
            let key = (!well, end.to_string(), self.place(host));
            groups.entry(key).or_default().push(host);
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by_key(|((bad, ..), hosts)| (*bad, std::cmp::Reverse(hosts.len())));
        let most = groups
            .first()
            .map(|((_, _, leaves), hosts)| (*leaves, self.folded_names(hosts)));
        for (number, ((_, end, leaves), hosts)) in groups.into_iter().enumerate() {
            let mut header = format!("{} ({}) {end}", self.folded_names(&hosts), hosts.len());
            let besides = most.as_ref().filter(|_| self.manner.diff && number > 0);
            if let Some((_, names)) = besides {
                header += &format!(", beside {names}");
            }
            self.under(&header, leaves, besides.map(|(leaves, _)| *leaves))
                .await?;
        }
        Ok(())
    }

    fn folded_names(&self, hosts: &[usize]) -> String {
        nodes::fold(hosts.iter().map(|host| self.name(*host)))
    }

    /// Outputs under a header, each where it belongs: whole, or how they differ from these.
    async fn under(
        &self,
        header: &str,
        leaves: [Leaf; 2],
        most: Option<[Leaf; 2]>,
    ) -> Result<(), Gone> {
        let header = format!("{0}\n{header}\n{0}\n", "-".repeat(15)).into_bytes();
        let [output, errors] = leaves;
        let [most_output, most_errors] = match most {
            Some([output, errors]) => [Some(output), Some(errors)],
            None => [None; 2],
        };
        if output != Leaf::default() || errors == Leaf::default() {
            self.write(false, header.clone()).await?;
            self.whole_or_differing(false, output, most_output).await?;
        }
        if errors != Leaf::default() {
            self.write(true, header).await?;
            self.whole_or_differing(true, errors, most_errors).await?;
        }
        Ok(())
    }

    async fn whole_or_differing(
        &self,
        error: bool,
        leaf: Leaf,
        most: Option<Leaf>,
    ) -> Result<(), Gone> {
        let bytes = |leaf: Leaf| {
            let mut bytes = Vec::new();
            self.text(error, leaf, |piece| bytes.extend_from_slice(piece));
            bytes
        };
        let short =
            |leaf: Leaf| usize::try_from(leaf.length()).is_ok_and(|length| length <= LONGEST);
        let Some(most) = most.filter(|most| short(*most) && short(leaf)) else {
            return self.whole(error, leaf).await;
        };
        let (mut shown, mut lines) = (Vec::new(), Lines::default());
        lines.feed(&differences(&bytes(most), &bytes(leaf)), |line| {
            shown.extend(self.harmless(error, line));
            shown.push(b'\n');
        });
        self.write(error, shown).await
    }

    async fn whole(&self, error: bool, leaf: Leaf) -> Result<(), Gone> {
        let mut shown = Vec::new();
        let mut lines = Lines::default();
        let put = |line: &[u8], shown: &mut Vec<u8>| {
            shown.extend(self.harmless(error, line));
            shown.push(b'\n');
        };
        self.text(error, leaf, |piece| {
            lines.feed(piece, |line| put(line, &mut shown))
        });
        if let Some(part) = lines.part() {
            put(&part, &mut shown);
        }
        self.write(error, shown).await
    }

    /// The text that leads to a place.
    fn text(&self, error: bool, leaf: Leaf, mut with: impl FnMut(&[u8])) {
        let trees = self.trees.borrow();
        if let Some(tree) = trees.get(usize::from(error)) {
            let read = tree.each(leaf, |piece| {
                with(piece);
                Ok(())
            });
            if let Err(fault) = read {
                output::complain(&format!(
                    "ordain: output that was kept cannot be read: {fault}"
                ));
                self.gone.set(true);
            }
        }
    }

    /// What one host wrote, line by line behind its name.
    async fn kept_of(&self, host: usize, end: End) -> Result<(), Gone> {
        for (error, leaf) in [false, true].into_iter().zip(self.place(host)) {
            let (mut shown, mut lines) = (Vec::new(), Lines::default());
            self.text(error, leaf, |piece| {
                lines.feed(piece, |line| self.line(&mut shown, host, error, line));
            });
            if let Some(part) = lines.part() {
                self.line(&mut shown, host, error, &part);
            }
            self.write(error, shown).await?;
        }
        let mut last = Vec::new();
        self.line(&mut last, host, true, format!("ordain: {end}").as_bytes());
        self.write(true, last).await
    }

    /// Whether nobody reads any more.
    pub const fn is_gone(&self) -> bool {
        self.gone.get()
    }

    async fn write(&self, error: bool, bytes: Vec<u8>) -> Result<(), Gone> {
        let error = error || self.manner.aside;
        if !bytes.is_empty() && self.writer.send(Piece::Bytes(error, bytes)).await.is_err() {
            self.gone.set(true);
        }
        if self.gone.get() { Err(Gone) } else { Ok(()) }
    }
}

/// The thread that writes, because writing blocks. It ends when nothing can be written any more.
fn writer() -> mpsc::Sender<Piece> {
    let (sender, mut pieces) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        while let Some(piece) = pieces.blocking_recv() {
            match piece {
                Piece::Bytes(error, bytes) => {
                    if output::print(error, &bytes).is_err() {
                        return;
                    }
                }
                Piece::Flush(done) => drop(done.send(())),
            }
        }
    });
    sender
}
