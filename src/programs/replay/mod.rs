//! `ordain replay` and `ordain export`: what was recorded, shown in its time or turned into another
//! format.

mod film;
mod out;
mod player;
mod screen;
mod source;

use crate::cast::{Cast, What, v2_header, v2_line};
use crate::cli::{ExportArgs, Format, ReplayArgs};
use crate::client::ClientError;
use crate::exit::Status;
use crate::protocol::Code;
use film::Film;
use out::Out;
use player::Player;
use source::{Source, opened};
use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::Path;

/// A recording in a file of one's own.
///
/// # Errors
/// That it cannot be opened.
pub fn file(path: &Path) -> Result<File, ClientError> {
    File::open(path).map_err(|fault| {
        let text = format!("{}: {fault}", path.display());
        ClientError::new(Code::Usage, text)
    })
}

/// `ordain replay`
///
/// # Errors
/// That it is no recording, or cannot be shown.
pub async fn replay(asked: &ReplayArgs, file: File) -> Result<Status, ClientError> {
    let mut source = opened(file)?;
    let film = Film::of(&mut source, asked.idle)?;
    source.tell_if_cut();
    let player = Player::new(film, asked.speed, asked.from.unwrap_or_default());
    screen::show(player).await?;
    Ok(Status::OK)
}

/// `ordain export`
///
/// # Errors
/// That it is no recording.
pub fn export(asked: &ExportArgs, file: File) -> Result<Status, ClientError> {
    let mut source = opened(file)?;
    let mut out = Out::new(io::stdout().is_terminal());
    match asked.format {
        Format::V2 => out.put(v2_header(source.header()).as_bytes())?,
        Format::V3 => out.put(header(&source).as_bytes())?,
        Format::Txt => {}
    }
    let (mut cast, mut lines) = (Cast::default(), Vec::new());
    while let Some(event) = source.next_event()? {
        match (asked.format, &event.what) {
            (Format::V2, _) => lines.extend(v2_line(&event).unwrap_or_default()),
            (Format::V3, What::Wrote(_, bytes)) => {
                // Players know one output.
                let output = crate::cast::Output::Stdout;
                cast.wrote(event.at, output, bytes, &mut lines);
            }
            (Format::V3, What::Ended(status)) => cast.ended(event.at, status, &mut lines),
            (Format::V3, What::Other(code, data)) => {
                cast.other(event.at, code, data, &mut lines);
            }
            (Format::Txt, What::Wrote(_, bytes)) => lines.extend(bytes),
            (Format::Txt, _) => {}
        }
        out.put(&lines)?;
        lines.clear();
    }
    if asked.format == Format::V3 {
        cast.flush(0, &mut lines);
        out.put(&lines)?;
    }
    out.end()?;
    source.tell_if_cut();
    Ok(Status::OK)
}

fn header(source: &Source) -> String {
    let header = serde_json::to_string(source.header()).unwrap_or_default();
    format!("{header}\n")
}
