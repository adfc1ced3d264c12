//! `ordaind`.

use clap::{Parser, Subcommand};
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
    /// Turn a password (typed, or the first line of standard input) into what stands in the configuration
    HashPassword,
    /// Print the fingerprint of the server's key, to compare or to pin
    Fingerprint,
    /// Ask the running daemon to take over its configuration anew
    Reload,
    /// Ask the running daemon how it is
    Status {
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// Show ordain at work: a real daemon and a real client on this machine, with throw-away certificates and user
    Demo {
        /// End after the tour instead of leaving the server up
        #[arg(long)]
        exit: bool,
    },
}
