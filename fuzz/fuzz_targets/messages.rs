//! Control payloads: any bytes are read or refused, and what was read is written so that it is read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ordain::protocol::{Answer, Credit, Ended, Failure, Hello, Login, Open, read, write};
use serde::{Serialize, de::DeserializeOwned};

fn there_and_back<M: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    if let Ok(message) = read::<M>(bytes) {
        assert_eq!(read::<M>(&write(&message)).as_ref(), Ok(&message));
    }
}

fuzz_target!(|bytes: &[u8]| {
    there_and_back::<Hello>(bytes);
    there_and_back::<Login>(bytes);
    there_and_back::<Open>(bytes);
    there_and_back::<Credit>(bytes);
    there_and_back::<Ended>(bytes);
    there_and_back::<Failure>(bytes);
    there_and_back::<Answer>(bytes);
});
