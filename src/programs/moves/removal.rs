//! `ordain rm`: what is removed below a root.

use super::bar::Bar;
use super::link::{carry, from_run, to_run};
use super::server::{Server, no_thread, path_of, said, usage};
use super::told;
use crate::cli::{Asked, RmArgs, There};
use crate::client::ClientError;
use crate::encoding::hex;
use crate::exit::Status;
use crate::files::stream::{Record, Told};
use crate::files::{Below, Names, Sum};
use crate::mover::{Reader, Stop, Writer};
use crate::protocol::Code;
use crate::verb::RemoveFiles;
use std::io::Read;

/// `ordain rm`.
///
/// # Errors
/// The server's refusal, or that the link is lost.
pub async fn rm(server: Server<'_>, args: &RmArgs) -> Result<Status, ClientError> {
    if args.there.path.is_root() {
        return Err(usage(format!(
            "`{}` is a root, which is its owner's; what is in it can be removed by name",
            args.there
        )));
    }
    let (sum, status) = remove(server, &args.there, args.recursive, None, &args.asked).await?;
    if let Some(sum) = sum {
        told::moved(&server, &sum, status);
    }
    Ok(status)
}

/// Removes what is there, or exactly these names of it.
///
/// # Errors
/// The server's refusal, or that the link is lost.
pub async fn remove(
    server: Server<'_>,
    there: &There,
    recursive: bool,
    names: Option<Vec<Below>>,
    asked: &Asked,
) -> Result<(Option<Sum>, Status), ClientError> {
    let (confirmed, reason) = said(asked);
    let mut list = Names::default();
    for name in names.iter().flatten() {
        list.add(name);
    }
    let verb = RemoveFiles {
        root: there.root.clone(),
        path: path_of(there),
        recursive,
        names: names.is_some().then(|| hex(&list.sum().digest)),
        confirmed,
        reason,
    };
    let (mut run, proof) = server.begin(&verb).await?;
    let writing = names.map(|names| {
        let mut out = Writer::new(to_run(&run, None));
        tokio::task::spawn_blocking(move || -> Result<(), Stop> {
            for name in names {
                out.put(&Record::Want(name, false))?;
            }
            out.put(&Record::Done(list.sum()))?;
            out.flush()
        })
    });
    let (into, from) = from_run();
    let reading = tokio::task::spawn_blocking(move || read(from));
    let ended = carry(&server, &mut run, into, None, &Bar::new(true)).await?;
    let (faults, sum) = reading.await.map_err(|_| no_thread())?;
    if let Some(writing) = writing {
        // What it could not write is why the run has ended, which is told below.
        let _ = writing.await.map_err(|_| no_thread())?;
    }
    let at = there.to_string();
    for fault in &faults {
        told::fault(server.args.json, &at, fault);
    }
    let status = told::status(&server, &ended, 0)?;
    match sum {
        Ok(sum) => {
            proof.holds(&ended, &sum)?;
            Ok((Some(sum), status))
        }
        Err(Stop::Cut) if status != Status::OK => Ok((None, status)),
        Err(stop) => Err(ClientError::new(Code::Protocol, stop.to_string())),
    }
}

/// Reads what is told of a removal.
fn read(from: impl Read) -> (Vec<Told>, Result<Sum, Stop>) {
    let (mut reader, mut faults) = (Reader::new(from), Vec::new());
    let sum = loop {
        match reader.expect() {
            Ok(Record::Fault(told)) if faults.len() < 1000 => faults.push(told),
            Ok(Record::Fault(_)) => {}
            Ok(Record::Done(sum)) => break Ok(sum),
            Ok(_) => break Err(Stop::Order("something else in a removal")),
            Err(stop) => break Err(stop),
        }
    };
    (faults, sum)
}
