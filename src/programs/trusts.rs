//! What makes servers the right ones: authorities, pins, servers that are known. Each file is read
//! once, for however many hosts it is wanted; a pipe has nothing to say a second time.

use super::home::{Known, KnownServers};
use crate::client::ClientError;
use crate::host::Host;
use crate::protocol::Code;
use crate::sys::{read_private, read_stream};
use crate::tls::{self, Identity, Trust};
use rustls::ClientConfig;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Bytes of a file of certificates.
const CA_FILE: u64 = 16 << 20;
/// Bytes of a private key's file.
const KEY_FILE: u64 = 1 << 20;

/// A certificate of our own and its key.
pub type Pair = (PathBuf, PathBuf);

/// An authority by its file or name, and the certificate of our own.
type Authority = (String, Option<Pair>);

/// What was read so far.
#[derive(Default)]
pub struct Trusts {
    files: RefCell<HashMap<PathBuf, Rc<Zeroizing<Vec<u8>>>>>,
    configs: RefCell<HashMap<Authority, Arc<ClientConfig>>>,
    servers: RefCell<Option<HashMap<(Host, u16), Known>>>,
}

/// What was said of a server: whose certificates it may have, or exactly which key.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// A file of authorities, or `system`.
    pub ca: Option<String>,
    /// The pin of the server's key.
    pub pin: Option<String>,
}

/// What makes a server the right one.
pub struct Right {
    /// How TLS knows it.
    pub tls: Arc<ClientConfig>,
    /// The line of known_servers that knows the server, if one does.
    pub known: Option<String>,
    /// Whether nobody has said what makes it the right server.
    pub first_sight: bool,
}

fn usage(text: String) -> ClientError {
    ClientError::new(Code::Usage, text)
}

impl Trusts {
    /// What makes this server the right one: what was said of it, or the key that it had before.
    ///
    /// # Errors
    /// [`Code::Usage`]: a file that cannot be read, or is none of its kind.
    pub fn of(
        &self,
        said: Said,
        (host, port): (&Host, u16),
        own: Option<&Pair>,
    ) -> Result<Right, ClientError> {
        let (trust, known) = match (said.pin, said.ca) {
            (Some(pin), _) => (Trust::Pin(pin.parse().map_err(usage)?), None),
            (None, Some(ca)) => {
                return Ok(Right {
                    tls: self.of_authority(&ca, own)?,
                    known: None,
                    first_sight: false,
                });
            }
            (None, None) => match self.known(host, port)? {
                Some(known) => (Trust::Pin(known.pin), Some(known.place)),
                None => (Trust::FirstSight, None),
            },
        };
        Ok(Right {
            tls: self.tls(&trust, own)?,
            known,
            first_sight: matches!(trust, Trust::FirstSight),
        })
    }

    /// TLS with a server that is known so, and this certificate of our own.
    ///
    /// # Errors
    /// [`Code::Usage`].
    pub fn tls(&self, trust: &Trust, own: Option<&Pair>) -> Result<Arc<ClientConfig>, ClientError> {
        let identity = own.map(|own| self.identity(own)).transpose()?;
        tls::client(trust, identity).map_err(usage)
    }

    fn of_authority(&self, ca: &str, own: Option<&Pair>) -> Result<Arc<ClientConfig>, ClientError> {
        let key = (ca.to_owned(), own.cloned());
        if let Some(known) = self.configs.borrow().get(&key) {
            return Ok(known.clone());
        }
        let trust = match ca {
            "system" => Trust::System,
            file => {
                let pem = self.file(Path::new(file), |path| read_stream(path, CA_FILE))?;
                let found = tls::certificates(&pem);
                Trust::Ca(found.map_err(|why| usage(format!("{file}: {why}")))?)
            }
        };
        let config = self.tls(&trust, own)?;
        self.configs.borrow_mut().insert(key, config.clone());
        Ok(config)
    }

    fn known(&self, host: &Host, port: u16) -> Result<Option<Known>, ClientError> {
        let mut servers = self.servers.borrow_mut();
        let servers = match &mut *servers {
            Some(read) => read,
            none => none.insert(KnownServers::own()?.all()?),
        };
        Ok(servers.get(&(host.clone(), port)).cloned())
    }

    fn file<F: std::fmt::Display>(
        &self,
        path: &Path,
        read: impl FnOnce(&Path) -> Result<Vec<u8>, F>,
    ) -> Result<Rc<Zeroizing<Vec<u8>>>, ClientError> {
        if let Some(known) = self.files.borrow().get(path) {
            return Ok(known.clone());
        }
        let bytes = read(path).map_err(|fault| usage(fault.to_string()))?;
        let bytes = Rc::new(Zeroizing::new(bytes));
        self.files
            .borrow_mut()
            .insert(path.to_owned(), bytes.clone());
        Ok(bytes)
    }

    fn identity(&self, (cert, key): &Pair) -> Result<Identity, ClientError> {
        let chain = self.file(cert, |path| read_stream(path, CA_FILE))?;
        let key_pem = self.file(key, |path| read_private(path, KEY_FILE))?;
        let of_key = |why: String| usage(format!("{}: {why}", key.display()));
        let own = tls::private_key(&key_pem).map_err(of_key)?;
        let chain =
            tls::certificates(&chain).map_err(|why| usage(format!("{}: {why}", cert.display())))?;
        tls::fits(&chain, &own).map_err(of_key)?;
        Ok(Identity { chain, key: own })
    }
}
