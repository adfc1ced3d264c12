//! `ordain cp`: which way it goes.

use super::server::{Server, usage};
use super::{fetch, store};
use crate::cli::{CpArgs, Side};
use crate::client::ClientError;
use crate::exit::Status;

/// `ordain cp`.
///
/// # Errors
/// What kept all of it from being done.
pub async fn cp(server: Server<'_>, args: &CpArgs) -> Result<Status, ClientError> {
    match (&args.from, &args.to) {
        (Side::There(from), Side::Here(to)) => fetch::cp(server, args, from, to).await,
        (Side::There(from), Side::Standard) => {
            fetch::to_standard_output(server, &args.asked, from).await
        }
        (Side::Here(_) | Side::Standard, Side::There(to)) => store::cp(server, args, to).await,
        _ => Err(usage(
            "one side of a copy is HOST:ROOT/PATH, and the other is here (./a:b is a file here)",
        )),
    }
}
