//! What is said of `ordain room`.

use super::place::Place;
use clap::Args;

/// What its help says behind the options.
pub const ROOM_HELP: &str = "\
A line that is typed is said on every host; `@HOST text` says it on one. `/who` shows who is there, `/run ID` a run, and
`/quit` ends, as the end of input does. At a terminal the line stands behind a prompt below what happens, with the usual
keys; Ctrl-C forgets it, and ends where it is empty. What many hosts tell is in the order of its time. What happens is told
by the trail's numbers: --since goes on behind one of them.";

/// `ordain room`.
#[derive(Debug, Clone, Args)]
pub struct RoomArgs {
    /// Tell first what has happened after this record of the trail, at one host
    #[arg(long, value_name = "NUMBER")]
    pub since: Option<u64>,
    /// Tell of logins and logouts too
    #[arg(long)]
    pub all: bool,
    /// Say nothing: standard input is not read
    #[arg(long)]
    pub listen: bool,
    /// `[user@]host[:port]`, or many as `[user@]web[1-40],@db[:port]`
    #[arg(id = "host", required = true, value_name = "HOST")]
    pub hosts: Vec<Place>,
}
