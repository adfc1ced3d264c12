//! `ordain run` and `ordain explain`: a command with its words, and how it is to run.

use super::duration::duration;
use super::many::{HEADING, PaceArgs};
use super::place::Place;
use crate::verb::{Preview, Verb};
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

pub(super) const RUN_HELP: &str = "\
Arguments are given by position, or as --name value or --name=value; everything after COMMAND is the command's, and
`--` ends names. A secret is never given in the clear: it is asked for, or read with --name @FILE or --name @-.";

/// `ordain run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Whether the verb is `preview`.
    #[arg(long, help = Preview::SUMMARY)]
    pub dry_run: bool,
    /// Print the run's id and leave it to itself, where the command goes on without its client
    #[arg(long)]
    pub detach: bool,
    /// Cancel the run after this time
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Agree beforehand, where a command wants to be confirmed
    #[arg(long)]
    pub yes: bool,
    /// Why, where a command wants a reason such as a ticket's number [default: asked for]
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Report ordain's own failures as a Nagios plugin does: UNKNOWN, one line, exit 3
    #[arg(long)]
    pub nagios: bool,
    /// Show control characters of the output as they are, also on a terminal
    #[arg(long)]
    pub raw: bool,
    /// Give the command this terminal, where it wants one: keys and output go through as they are
    #[arg(short, long)]
    pub tty: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a comment here would be the command's help")]
    pub pace: PaceArgs,
    /// Write what each host writes into files of this folder, HOST.stdout and HOST.stderr
    #[arg(long, help_heading = HEADING, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Give each host its own standard input: the file of this folder that has its name
    #[arg(long, help_heading = HEADING, value_name = "DIR")]
    pub stdin_each: Option<PathBuf>,
    /// Run once at a server that is behind several of the names, as its key shows
    #[arg(long, help_heading = HEADING)]
    pub once: bool,
    /// Exit statuses that are no failure [default: 0]
    #[arg(long, help_heading = HEADING, value_name = "N,…", value_delimiter = ',')]
    pub ok_exit: Vec<u8>,
    /// `[user@]host[:port]`, or many as `[user@]web[1-40],@db[:port]`
    pub host: Place,
    /// The command and its arguments; whatever follows COMMAND is its own
    #[arg(trailing_var_arg = true, required = true, value_name = "COMMAND [ARG]")]
    pub(super) line: Vec<String>,
}

/// `ordain explain`.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// The reason that would be given
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// `[user@]host[:port]`, or many as `[user@]web[1-40],@db[:port]`
    pub host: Place,
    /// The command and its arguments; whatever follows COMMAND is its own
    #[arg(trailing_var_arg = true, required = true, value_name = "COMMAND [ARG]")]
    pub(super) line: Vec<String>,
}

impl RunArgs {
    /// Running this command there, with nothing else said.
    pub fn of(host: Place, line: Vec<String>) -> Self {
        Self {
            dry_run: false,
            detach: false,
            timeout: None,
            yes: false,
            reason: None,
            nagios: false,
            raw: false,
            tty: false,
            pace: PaceArgs::default(),
            output: None,
            stdin_each: None,
            once: false,
            ok_exit: Vec::new(),
            host,
            line,
        }
    }

    /// Whether anything was said that is for many hosts, as a set of one may be.
    pub const fn is_for_many(&self) -> bool {
        self.pace.is_said()
            || self.output.is_some()
            || self.stdin_each.is_some()
            || self.once
            || !self.ok_exit.is_empty()
    }

    /// The command's name.
    pub fn command(&self) -> &str {
        self.line.first().map_or("", String::as_str)
    }

    /// The command's arguments, as words.
    pub fn words(&self) -> &[String] {
        self.line.get(1..).unwrap_or_default()
    }
}

impl ExplainArgs {
    /// The command's name.
    pub fn command(&self) -> &str {
        self.line.first().map_or("", String::as_str)
    }

    /// The command's arguments, as words.
    pub fn words(&self) -> &[String] {
        self.line.get(1..).unwrap_or_default()
    }
}
