//! `ordain-certs`.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Makes certificates for ordain: a development set at once, or a CA, servers and clients one by
/// one.
#[derive(Debug, Parser)]
#[command(name = "ordain-certs", version, args_conflicts_with_subcommands = true)]
pub struct CertsArgs {
    /// The verb; bare makes a development set.
    #[command(subcommand)]
    pub verb: Option<CertsVerb>,
    /// A further name or address for the development server certificate
    #[arg(long = "host", value_name = "NAME|IP")]
    pub hosts: Vec<String>,
    /// How and where.
    #[command(flatten)]
    pub output: Output,
}

/// How and where certificates are written.
#[derive(Debug, Clone, Args)]
pub struct Output {
    /// The folder to write to
    #[arg(long, value_name = "DIR", default_value = "certs")]
    pub out: PathBuf,
    /// How long the certificates are valid [default: 3650 for a CA, else 825]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub days: Option<u32>,
    /// Overwrite what is there
    #[arg(long)]
    pub force: bool,
}

/// What to make.
#[derive(Debug, Subcommand)]
pub enum CertsVerb {
    /// Make a CA; its key stays on this machine
    Ca {
        /// How and where.
        #[command(flatten)]
        output: Output,
    },
    /// Make a server's certificate for these names and addresses
    Server {
        /// Names and addresses
        #[arg(required = true, value_name = "NAME|IP")]
        names: Vec<String>,
        /// The folder with ca.crt and ca.key
        #[arg(long, value_name = "DIR")]
        ca: PathBuf,
        /// How and where.
        #[command(flatten)]
        output: Output,
    },
    /// Make a server's key, and a request for its certificate that a CA elsewhere signs; the key
    /// stays here
    Request {
        /// Names and addresses
        #[arg(required = true, value_name = "NAME|IP")]
        names: Vec<String>,
        /// Use this private key, and make none: clients that pin it go on
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// The folder to write server.csr and server.key to
        #[arg(long, value_name = "DIR", default_value = "certs")]
        out: PathBuf,
        /// Overwrite what is there
        #[arg(long)]
        force: bool,
    },
    /// Sign a server's request, after showing what it asks for; the certificate is named as its file
    Sign {
        /// The request, as `ordain-certs request` or another program has made it
        #[arg(value_name = "FILE")]
        request: PathBuf,
        /// The folder with ca.crt and ca.key
        #[arg(long, value_name = "DIR")]
        ca: PathBuf,
        /// Agree beforehand to what it asks for
        #[arg(long)]
        yes: bool,
        /// How and where.
        #[command(flatten)]
        output: Output,
    },
    /// Make a client's certificate, to pass a server's `tls.client_ca`
    Client {
        /// The name in the certificate and of the files
        name: String,
        /// The folder with ca.crt and ca.key
        #[arg(long, value_name = "DIR")]
        ca: PathBuf,
        /// How and where.
        #[command(flatten)]
        output: Output,
    },
}
