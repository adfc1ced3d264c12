//! What is kept of all outputs until the end: equal ones once, or those of hosts at which it did not
//! go well.

use super::{Gone, Screen};
use crate::fleet::{End, Leaf, Lines};
use crate::nodes;
use crate::programs::fleet::differ::{LONGEST, differences};
use crate::programs::output;
use std::collections::BTreeMap;
use std::io;

impl Screen {
    pub(super) fn keep(&self, host: usize, error: bool, bytes: &[u8]) {
        if !self.manner.alike {
            return self.add(host, error, bytes);
        }
        let names = own_names(self.name(host));
        let alike = self.with(host, error, |told| told.alike.feed(&names, bytes));
        self.add(host, error, &alike.unwrap_or_default());
    }

    /// Keeps what was held back of a host's text, when nothing more comes.
    pub(super) fn keep_rest(&self, host: usize, error: bool) {
        if self.manner.alike {
            let names = own_names(self.name(host));
            let left = self.with(host, error, |told| told.alike.left(&names));
            self.add(host, error, &left.unwrap_or_default());
        }
    }

    fn add(&self, host: usize, error: bool, bytes: &[u8]) {
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
    pub(super) async fn folded(&self, ends: &[End], good: &[u8]) -> Result<(), Gone> {
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
            shown.extend_from_slice(&self.harmless(error, line));
            shown.push(b'\n');
        });
        self.write(error, shown).await
    }

    async fn whole(&self, error: bool, leaf: Leaf) -> Result<(), Gone> {
        let mut shown = Vec::new();
        let mut lines = Lines::default();
        let put = |line: &[u8], shown: &mut Vec<u8>| {
            shown.extend_from_slice(&self.harmless(error, line));
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
    pub(super) async fn kept_of(&self, host: usize, end: End) -> Result<(), Gone> {
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
}

/// What a host may call itself: as it is called here, and without its domain.
fn own_names(name: &str) -> Vec<&[u8]> {
    let mut names = vec![name.as_bytes()];
    let is_address = name.parse::<std::net::IpAddr>().is_ok();
    if let Some((short, _)) = name.split_once('.').filter(|_| !is_address) {
        names.push(short.as_bytes());
    }
    names
}
