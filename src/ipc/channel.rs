//! One end of the socket pair, for tokio.

use super::manifest::{Manifest, Name};
use crate::limits::IPC_MESSAGE;
use crate::sys::{self, Foreign, Held};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Messages out, messages in. Sending needs no exclusive access: a message goes whole or not at
/// all.
#[derive(Debug)]
pub struct Channel(AsyncFd<Held>);

/// Why no message came.
#[derive(Debug)]
pub enum ChannelFault {
    /// The other process is gone.
    Gone,
    /// The message was cut, is none, or has bytes left over.
    Malformed(&'static str),
    /// The socket failed.
    Io(io::Error),
}

impl std::fmt::Display for ChannelFault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Gone => write!(out, "the other process is gone"),
            Self::Malformed(why) => write!(out, "a message that is none: {why}"),
            Self::Io(fault) => write!(out, "{fault}"),
        }
    }
}

impl Channel {
    /// Takes an end over; needs a running runtime.
    ///
    /// # Errors
    /// When it cannot be watched.
    pub fn new(end: OwnedFd) -> io::Result<Self> {
        Self::over(Held::Own(end))
    }

    /// Takes over the end whose other one the frontend has: what comes through it is the frontend's,
    /// and so is what was never taken out of it. Needs a running runtime.
    ///
    /// # Errors
    /// When it cannot be watched.
    pub fn to_frontend(end: OwnedFd) -> io::Result<Self> {
        Self::over(Held::Foreign(Foreign::new(end)))
    }

    fn over(end: Held) -> io::Result<Self> {
        sys::watch_held(end, Interest::READABLE | Interest::WRITABLE).map(Self)
    }

    /// What came along with a message; in the hands of those who may close it from now on.
    fn hold(&self, descriptors: Vec<OwnedFd>) -> Vec<Held> {
        let hold = |descriptor| match self.0.get_ref() {
            Held::Own(_) => Held::Own(descriptor),
            Held::Foreign(_) => Held::Foreign(Foreign::new(descriptor)),
        };
        descriptors.into_iter().map(hold).collect()
    }

    /// Takes out what is still there, of a process that is gone, and what came along with it.
    pub fn empty(&self) {
        let mut byte = [0];
        while let Ok(received) = sys::receive(self.0.get_ref().as_fd(), &mut byte) {
            if received.length == 0 {
                return;
            }
            drop(self.hold(received.descriptors));
        }
    }

    /// Sends a message with descriptors, waiting while the other side's queue is full.
    ///
    /// # Errors
    /// When the other process is gone, or the message is larger than any should be.
    pub async fn send<M: Serialize>(&self, message: &M, manifest: Manifest) -> io::Result<()> {
        self.put(&Packed::new(message, manifest)?).await
    }

    /// Sends what is ready to go, waiting while the other side's queue is full.
    ///
    /// # Errors
    /// When the other process is gone.
    pub async fn put(&self, packed: &Packed) -> io::Result<()> {
        loop {
            // The queue is rarely full: try first, wait then.
            match self.try_put(packed) {
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return outcome,
            }
            let mut ready = self.0.writable().await?;
            match self.try_put(packed) {
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                outcome => return outcome,
            }
        }
    }

    /// Sends what is ready to go, if the other side's queue has room now.
    ///
    /// # Errors
    /// `WouldBlock` when it has none; otherwise as [`Channel::put`].
    pub fn try_put(&self, packed: &Packed) -> io::Result<()> {
        let descriptors: Vec<_> = packed.manifest.descriptors().map(AsFd::as_fd).collect();
        sys::send(self.0.get_ref().as_fd(), &packed.bytes, &descriptors)
    }

    /// Receives a message with its descriptors. Cancel-safe. `buffer` is scratch, kept by the
    /// caller between messages; what came through it is wiped.
    ///
    /// # Errors
    /// See [`ChannelFault`].
    pub async fn receive<M: DeserializeOwned>(
        &self,
        buffer: &mut Vec<u8>,
    ) -> Result<(M, Manifest), ChannelFault> {
        loop {
            let mut ready = self.0.readable().await.map_err(ChannelFault::Io)?;
            match self.try_receive(buffer) {
                Err(ChannelFault::Io(fault)) if fault.kind() == io::ErrorKind::WouldBlock => {
                    ready.clear_ready();
                }
                outcome => return outcome,
            }
        }
    }

    /// Receives a message if one has come.
    ///
    /// # Errors
    /// `WouldBlock` when none has; otherwise as [`Channel::receive`].
    pub fn try_receive<M: DeserializeOwned>(
        &self,
        buffer: &mut Vec<u8>,
    ) -> Result<(M, Manifest), ChannelFault> {
        buffer.resize(IPC_MESSAGE, 0);
        let mut received = match sys::receive(self.0.get_ref().as_fd(), buffer) {
            Err(fault) if fault.kind() == io::ErrorKind::ConnectionReset => {
                return Err(ChannelFault::Gone);
            }
            Err(fault) => return Err(ChannelFault::Io(fault)),
            Ok(received) => received,
        };
        let descriptors = self.hold(std::mem::take(&mut received.descriptors));
        if received.length == 0 {
            return Err(ChannelFault::Gone);
        }
        if received.cut {
            return Err(ChannelFault::Malformed("it was cut"));
        }
        let bytes = buffer.get_mut(..received.length).unwrap_or_default();
        let message = read(bytes);
        zeroize::Zeroize::zeroize(bytes);
        let (message, names) = message?;
        // Where this process has no descriptors left the kernel drops some that were sent: then the
        // message comes without any.
        let manifest = if received.descriptors_lost {
            Manifest::lost()
        } else {
            let left_over = "descriptors are missing or left over";
            Manifest::named(names, descriptors).ok_or(ChannelFault::Malformed(left_over))?
        };
        Ok((message, manifest))
    }
}

/// A message that is ready to go, with its descriptors.
#[derive(Debug)]
pub struct Packed {
    bytes: zeroize::Zeroizing<Vec<u8>>,
    manifest: Manifest,
}

impl Packed {
    /// Makes a message ready to go.
    ///
    /// # Errors
    /// When the message is larger than any should be.
    pub fn new<M: Serialize>(message: &M, manifest: Manifest) -> io::Result<Self> {
        let bytes = write(message, &manifest)?;
        Ok(Self { bytes, manifest })
    }

    /// How many bytes the message has.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }
}

/// A message's bytes, with the names of its descriptors; they may hold a password.
fn write<M: Serialize>(
    message: &M,
    manifest: &Manifest,
) -> io::Result<zeroize::Zeroizing<Vec<u8>>> {
    let bytes = postcard::to_allocvec(&(message, manifest.names())).map_err(io::Error::other)?;
    let bytes = zeroize::Zeroizing::new(bytes);
    if bytes.len() > IPC_MESSAGE {
        let text = "the message is too large";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(bytes)
}

/// Reads a message's bytes, all of them, and the names of the descriptors that come along.
///
/// # Errors
/// When they are not exactly one message.
pub fn read<M: DeserializeOwned>(bytes: &[u8]) -> Result<(M, Vec<Name>), ChannelFault> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Ok(message),
        Ok(_) => Err(ChannelFault::Malformed("bytes are left over")),
        Err(_) => Err(ChannelFault::Malformed("it cannot be read")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipc::{SecretValue, ToMonitor};
    use crate::protocol::Gathered;
    use proptest::prelude::*;

    #[tokio::test]
    async fn messages_and_descriptors() {
        let (one, other) = sys::pair().unwrap();
        let (one, other) = (Channel::new(one).unwrap(), Channel::new(other).unwrap());
        let login = ToMonitor::Login {
            connection: 7,
            signed: "x".into(),
            signature: "y".into(),
            password: SecretValue("z".into()),
            key_signature: "k".into(),
            gathered: Some(Gathered {
                index: 1,
                count: 2,
                path: "p".into(),
            }),
            code: SecretValue::default(),
            exporter: Some([9; 32]),
        };

        let null = sys::null().unwrap();
        let manifest = Manifest::default().with(Name::Client, null);
        one.send(&login, manifest).await.unwrap();
        let (message, manifest) = other.receive::<ToMonitor>(&mut Vec::new()).await.unwrap();
        assert_eq!((message, manifest.names()), (login, vec![Name::Client]));
        drop(one);
        assert!(matches!(
            other.receive::<ToMonitor>(&mut Vec::new()).await,
            Err(ChannelFault::Gone)
        ));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read::<ToMonitor>(&bytes);
            let _ = read::<crate::ipc::ToFrontend>(&bytes);
        }
    }
}
