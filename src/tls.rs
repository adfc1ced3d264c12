//! TLS 1.3 with ordain's ALPN: configurations for both sides, fingerprints, and what a certificate
//! says.

mod files;

pub use files::{certificates, private_key};

use crate::encoding::{base64, unbase64};
use crate::protocol::ALPN;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig,
    SignatureScheme,
};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn provider() -> Arc<CryptoProvider> {
    // One for the process: building it anew would cost every connection of a client library.
    static PROVIDER: std::sync::OnceLock<Arc<CryptoProvider>> = std::sync::OnceLock::new();
    PROVIDER
        .get_or_init(|| Arc::new(aws_lc_rs::default_provider()))
        .clone()
}

/// The SHA-256 of a server's public key (SubjectPublicKeyInfo): what a pin names. It outlives
/// renewals of the certificate that keep the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate's key.
    ///
    /// # Errors
    /// That the bytes are no certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, String> {
        let parsed = ParsedCertificate::try_from(certificate)
            .map_err(|fault| format!("not a certificate: {fault}"))?;
        Ok(Self::of_key(&parsed.subject_public_key_info()))
    }

    /// The fingerprint of a public key (SubjectPublicKeyInfo).
    pub fn of_key(key: &[u8]) -> Self {
        Self(sha256(key))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "sha256:{}", base64(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl FromStr for Fingerprint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.strip_prefix("sha256:")
            .and_then(unbase64)
            .map(Self)
            .ok_or_else(|| "a pin looks like sha256: followed by 44 characters of base64".into())
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(::aws_lc_rs::digest::digest(&::aws_lc_rs::digest::SHA256, bytes).as_ref());
    out
}

/// From when to when a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Seconds since 1970.
    pub from: i64,
    /// Seconds since 1970.
    pub until: i64,
}

impl Validity {
    /// The validity of a certificate.
    ///
    /// # Errors
    /// That the bytes are no certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, String> {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate)
            .map_err(|fault| format!("not a certificate: {fault}"))?;
        Ok(Self {
            from: parsed.validity().not_before.timestamp(),
            until: parsed.validity().not_after.timestamp(),
        })
    }

    /// What is wrong with the certificate at this time, as a sentence.
    pub fn fault(&self, now: SystemTime) -> Option<String> {
        let now = i64::try_from(now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
            .unwrap_or(i64::MAX);
        if now > self.until {
            Some(format!(
                "expired {} ago; clients refuse it",
                days(now - self.until)
            ))
        } else if now < self.from {
            Some(format!(
                "is not valid for another {}; clients refuse it",
                days(self.from - now)
            ))
        } else {
            None
        }
    }

    /// How long the certificate is still valid.
    pub fn left(&self, now: SystemTime) -> Duration {
        let until = UNIX_EPOCH + Duration::from_secs(u64::try_from(self.until).unwrap_or(0));
        until.duration_since(now).unwrap_or_default()
    }

    /// How long the certificate is still valid, for people: in days, or in hours on the last one.
    pub fn left_text(&self, now: SystemTime) -> String {
        days(i64::try_from(self.left(now).as_secs()).unwrap_or(i64::MAX))
    }

    /// When the certificate expires, RFC 3339.
    pub fn until_text(&self) -> String {
        let until = time::OffsetDateTime::from_unix_timestamp(self.until).ok();
        until
            .and_then(|until| {
                until
                    .format(&time::format_description::well_known::Rfc3339)
                    .ok()
            })
            .unwrap_or_default()
    }
}

fn days(seconds: i64) -> String {
    match seconds / 86_400 {
        0 => format!("{} h", seconds / 3600),
        days => format!("{days} days"),
    }
}

/// The server's configuration: TLS 1.3 only, no tickets (a resumed connection would have to be
/// authenticated anew anyway), and a client certificate when a CA for those is given.
///
/// # Errors
/// A sentence: a key that does not match its certificate, a CA that is none.
pub fn server(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    client_ca: Option<&[CertificateDer<'static>]>,
) -> Result<Arc<ServerConfig>, String> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|fault| fault.to_string())?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(certificates) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(
                Arc::new(roots(certificates)?),
                provider(),
            )
            .build()
            .map_err(|fault| format!("client_ca: {fault}"))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|fault| match fault {
            rustls::Error::InconsistentKeys(_) => {
                "the private key does not belong to the certificate".to_owned()
            }
            other => other.to_string(),
        })?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    // The server's HELLO leaves with its half of the handshake; rustls holds it back where a client
    // certificate is wanted.
    config.send_half_rtt_data = true;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok(Arc::new(config))
}

/// Whether a private key is one that can be used, and the one of this certificate.
///
/// # Errors
/// A sentence that goes behind the key's file: what is used, or which keys the two are of.
pub fn fits(chain: &[CertificateDer<'static>], key: &PrivateKeyDer<'static>) -> Result<(), String> {
    let loaded = provider().key_provider.load_private_key(key.clone_key());
    let loaded = loaded.map_err(|_| {
        "is of a kind that is not used here; accepted are ECDSA on P-256, P-384 or P-521, Ed25519, and RSA from 2048 bits on".to_owned()
    })?;
    let (Some(public), Some(first)) = (loaded.public_key(), chain.first()) else {
        return Ok(());
    };
    let (own, wanted) = (
        Fingerprint::of_key(public.as_ref()),
        Fingerprint::of(first)?,
    );
    match own == wanted {
        true => Ok(()),
        false => Err(format!(
            "does not belong to the certificate: it is {own}, and the certificate is for {wanted}; put the key there that it was made for, or have another certificate made"
        )),
    }
}

fn roots(certificates: &[CertificateDer<'static>]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots
            .add(certificate.clone())
            .map_err(|fault| format!("not a CA certificate: {fault}"))?;
    }

    Ok(roots)
}

/// What makes a server the right one.
#[derive(Debug, Clone)]
pub enum Trust {
    /// A certificate that one of these CAs signed, for the name that was asked for, and not
    /// expired.
    Ca(Vec<CertificateDer<'static>>),
    /// A certificate that a CA of this system signed, for the name that was asked for, and not
    /// expired.
    System,
    /// This very key; names and expiry do not matter.
    Pin(Fingerprint),
    /// Whatever key it has: for looking at it, and nothing else. Nothing may be told to such a
    /// server before somebody has agreed to its key.
    FirstSight,
}

/// The client's own certificate, for servers behind `tls.client_ca`.
#[derive(Debug)]
pub struct Identity {
    /// The certificate and its intermediates.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key of the certificate.
    pub key: PrivateKeyDer<'static>,
}

/// The client's configuration.
///
/// # Errors
/// A sentence: unusable CAs, or a key that does not match its certificate.
pub fn client(trust: &Trust, identity: Option<Identity>) -> Result<Arc<ClientConfig>, String> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|fault| fault.to_string())?;
    let builder = match trust {
        Trust::Ca(certificates) => builder.with_root_certificates(roots(certificates)?),
        Trust::System => {
            let mut store = RootCertStore::empty();
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if store.is_empty() {
                return Err("this system has no CA certificates".into());
            }
            builder.with_root_certificates(store)
        }

        Trust::Pin(pin) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned(Some(*pin)))),
        Trust::FirstSight => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned(None))),
    };

    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => builder
            .with_client_auth_cert(identity.chain, identity.key)
            .map_err(|fault| match fault {
                rustls::Error::InconsistentKeys(_) => {
                    "the private key does not belong to the client certificate".to_owned()
                }
                other => other.to_string(),
            })?,
    };

    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

/// Whether clients that trust this system's CAs would accept a chain for a name, now.
///
/// # Errors
/// Why not.
pub fn trusted_by_system(chain: &[CertificateDer<'_>], name: &str) -> Result<(), String> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let verifier =
        rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider());
    let verifier = verifier.build().map_err(|fault| fault.to_string())?;
    let (first, rest) = chain.split_first().ok_or("holds no certificate")?;
    let server = ServerName::try_from(name)
        .map_err(|_| format!("`{name}` is not a name that a certificate could have"))?;
    verifier
        .verify_server_cert(first, rest, &server, &[], UnixTime::now())
        .map(drop)
        .map_err(|fault| fault.to_string())
}

/// Accepts one public key, or any at first sight, and proves that the server has its private half.
#[derive(Debug)]
struct Pinned(Option<Fingerprint>);

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let seen = Fingerprint::of(certificate).map_err(rustls::Error::General)?;
        match self.0 {
            Some(pin) if pin != seen => Err(rustls::Error::General(format!(
                "the server has the key {seen}, but {pin} is pinned"
            ))),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken here".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &provider().signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider()
            .signature_verification_algorithms
            .supported_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_read_as_they_are_written() {
        let pin = Fingerprint([7; 32]);
        assert_eq!(pin.to_string().parse(), Ok(pin));
        for bad in ["", "sha256:", "sha1:AAAA", "sha256:AAAA"] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_certificate_that_is_none_has_no_fingerprint() {
        assert!(Fingerprint::of(&CertificateDer::from(vec![1, 2, 3])).is_err());
    }

    #[test]
    fn post_quantum_key_exchange_comes_first() {
        assert_eq!(
            provider().kx_groups.first().map(|group| group.name()),
            Some(rustls::NamedGroup::X25519MLKEM768)
        );
    }
}
