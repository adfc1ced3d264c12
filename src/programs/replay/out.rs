//! What is printed of a recording.

use crate::client::ClientError;
use crate::programs::display::Sanitizer;
use crate::programs::output::print;
use crate::protocol::Code;

/// Standard output: harmless where it is a terminal, exact elsewhere.
pub struct Out(Option<Sanitizer>);

impl Out {
    pub fn new(terminal: bool) -> Self {
        Self(terminal.then(Sanitizer::default))
    }

    pub fn put(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        match &mut self.0 {
            Some(sanitizer) => printed(&sanitizer.feed(bytes)),
            None => printed(bytes),
        }
    }

    pub fn end(&mut self) -> Result<(), ClientError> {
        match &mut self.0 {
            Some(sanitizer) => printed(&sanitizer.leave()),
            None => Ok(()),
        }
    }
}

/// Prints.
pub fn printed(bytes: &[u8]) -> Result<(), ClientError> {
    print(false, bytes)
        .map_err(|fault| ClientError::new(Code::Internal, format!("standard output: {fault}")))
}
