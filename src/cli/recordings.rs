//! What is said of `ordain recordings`, `replay` and `export`, and of `ordaind recordings`.

use super::duration::duration;
use super::place::Place;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// What the help of `replay` says behind the options.
pub const REPLAY_HELP: &str = "\
Keys at a terminal: space stands still and goes on; `.` shows one thing more; the arrows to the left and right go 10s back
and on; 0 to 9 go to so many tenths; + and - change the speed; / seeks what is typed behind it, and n seeks it again; q ends.";

/// `ordain recordings`.
#[derive(Debug, Clone, Args)]
pub struct RecordingsArgs {
    /// `[user@]host[:port]`
    pub host: Place,
    /// Only this user's
    #[arg(long, value_name = "NAME")]
    pub of: Option<String>,
    /// Only this command's
    #[arg(long, value_name = "NAME")]
    pub command: Option<String>,
    /// Only of runs that began no later than this, in seconds since 1970
    #[arg(long, value_name = "SECONDS")]
    pub until: Option<u64>,
}

/// Where a recording is.
#[derive(Debug, Clone, Args)]
pub struct Recorded {
    /// A recording in a file of one's own, compressed or not
    #[arg(long, value_name = "FILE", conflicts_with_all = ["host", "run"], required_unless_present = "host")]
    pub file: Option<PathBuf>,
    /// `[user@]host[:port]`
    #[arg(requires = "run")]
    pub host: Option<Place>,
    /// The run's id
    pub run: Option<String>,
}

/// `ordain replay`.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// Show it so many times as fast as it was
    #[arg(long, value_name = "TIMES", default_value = "1", value_parser = speed)]
    pub speed: f64,
    /// Wait no longer than this where nothing happens [default: for as long as nothing did]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub idle: Option<Duration>,
    /// Begin so far behind the beginning
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub from: Option<Duration>,
    /// Where it is.
    #[command(flatten)]
    pub of: Recorded,
}

/// `ordain export`.
#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    /// In which format
    #[arg(long, value_name = "FORMAT", default_value = "v3")]
    pub format: Format,
    /// Where it is.
    #[command(flatten)]
    pub of: Recorded,
}

/// A format that a recording can be turned into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// asciicast v2, for older players
    V2,
    /// asciicast v3
    V3,
    /// The output alone, byte for byte
    Txt,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok();
    speed
        .filter(|speed| (0.0625..=1024.0).contains(speed))
        .ok_or_else(|| "accepted is a number from 0.0625 to 1024".to_owned())
}

/// What to do with the recordings of this machine.
#[derive(Debug, Subcommand)]
pub enum RecordingsVerb {
    /// Show them, the youngest first
    List {
        /// Only those that are held
        #[arg(long)]
        held: bool,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// Keep one for as long as nobody releases it
    Hold {
        /// The run's id
        run: String,
        /// Why, for the trail and the next administrator
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Let one go in its turn again
    Release {
        /// The run's id
        run: String,
    },
}
