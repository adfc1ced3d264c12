//! What is said of many hosts at once.

use clap::Args;
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
