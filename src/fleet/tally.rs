//! What all ends together make: the lines at the end, and the one exit status.

use super::end::End;
use crate::exit::Status;

/// The ends of all hosts, by their numbers.
#[derive(Debug)]
pub struct Tally<'t> {
    ends: &'t [End],
    good: &'t [u8],
}

/// The hosts that ended alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// How they ended.
    pub end: End,
    /// Whether that is well.
    pub well: bool,
    /// Their numbers, lowest first.
    pub hosts: Vec<usize>,
}

impl<'t> Tally<'t> {
    /// Of these ends, where these exit statuses are good ones.
    pub const fn new(ends: &'t [End], good: &'t [u8]) -> Self {
        Self { ends, good }
    }

    /// The kinds of end: the good ones first, then those with more hosts.
    pub fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for (host, end) in self.ends.iter().enumerate() {
            match groups.iter_mut().find(|group| group.end == *end) {
                Some(group) => group.hosts.push(host),
                None => groups.push(Group {
                    end: *end,
                    well: end.is_well(self.good),
                    hosts: vec![host],
                }),
            }
        }
        groups.sort_by_key(|group| {
            let last = matches!(group.end, End::NotStarted);
            (!group.well, last, std::cmp::Reverse(group.hosts.len()))
        });
        groups
    }

    /// The one exit status: 0 where all went well; what the commands that ended badly share, or 1
    /// where they differ; 255 where anything else stood in the way at any host.
    pub fn status(&self) -> Status {
        let mut shared = None;
        for end in self.ends.iter().filter(|end| !end.is_well(self.good)) {
            let status = end.status();
            let own = matches!(end, End::Ended(_)) && status != Status::OWN_FAILURE;
            shared = match shared {
                _ if !own => return Status::OWN_FAILURE,
                None => Some(status),
                Some(other) if other == status => Some(status),
                Some(_) => Some(Status::FAULT),
            };
        }
        shared.unwrap_or(Status::OK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Reason;

    const WELL: End = End::Ended(Reason::Exit(0));

    fn exit(status: u8) -> End {
        End::Ended(Reason::Exit(status))
    }

    /// The table of the README.
    #[test]
    fn the_exit_status_is_what_all_ends_make() {
        let cases: [(&[End], u8); 13] = [
            (&[WELL, WELL], 0),
            (&[], 0),
            (&[WELL, exit(2), exit(2)], 2),
            (&[exit(2), exit(3), exit(2)], 1),
            (&[exit(3), exit(2), exit(3)], 1),
            (&[WELL, End::Ended(Reason::Timeout)], 124),
            (&[WELL, End::Ended(Reason::Signal(9))], 137),
            (&[exit(2), End::Ended(Reason::Cancelled)], 255),
            (&[WELL, End::Refused(400), exit(2)], 255),
            (&[exit(2), End::Unreachable(600)], 255),
            (&[WELL, End::Unknown], 255),
            (&[WELL, End::NotStarted], 255),
            (&[WELL, End::GoesOn], 255),
        ];
        for (ends, status) in cases {
            assert_eq!(Tally::new(ends, &[0]).status().0, status, "{ends:?}");
        }
        let ends = [WELL, exit(2)];
        assert_eq!(Tally::new(&ends, &[0, 2]).status(), Status::OK);
    }

    #[test]
    fn no_host_is_left_out_of_the_groups() {
        let ends = [
            WELL,
            exit(2),
            WELL,
            End::NotStarted,
            End::Unreachable(600),
            exit(2),
        ];
        let groups = Tally::new(&ends, &[0]).groups();
        let shown: Vec<_> = groups
            .iter()
            .map(|group| (group.end.to_string(), group.hosts.clone()))
            .collect();
        let wanted = [
            ("exit 0", vec![0, 2]),
            ("exit 2", vec![1, 5]),
            ("unreachable (600)", vec![4]),
            ("not started", vec![3]),
        ];
        assert_eq!(shown, wanted.map(|(end, hosts)| (end.to_owned(), hosts)));
    }
}
