//! Control payloads: any bytes are read or refused, and what was read is written so that it is read
//! again.

use ordain::protocol::{Credit, Ended, Failure, Hello, Login, Open, read, write};
use ordain::verb::{
    Cancelled, CommandList, CommandView, ExplainView, PreviewView, RunList, SessionList,
    SessionsEnded, Signalled, WhoamiView,
};

macro_rules! there_and_back {
    ($bytes:expr, $($message:ty),+) => {
        $(if let Ok(message) = read::<$message>($bytes) {
            assert_eq!(read::<$message>(&write(&message)).as_ref(), Ok(&message));
        })+
    };
}

/// Anything at all.
pub fn check(bytes: &[u8]) {
    there_and_back!(bytes, Hello, Login, Open, Credit, Ended, Failure);
    there_and_back!(
        bytes,
        Cancelled,
        CommandList,
        CommandView,
        ExplainView,
        PreviewView
    );
    there_and_back!(
        bytes,
        RunList,
        SessionList,
        SessionsEnded,
        Signalled,
        WhoamiView
    );
}
