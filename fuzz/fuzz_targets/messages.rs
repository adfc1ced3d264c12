//! Control payloads: any bytes are read or refused, and what was read is written so that it is read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ordain::protocol::{Answer, Credit, Ended, Failure, Hello, Login, Open, read, write};

macro_rules! there_and_back {
    ($bytes:expr, $($message:ty),+) => {
        $(if let Ok(message) = read::<$message>($bytes) {
            assert_eq!(read::<$message>(&write(&message)).as_ref(), Ok(&message));
        })+
    };
}

fuzz_target!(|bytes: &[u8]| {
    there_and_back!(bytes, Hello, Login, Open, Credit, Ended, Failure, Answer);
});
