//! `ordain`.

use super::destination::Destination;
use super::duration::duration;
use super::listed;
use super::many::{FleetVerb, HEADING, ManyArgs, NODES_HELP, NodesArgs};
use super::moved::{CP_HELP, CatArgs, CpArgs, LsArgs, RmArgs, SyncArgs};
use super::place::Place;
use super::recordings::{ExportArgs, REPLAY_HELP, RecordingsArgs, ReplayArgs};
use super::room::{ROOM_HELP, RoomArgs};
use super::run::{ExplainArgs, RUN_HELP, RunArgs};
use crate::host::Host;
use crate::verb::{
    Approvals, Approve, Attach, Cancel, Deny, Describe, Explain, Files, List, Passwd, Recordings,
    Room, Run, Runs, Say, Sessions, Signal, Verb, Who, Whoami,
};
use clap::{Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// The heading of the options that are the same for every verb.
const REACHING: &str = "Reaching the server and logging in";

/// Runs vetted commands on machines that serve them.
#[derive(Debug, Clone, Parser)]
#[command(name = "ordain", version, after_help = EXIT_STATUS)]
pub struct ClientLine<V: Subcommand> {
    /// Trust servers whose certificate comes from this CA (a PEM file, or `system`)
    #[arg(long, help_heading = REACHING, global = true, value_name = "FILE")]
    pub ca: Option<String>,
    /// Trust the server with exactly this key (`ordaind fingerprint` prints it)
    #[arg(long, help_heading = REACHING, global = true, value_name = "sha256:…", conflicts_with = "ca")]
    pub pin: Option<String>,
    /// The name in the server's certificate, where it is not the host's
    #[arg(long, help_heading = REACHING, global = true, value_name = "NAME")]
    pub tls_name: Option<Host>,
    /// Our own certificate, for servers that want one
    #[arg(long, help_heading = REACHING, global = true, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// Its key
    #[arg(long, help_heading = REACHING, global = true, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// Who logs in [default: the host's entry, else this machine's user]
    #[arg(long, help_heading = REACHING, global = true, value_name = "NAME")]
    pub user: Option<String>,
    /// Take the password from the first line of a file that only its owner can read
    #[arg(
        long,
        help_heading = REACHING,
        global = true,
        value_name = "FILE",
        conflicts_with = "password_stdin"
    )]
    pub password_file: Option<PathBuf>,
    /// Take the password from the first line of standard input
    #[arg(long, help_heading = REACHING, global = true)]
    pub password_stdin: bool,
    /// Log in with this SSH key: a private key's file, or a public key's whose private half an
    /// agent has
    #[arg(long, help_heading = REACHING, global = true, value_name = "FILE", conflicts_with_all = ["password_stdin", "password_file"])]
    pub identity: Option<PathBuf>,
    /// The one-time code, where one is wanted [default: asked for]
    #[arg(long, help_heading = REACHING, global = true, value_name = "CODE")]
    pub code: Option<String>,
    /// Trust a server that is met for the first time, without asking; never one whose key has
    /// changed
    #[arg(long, help_heading = REACHING, global = true)]
    pub accept_new: bool,
    /// How long reaching the server may take [default: 10s, and of one that is stopping as long as
    /// it says that takes]
    #[arg(long, help_heading = REACHING, global = true, value_name = "TIME", value_parser = duration)]
    pub connect_timeout: Option<Duration>,
    /// The settings per host [default: $XDG_CONFIG_HOME/ordain/config.toml]
    #[arg(long, help_heading = REACHING, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// For machines
    #[arg(long, global = true)]
    pub json: bool,
    /// Say which host, address, key and settings are used
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// What is said of many hosts.
    #[command(flatten)]
    pub many: ManyArgs,
    /// The verb.
    #[command(subcommand)]
    pub verb: V,
}

/// `ordain` with any of its verbs.
pub type ClientArgs = ClientLine<ClientVerb>;

impl ClientArgs {
    /// Reads a command line.
    ///
    /// # Errors
    /// That the words are no command line; help that was asked for is such an error too.
    pub fn read(words: &[OsString]) -> Result<Self, clap::Error> {
        // Building the parsers of all verbs takes a twentieth of a whole `ordain run`; what `run`
        // alone cannot read is read again, and what is wrong with it is said by the parser that
        // knows them all.
        if words.iter().any(|word| word == "run")
            && let Ok(mut found) = ClientLine::<RunAlone>::command().try_get_matches_from(words)
        {
            return Self::from_arg_matches_mut(&mut found);
        }
        Self::read_by_all(words)
    }

    /// The definition of the program, from which help and completions are made.
    pub fn command() -> Command {
        listed::shown(<Self as CommandFactory>::command())
    }

    fn read_by_all(words: &[OsString]) -> Result<Self, clap::Error> {
        let mut program = Self::command();
        let mut found = match program.try_get_matches_from_mut(words) {
            Ok(found) if !listed::was_given(&found) => found,
            Err(error) if !error.use_stderr() => return Err(error),
            Err(error) if !words.iter().any(|word| listed::is_option(word)) => return Err(error),
            // There is no word for HOST then: what would be it is the next argument.
            _ => {
                program = listed::in_place(<Self as CommandFactory>::command());
                program.try_get_matches_from_mut(words)?
            }
        };
        Self::from_arg_matches_mut(&mut found).map_err(|error| error.format(&mut program))
    }
}

/// `run`, and no other verb.
#[derive(Debug, Subcommand)]
enum RunAlone {
    Run(RunArgs),
}

const EXIT_STATUS: &str = "\
Exit status: the command's own; 128+N when signal N ended it; 124 when its time (or --timeout) was up;
255 when ordain itself failed, with a stable code and a sentence on standard error.";

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum ClientVerb {
    /// `ordain run`.
    #[command(about = Run::SUMMARY, after_help = RUN_HELP)]
    Run(RunArgs),
    /// Show the runs on many machines that were begun here, or take one up again
    Fleet {
        /// What is to be done with one of them [default: list them]
        #[command(subcommand)]
        verb: Option<FleetVerb>,
    },
    /// `ordain files`.
    #[command(about = Files::SUMMARY)]
    Files {
        /// `[user@]host[:port]`
        host: Place,
    },
    /// List what is below a root of a host
    Ls(LsArgs),
    /// Print a file of a host
    Cat(CatArgs),
    /// Copy files to a host or from one: whole, proved, and only what is not there yet
    #[command(after_help = CP_HELP)]
    Cp(CpArgs),
    /// Remove a file of a host, or a folder with all that is in it
    Rm(RmArgs),
    /// Make a folder of a host like one here, or one here like one there
    Sync(SyncArgs),
    /// Print the keys that servers show, as lines of known_servers; compare each with what
    /// `ordaind fingerprint` prints there
    Keyscan {
        /// `[user@]host[:port]`, or many as `[user@]web[1-40],@db[:port]`
        #[arg(id = "host", required = true, value_name = "HOST")]
        hosts: Vec<Place>,
    },
    /// Print the names of the hosts that a set means, one a line; no server is asked
    #[command(after_help = NODES_HELP)]
    Nodes(NodesArgs),
    /// Show what the settings say of a host, and which line says it; no server is asked
    Hosts {
        /// `[user@]host[:port]`
        host: Destination,
    },
    /// Log in once: for as long as the server keeps it, nothing is asked any more
    Login {
        /// `[user@]host[:port]`, or many as `[user@]web[1-40],@db[:port]`
        host: Place,
        /// Ask for a password at each host, where they are not the same at all of them
        #[arg(long, help_heading = HEADING, conflicts_with_all = ["password_stdin", "password_file"])]
        each: bool,
    },
    /// End the login that is kept here, and every session that it began
    Logout {
        /// `[user@]host[:port]`, or many as `[user@]web[1-40],@db[:port]`
        host: Place,
    },
    /// `ordain passwd`.
    #[command(about = Passwd::SUMMARY, after_help = PASSWD_HELP)]
    Passwd {
        /// `[user@]host[:port]`
        host: Place,
        /// Take the new password from the first line of a file that only its owner can read [default:
        /// asked for twice]
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
    },
    /// `ordain whoami`.
    #[command(about = Whoami::SUMMARY)]
    Whoami {
        /// `[user@]host[:port]`, or many as `[user@]web[1-40],@db[:port]`
        host: Place,
    },
    /// `ordain sessions`, with which sessions are ended too.
    #[command(about = Sessions::SUMMARY)]
    Sessions {
        /// `[user@]host[:port]`, or many as `[user@]web[1-40],@db[:port]`
        host: Place,
        /// End this one, or `all` of one's own
        #[arg(long, value_name = "ID|all")]
        end: Option<String>,
    },
    /// `ordain explain`.
    #[command(about = Explain::SUMMARY, after_help = RUN_HELP)]
    Explain(ExplainArgs),
    /// `ordain list`.
    #[command(about = List::SUMMARY)]
    List {
        /// `[user@]host[:port]`, or many as `[user@]web[1-40],@db[:port]`
        host: Place,
    },
    /// `ordain describe`.
    #[command(about = Describe::SUMMARY)]
    Describe {
        /// `[user@]host[:port]`, or many as `[user@]web[1-40],@db[:port]`
        host: Place,
        /// The command
        command: String,
    },
    /// `ordain attach`, which follows the run to its end.
    #[command(about = Attach::SUMMARY)]
    Attach {
        /// `[user@]host[:port]`
        host: Place,
        /// The run's id
        run: String,
        /// The first byte of standard output that is wanted [default: the first that is kept]
        #[arg(long, value_name = "BYTE")]
        from: Option<u64>,
        /// Show control characters of the output as they are, also on a terminal
        #[arg(long)]
        raw: bool,
    },
    /// Print what was kept of a run's output
    Output {
        /// `[user@]host[:port]`
        host: Place,
        /// The run's id
        run: String,
        /// The first byte of standard output that is wanted [default: the first that is kept]
        #[arg(long, value_name = "BYTE")]
        from: Option<u64>,
        /// Show control characters of the output as they are, also on a terminal
        #[arg(long)]
        raw: bool,
    },
    /// `ordain signal`.
    #[command(about = Signal::SUMMARY)]
    Signal {
        /// `[user@]host[:port]`
        host: Place,
        /// The run's id
        run: String,
        /// Its name, such as HUP
        name: String,
    },
    /// `ordain runs`.
    #[command(about = Runs::SUMMARY)]
    Runs {
        /// `[user@]host[:port]`, or many as `[user@]web[1-40],@db[:port]`
        host: Place,
        /// Stay, and show every change from now on
        #[arg(long)]
        follow: bool,
        /// Only what waits or goes on
        #[arg(long)]
        going: bool,
        /// Only this user's
        #[arg(long, value_name = "NAME")]
        of: Option<String>,
        /// Only this command's
        #[arg(long, value_name = "NAME")]
        command: Option<String>,
    },
    /// `ordain room`.
    #[command(about = Room::SUMMARY, after_help = ROOM_HELP)]
    Room(RoomArgs),
    /// `ordain say`.
    #[command(about = Say::SUMMARY)]
    Say {
        /// The id of the run that it is about
        #[arg(long, value_name = "ID")]
        run: Option<String>,
        /// `[user@]host[:port]`
        host: Place,
        /// What is said; several words are joined by spaces
        #[arg(required = true, value_name = "TEXT")]
        text: Vec<String>,
    },
    /// `ordain who`.
    #[command(about = Who::SUMMARY)]
    Who {
        /// `[user@]host[:port]`
        host: Place,
    },
    /// `ordain approvals`.
    #[command(about = Approvals::SUMMARY)]
    Approvals {
        /// `[user@]host[:port]`
        host: Place,
        /// The id of the run whose whole plan is shown [default: a line of each]
        run: Option<String>,
    },
    /// `ordain approve`.
    #[command(about = Approve::SUMMARY)]
    Approve {
        /// Agree without seeing the plan, and without being asked
        #[arg(long)]
        yes: bool,
        /// `[user@]host[:port]`
        host: Place,
        /// The run's id
        run: String,
    },
    /// `ordain deny`.
    #[command(about = Deny::SUMMARY)]
    Deny {
        /// Why, for whoever has asked for it
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// `[user@]host[:port]`
        host: Place,
        /// The run's id
        run: String,
    },
    /// `ordain recordings`.
    #[command(about = Recordings::SUMMARY)]
    Recordings(RecordingsArgs),
    /// Show again what was recorded of a run, in its time
    #[command(after_help = REPLAY_HELP)]
    Replay(ReplayArgs),
    /// Print what was recorded of a run, for a player or as text
    Export(ExportArgs),
    /// `ordain cancel`.
    #[command(about = Cancel::SUMMARY)]
    Cancel {
        /// `[user@]host[:port]`
        host: Place,
        /// The run's id
        run: String,
    },
}

const PASSWD_HELP: &str = "\
The old password is asked for also where something else logs in; --password-file, or the host's entry, says where it is.
All other sessions and kept logins of the user end.";

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
