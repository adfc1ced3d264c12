//! What is said of many hosts at once, and of runs on them.

use crate::fleet::{Batches, MostFailures};
use crate::ids::FleetId;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// The heading of these options.
pub(super) const HEADING: &str = "Many machines at once";

/// How many hosts are asked, and how it is told.
#[derive(Debug, Clone, Args)]
pub struct ManyArgs {
    /// At how many hosts at once [default: 64]
    #[arg(long, help_heading = HEADING, global = true, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub fanout: Option<u32>,
    /// When all have ended, tell equal outputs of equal ends once, under the names of their hosts
    #[arg(long, help_heading = HEADING, global = true)]
    pub fold: bool,
    /// With --fold: also tell every line as it comes
    #[arg(long, help_heading = HEADING, global = true, requires = "fold")]
    pub live: bool,
    /// With --fold: tell outputs that differ from those of most hosts by what differs
    #[arg(long, help_heading = HEADING, global = true, requires = "fold")]
    pub diff: bool,
    /// With --fold: put `%h` in the place of each host's own name in what it writes
    #[arg(long, help_heading = HEADING, global = true, requires = "fold")]
    pub alike: bool,
    /// Tell only of hosts where it did not go well
    #[arg(long, help_heading = HEADING, global = true)]
    pub quiet: bool,
    /// Tell only how many ended how
    #[arg(long, help_heading = HEADING, global = true, conflicts_with_all = ["fold", "quiet"])]
    pub summary: bool,
}

impl ManyArgs {
    /// Whether anything was said that is for many hosts, as a set of one may be.
    pub const fn is_said(&self) -> bool {
        self.fanout.is_some() || self.fold || self.quiet || self.summary
    }
}

/// How many hosts at a time, and how many failures are too many.
#[derive(Debug, Clone, Default, Args)]
pub struct PaceArgs {
    /// One batch of hosts after the other, by number or share: `1,10%,50%,rest`
    #[arg(long, help_heading = HEADING, value_name = "SIZES")]
    pub batch: Option<Batches>,
    /// What is waited for between two batches: a time, or `ask`
    #[arg(long, help_heading = HEADING, value_name = "TIME|ask", requires = "batch")]
    pub pause: Option<Pause>,
    /// Begin nothing new once more hosts than this have failed: where it ended badly, and those that
    /// refused, were not reached, or of which nobody knows
    #[arg(long, help_heading = HEADING, value_name = "N|P%")]
    pub max_fail: Option<MostFailures>,
    /// With --max-fail: count only hosts where it was begun, and ended badly
    #[arg(long, help_heading = HEADING, requires = "max_fail")]
    pub count_only_exits: bool,
    /// With --max-fail: also cancel what goes on then
    #[arg(long, help_heading = HEADING, requires = "max_fail")]
    pub cancel_rest: bool,
}

impl PaceArgs {
    /// Whether anything was said.
    pub const fn is_said(&self) -> bool {
        self.batch.is_some() || self.max_fail.is_some()
    }
}

/// What is done between two batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// Some time passes.
    For(Duration),
    /// Somebody is asked.
    Ask,
}

impl FromStr for Pause {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "ask" {
            return Ok(Self::Ask);
        }
        crate::units::duration(text)
            .map(Self::For)
            .ok_or_else(|| "a pause is a duration such as 30s, or `ask`".to_owned())
    }
}

/// What is to be done with a run on many machines.
#[derive(Debug, Clone, Subcommand)]
pub enum FleetVerb {
    /// Show what became of each host
    Show {
        /// The id
        id: FleetId,
    },
    /// Go on with it: nothing runs twice on any host
    Attach {
        /// The id
        id: FleetId,
    },
    /// End what goes on
    Cancel {
        /// The id
        id: FleetId,
    },
    /// Ask some of its hosts for the same again, as a new run
    Retry {
        /// The id
        id: FleetId,
        /// Where the command ended badly, or the server refused it
        #[arg(long)]
        failed: bool,
        /// Where the server was not reached
        #[arg(long)]
        unreachable: bool,
        /// Where nothing was begun
        #[arg(long)]
        not_started: bool,
    },
    /// Forget it
    Forget {
        /// The id
        id: FleetId,
    },
}

pub(super) const NODES_HELP: &str = "\
A set is names such as web[1-40], rack[1-4]n[1-16] or @group, joined from left to right: `,` adds, `!` takes away, `&`
keeps what both have, `^` what only one of them has. With --fold the shortest form of the set is printed.";

/// `ordain nodes`.
#[derive(Debug, Clone, Args)]
pub struct NodesArgs {
    /// Print one name a line, as is done anyway where --fold is not given
    #[arg(long, conflicts_with_all = ["fold", "count"])]
    pub expand: bool,
    /// Print how many names there are
    #[arg(long, conflicts_with = "fold")]
    pub count: bool,
    /// Take names from a file, too, one a line (`-` is standard input)
    #[arg(long, value_name = "FILE")]
    pub hosts_from: Option<PathBuf>,
    /// `[user@]SET[:port]`
    #[arg(id = "set", value_name = "SET", required_unless_present = "hosts_from")]
    pub set: Option<String>,
}
