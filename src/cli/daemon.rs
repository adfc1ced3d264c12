//! `ordaind`.

use super::recordings::RecordingsVerb;
use crate::audit::KINDS;
use crate::verb::{Lock, Metrics, Penalties, Reload, Status, Totp, Unlock, Verb};
use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Serves vetted commands over TLS, to users who may run them.
#[derive(Debug, Parser)]
#[command(name = "ordaind", version)]
pub struct DaemonArgs {
    /// The configuration [default: /etc/ordain/config.toml for root, else ./config.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The verb; bare serves in the foreground.
    #[command(subcommand)]
    pub verb: Option<DaemonVerb>,
}

/// What to do with the trail.
#[derive(Debug, Subcommand)]
pub enum AuditVerb {
    /// Walk the trail: what is proved, and the first record that is not what was written; exit 0 or
    /// 1
    Verify {
        /// The files, in any order [default: the configured trail, rotated files too]
        files: Vec<PathBuf>,
        /// The public key's file, or the key itself [default: trail.pub of the state folder]
        #[arg(long, value_name = "FILE|KEY")]
        key: Option<String>,
        /// A checkpoint that left this machine: number and hash, as the log says them
        #[arg(long, value_name = "\"NUMBER HASH\"")]
        seen: Option<String>,
        /// The files are a part of a trail: do not ask for what is before them
        #[arg(long)]
        part: bool,
        /// Pass over the users' signatures
        #[arg(long)]
        no_signatures: bool,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// Show records
    Show(AuditFilter),
    /// Print the public key that checkpoints are verified with
    Key,
}

/// Which records.
#[derive(Debug, Args, Default)]
pub struct AuditFilter {
    /// The files [default: the configured trail, rotated files too]
    pub files: Vec<PathBuf>,
    /// Of this user
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Of this command
    #[arg(long, value_name = "NAME")]
    pub command: Option<String>,
    /// Of this run
    #[arg(long, value_name = "ID")]
    pub run: Option<String>,
    /// From this address or network
    #[arg(long, value_name = "ADDRESS")]
    pub source: Option<String>,
    /// Of this kind, such as login or request
    #[arg(long, value_name = "KIND", value_parser = PossibleValuesParser::new(KINDS), hide_possible_values = true)]
    pub kind: Option<String>,
    /// With this decision or outcome: granted, refused, accepted
    #[arg(long, value_name = "WORD", value_parser = ["granted", "refused", "accepted"])]
    pub decision: Option<String>,
    /// Not older than this: a time as in the records, or how long ago (`2h`)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Whole records, one JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Stay, and show what comes
    #[arg(long)]
    pub follow: bool,
}

/// What to do with the users of the configuration.
#[derive(Debug, Subcommand)]
pub enum UserVerb {
    /// Put a user into the configuration, and reload
    Add {
        /// Who
        user: String,
        /// What is said of them
        #[command(flatten)]
        said: SaidOfUser,
        /// Change the file alone; the running daemon is not told
        #[arg(long)]
        no_reload: bool,
    },
    /// Say something else of a user, and reload; what is not named stays
    Set {
        /// Who
        user: String,
        /// What is said of them
        #[command(flatten)]
        said: SaidOfUser,
        /// Change the file alone; the running daemon is not told
        #[arg(long)]
        no_reload: bool,
    },
    /// Take a user out of the configuration, and reload, which ends their sessions
    Remove {
        /// Who
        user: String,
        /// Change the file alone; the running daemon is not told
        #[arg(long)]
        no_reload: bool,
    },
    /// Show a user: their roles, what they may run, and how they log in
    Show {
        /// Who
        user: String,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// List the users
    List {
        /// For machines
        #[arg(long)]
        json: bool,
    },
}

/// What is said of a user in the configuration.
#[derive(Debug, Args, Default)]
pub struct SaidOfUser {
    /// Their roles
    #[arg(long, value_name = "ROLE", value_delimiter = ',')]
    pub roles: Option<Vec<String>>,
    /// The account of this machine whose groups give them roles [default: the one of their own name]
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,
    /// Their SSH public keys: a file as `id_ed25519.pub` or `authorized_keys`, `-` is standard input;
    /// can be given several times, and replaces the keys that are there
    #[arg(long, value_name = "FILE")]
    pub ssh_key: Vec<PathBuf>,
    /// A new password (typed twice, or the first line of standard input)
    #[arg(long)]
    pub password: bool,
    /// The file with the hash of their password, as `ordaind hash-password` prints it; `-` is
    /// standard input
    #[arg(long, value_name = "FILE", conflicts_with = "password")]
    pub password_hash: Option<PathBuf>,
}

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub enum DaemonVerb {
    /// Print every fault of the configuration, and what is risky; exit 0 or 1
    Check {
        /// The policy alone: no accounts, files or certificates are looked at
        #[arg(long)]
        offline: bool,
    },
    /// Make a server key, a self-signed certificate and a minimal configuration
    Init {
        /// The folder [default: /etc/ordain for root, else the current one]
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Turn a password (typed, or the first line of standard input) into what stands in the
    /// configuration
    HashPassword,
    /// Put users into the configuration, change, take out and show them
    User {
        /// What with them
        #[command(subcommand)]
        verb: UserVerb,
    },
    /// Print the fingerprint of the server's key, to compare or to pin
    Fingerprint,
    /// `ordaind reload`.
    #[command(about = Reload::SUMMARY)]
    Reload,
    /// `ordaind lock`, which lists the locks too.
    #[command(about = Lock::SUMMARY)]
    Lock {
        /// Who
        user: Option<String>,
        /// Why, for the trail and the next administrator
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        /// Show who is locked
        #[arg(long, conflicts_with = "user")]
        list: bool,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// Show what was recorded of runs, keep a recording, or let it go
    Recordings {
        /// What is to be done
        #[command(subcommand)]
        verb: RecordingsVerb,
    },
    /// `ordaind unlock`.
    #[command(about = Unlock::SUMMARY)]
    Unlock {
        /// Who
        user: String,
    },
    /// `ordaind totp`.
    #[command(about = Totp::SUMMARY)]
    Totp {
        /// Who
        user: String,
        /// Take it away instead
        #[arg(long)]
        remove: bool,
    },
    /// Read and verify the audit trail
    Audit {
        /// What with it
        #[command(subcommand)]
        verb: AuditVerb,
    },
    /// `ordaind penalties`, with which they are forgiven too.
    #[command(about = Penalties::SUMMARY)]
    Penalties {
        /// Forgive this address, network or user, or `all`
        #[arg(long, value_name = "WHO")]
        clear: Option<String>,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// Show what would be decided if a user asked for a command, and every rule that was considered
    Explain {
        /// Where they would come from
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
        source: std::net::IpAddr,
        /// The reason that they would give
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// The policy alone: no accounts, files or certificates are looked at
        #[arg(long)]
        offline: bool,
        /// Who
        user: String,
        /// The command and its arguments, as for `ordain run`; whatever follows COMMAND is its own
        #[arg(trailing_var_arg = true, required = true, value_name = "COMMAND [ARG]")]
        line: Vec<String>,
    },
    /// Tabulate who may run what, by which rule
    Access {
        /// Of this user only
        user: Option<String>,
        /// Of this command only
        #[arg(long, value_name = "NAME")]
        command: Option<String>,
        /// The policy alone: no accounts, files or certificates are looked at
        #[arg(long)]
        offline: bool,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// `ordaind metrics`.
    #[command(about = Metrics::SUMMARY)]
    Metrics {
        /// Into this file, put in place at once, for the textfile collector
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Look at everything a daemon depends on: kernel, files, clock, certificate, a login over the
    /// loopback; exit 0 or 1
    Doctor {
        /// Log in as this user [default: an unknown one, who must be refused]
        #[arg(long, value_name = "NAME", requires = "password_file")]
        user: Option<String>,
        /// The file with their password
        #[arg(long, value_name = "FILE", requires = "user")]
        password_file: Option<PathBuf>,
    },
    /// `ordaind status`.
    #[command(about = Status::SUMMARY)]
    Status {
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// Show ordain at work: a real daemon and a real client on this machine, with throw-away
    /// certificates and user
    Demo {
        /// End after the tour instead of leaving the server up
        #[arg(long)]
        exit: bool,
    },
}
