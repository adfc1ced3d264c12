//! Certificates made on the spot: a CA of one's own, and certificates for servers and clients below
//! it; also for servers whose keys stay with them.

mod request;

pub use request::Request;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use std::net::IpAddr;
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

/// A certificate with its key, as PEM.
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// The private key of the certificate.
    pub key: String,
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// A server, for these names and addresses.
    Server,
    /// A client, to pass `tls.client_ca`.
    Client,
}

fn params(name: &str, days: u32) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    params.distinguished_name = subject;
    let now = OffsetDateTime::now_utc();

    // An hour back, for machines whose clocks differ a little.
    params.not_before = now - Duration::hours(1);
    params.not_after = now + Duration::days(i64::from(days));
    params
}

fn sentence(fault: &rcgen::Error) -> String {
    format!("the certificate could not be made: {fault}")
}

fn key() -> Result<KeyPair, String> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|fault| sentence(&fault))
}

/// A CA that may sign servers and clients, and no further CA.
///
/// # Errors
/// What went wrong, in a sentence.
pub fn ca(days: u32) -> Result<Pair, String> {
    let mut params = params("ordain development CA", days);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = key()?;
    let certificate = params.self_signed(&key).map_err(|fault| sentence(&fault))?;
    Ok(Pair {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    })
}

fn leaf(names: &[String], purpose: Use, days: u32) -> Result<CertificateParams, String> {
    let mut params = params(names.first().map_or("ordain", String::as_str), days);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![match purpose {
        Use::Server => ExtendedKeyUsagePurpose::ServerAuth,
        Use::Client => ExtendedKeyUsagePurpose::ClientAuth,
    }];
    params.use_authority_key_identifier_extension = true;
    for name in names {
        params.subject_alt_names.push(match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(
                name.as_str()
                    .try_into()
                    .map_err(|_| format!("`{}` is no DNS name", name.escape_debug()))?,
            ),
        });
    }

    Ok(params)
}

fn issuer(ca: &Pair) -> Result<Issuer<'static, KeyPair>, String> {
    let key = KeyPair::from_pem(&ca.key)
        .map_err(|fault| format!("the CA's key cannot be used: {fault}"))?;
    Issuer::from_ca_cert_pem(&ca.certificate, key)
        .map_err(|fault| format!("the CA's certificate cannot be used: {fault}"))
}

/// A certificate below a CA.
///
/// # Errors
/// A sentence: unusable names, or a CA that cannot be read.
pub fn issue(ca: &Pair, names: &[String], purpose: Use, days: u32) -> Result<Pair, String> {
    let issuer = issuer(ca)?;
    let key = key()?;
    let certificate = leaf(names, purpose, days)?
        .signed_by(&key, &issuer)
        .map_err(|fault| sentence(&fault))?;
    Ok(Pair {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    })
}

/// A private key, as PEM.
///
/// # Errors
/// That the system has no random bytes.
pub fn private_key() -> Result<Zeroizing<String>, String> {
    key().map(|key| Zeroizing::new(key.serialize_pem()))
}

/// A request for a server's certificate, as PEM, for a key that stays where it is.
///
/// # Errors
/// A sentence: a key that cannot be used, or names that no CA would sign.
pub fn request(names: &[String], key: &str) -> Result<String, String> {
    let key = KeyPair::from_pem(key).map_err(|fault| format!("the key cannot be used: {fault}"))?;
    let mut params = leaf(names, Use::Server, 1)?;
    // The CA's own to say.
    params.use_authority_key_identifier_extension = false;
    let request = params.serialize_request(&key);
    let text = request
        .and_then(|request| request.pem())
        .map_err(|fault| format!("the request could not be made: {fault}"))?;
    // What will be judged there is judged here already.
    Request::read(text.as_bytes()).map_err(|why| format!("the request {why}"))?;
    Ok(text)
}

/// The certificate, as PEM, that a request asks for: for its names and its key, and of the rest only
/// what a server needs.
///
/// # Errors
/// A sentence: a CA that cannot be read.
pub fn sign(ca: &Pair, request: &Request, days: u32) -> Result<String, String> {
    leaf(request.names(), Use::Server, days)?
        .signed_by(request.key(), &issuer(ca)?)
        .map(|certificate| certificate.pem())
        .map_err(|fault| sentence(&fault))
}

/// A certificate that vouches for itself: enough for clients that pin its key.
///
/// # Errors
/// A sentence: unusable names.
pub fn self_signed(names: &[String], days: u32) -> Result<Pair, String> {
    let key = key()?;
    let mut params = leaf(names, Use::Server, days)?;
    params.use_authority_key_identifier_extension = false;
    let certificate = params.self_signed(&key).map_err(|fault| sentence(&fault))?;
    Ok(Pair {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls;

    #[test]
    fn what_is_issued_can_be_served_and_trusted() {
        let root = ca(10).unwrap();
        let pair = issue(
            &root,
            &["localhost".into(), "127.0.0.1".into(), "::1".into()],
            Use::Server,
            5,
        )
        .unwrap();
        let chain = tls::certificates(pair.certificate.as_bytes()).unwrap();
        let roots = tls::certificates(root.certificate.as_bytes()).unwrap();
        let validity = tls::Validity::of(&chain[0]).unwrap();
        let now = std::time::SystemTime::now();
        assert_eq!(validity.fault(now), None);
        assert!(
            validity.left(now).as_secs() > 4 * 86_400 && validity.left(now).as_secs() <= 5 * 86_400
        );
        assert!(
            validity
                .fault(now + std::time::Duration::from_secs(6 * 86_400))
                .unwrap()
                .contains("expired")
        );

        tls::server(
            chain.clone(),
            tls::private_key(pair.key.as_bytes()).unwrap(),
            Some(&roots),
        )
        .unwrap();
        tls::client(&tls::Trust::Ca(roots), None).unwrap();
        let other = self_signed(&["x".into()], 1).unwrap();
        let mismatch =
            tls::server(chain, tls::private_key(other.key.as_bytes()).unwrap(), None).unwrap_err();
        assert!(mismatch.contains("does not belong"), "{mismatch}");
    }

    #[test]
    fn names_that_are_none() {
        let root = ca(1).unwrap();
        assert!(
            issue(&root, &["a b".into()], Use::Server, 1).is_ok(),
            "IA5 text is a name to X.509, and matches no host"
        );

        assert!(issue(&root, &["ä".into()], Use::Server, 1).is_err());
    }
}
