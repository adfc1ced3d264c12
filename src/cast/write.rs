//! The lines of a recording, as they are written.

use super::{Event, Header, Output, What, text};
use crate::encoding::base64;
use serde_json::json;

/// What precedes the exact bytes of an event whose text could not hold them. Players pass over lines
/// that begin with `#`.
pub(super) const RAW: &str = "#ordain raw ";

/// Makes the lines of a recording out of what a command writes.
#[derive(Debug, Default)]
pub struct Cast {
    /// When the last event was, in microseconds since the beginning.
    last: u64,
    /// The beginning of a character of each output, whose rest has not come yet.
    begun: [Vec<u8>; 2],
}

impl Cast {
    /// Adds the line of what was written, where it is more than the beginning of a character.
    pub fn wrote(&mut self, at: u64, output: Output, bytes: &[u8], into: &mut Vec<u8>) {
        let held = match output {
            Output::Stdout => &mut self.begun[0],
            Output::Stderr => &mut self.begun[1],
        };
        let joined;
        let whole = if held.is_empty() {
            bytes
        } else {
            held.extend_from_slice(bytes);
            joined = std::mem::take(held);
            &joined
        };
        let (now, later) = whole.split_at(whole.len() - unfinished(whole));
        *held = later.to_vec();
        let now = now.to_vec();
        self.event(at, output, &now, into);
    }

    /// Adds what is left of characters that were begun.
    pub fn flush(&mut self, at: u64, into: &mut Vec<u8>) {
        for output in Output::BOTH {
            let held = match output {
                Output::Stdout => &mut self.begun[0],
                Output::Stderr => &mut self.begun[1],
            };
            let held = std::mem::take(held);
            self.event(at, output, &held, into);
        }
    }

    /// Adds the line of the command's end.
    pub fn ended(&mut self, at: u64, status: &str, into: &mut Vec<u8>) {
        self.flush(at, into);
        self.line(at, "x", status, into);
    }

    /// Adds the line of something else.
    pub fn other(&mut self, at: u64, code: &str, data: &str, into: &mut Vec<u8>) {
        self.line(at, code, data, into);
    }

    fn event(&mut self, at: u64, output: Output, bytes: &[u8], into: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let shown = text(bytes);
        self.line(at, output.code(), &shown, into);
        if shown.as_bytes() != bytes {
            into.extend_from_slice(RAW.as_bytes());
            into.extend_from_slice(base64(bytes).as_bytes());
            into.push(b'\n');
        }
    }

    fn line(&mut self, at: u64, code: &str, data: &str, into: &mut Vec<u8>) {
        let since = at.saturating_sub(self.last);
        self.last = self.last.max(at);
        add_line(since, code, data, into);
    }
}

/// Bytes at the end of these that begin a character and do not finish it.
fn unfinished(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Ok(_) => 0,
        Err(fault) if fault.error_len().is_none() => bytes.len() - fault.valid_up_to(),
        // The last character is looked at by itself, behind what is no text.
        Err(_) => {
            let back = bytes.iter().rev().take(3);
            let start = back.take_while(|byte| *byte & 0xc0 == 0x80).count() + 1;
            let tail = bytes.get(bytes.len().saturating_sub(start)..);
            match tail.map(std::str::from_utf8) {
                Some(Err(fault)) if fault.error_len().is_none() && fault.valid_up_to() == 0 => {
                    start.min(bytes.len())
                }
                _ => 0,
            }
        }
    }
}

fn add_line(micros: u64, code: &str, data: &str, into: &mut Vec<u8>) {
    let data = serde_json::to_string(data).unwrap_or_default();
    let code = serde_json::to_string(code).unwrap_or_default();
    let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
    into.extend_from_slice(format!("[{seconds}.{rest:06}, {code}, {data}]\n").as_bytes());
}

/// The first line of a recording in asciicast v2, which older players read.
pub fn v2_header(header: &Header) -> String {
    let mut line = json!({
        "version": 2,
        "width": header.term.cols,
        "height": header.term.rows,
    });
    if let Some(line) = line.as_object_mut() {
        if let Some(timestamp) = header.timestamp {
            line.insert("timestamp".into(), json!(timestamp));
        }
        if let Some(title) = &header.title {
            line.insert("title".into(), json!(title));
        }
        if let Some(command) = &header.command {
            line.insert("command".into(), json!(command));
        }
    }
    format!("{line}\n")
}

/// The line of an event in asciicast v2; none where it has no such event.
pub fn v2_line(event: &Event) -> Option<Vec<u8>> {
    let (code, data) = match &event.what {
        What::Wrote(_, bytes) => ("o", text(bytes).into_owned()),
        What::Other(code, data) if matches!(code.as_str(), "r" | "m") => {
            (code.as_str(), data.clone())
        }
        What::Other(..) | What::Ended(_) => return None,
    };
    let mut line = Vec::new();
    add_line(event.at, code, &data, &mut line);
    Some(line)
}
