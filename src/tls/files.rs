//! Certificates and their keys out of PEM files, as other programs write them; and why a key cannot
//! be used.

use crate::encoding::{der, pem};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Bits of an RSA key in TLS: aws-lc takes none with less.
const RSA_BITS: usize = 2048;

/// Certificates out of a PEM file's bytes, at least one.
///
/// # Errors
/// What is wrong with the bytes, in a sentence.
pub fn certificates(file: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = pem::without_marks(file);
    let found: Vec<_> = rustls_pemfile::certs(&mut text.as_slice())
        .collect::<Result<_, _>>()
        .map_err(|fault| format!("not PEM: {fault}"))?;
    if found.is_empty() {
        Err(without(file, "certificate (-----BEGIN CERTIFICATE-----)"))
    } else {
        Ok(found)
    }
}

/// The one private key out of a PEM file's bytes.
///
/// # Errors
/// What is wrong with the bytes, in a sentence.
pub fn private_key(file: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    let text = pem::without_marks(file);
    let blocks = pem::blocks(&text)?;
    let key = blocks
        .iter()
        .find(|block| block.label.ends_with("PRIVATE KEY"));
    if key.is_some_and(|key| key.encrypted || key.label == "ENCRYPTED PRIVATE KEY") {
        return Err(
            "is encrypted, and there is nobody to ask for its passphrase; `openssl pkey -in KEY -out NEW` writes it without one"
                .into(),
        );
    }

    let key = rustls_pemfile::private_key(&mut text.as_slice())
        .map_err(|fault| format!("not PEM: {fault}"))?
        .ok_or_else(|| without(file, "private key (-----BEGIN PRIVATE KEY-----)"))?;
    match rsa_bits(&key) {
        Some(bits) if bits < RSA_BITS => Err(format!(
            "is an RSA key of {bits} bits; at least {RSA_BITS} are wanted. `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out NEW` makes a better key, for which a new certificate has to be made"
        )),
        _ => Ok(key),
    }
}

/// Bits of a key, if it is one of RSA.
fn rsa_bits(key: &PrivateKeyDer<'_>) -> Option<usize> {
    let inner = match key {
        PrivateKeyDer::Pkcs1(key) => key.secret_pkcs1_der(),
        PrivateKeyDer::Pkcs8(key) => {
            let (kind, inner) = der::pkcs8(key.secret_pkcs8_der())?;
            (kind == der::RSA).then_some(inner)?
        }
        _ => return None,
    };
    der::rsa_private(inner).map(|(modulus, _)| der::bits(modulus))
}

/// That a file has none of what is wanted, and what it has.
fn without(file: &[u8], wanted: &str) -> String {
    if pem::is_utf16(file) {
        return "is UTF-16 text; save it as plain text (UTF-8)".into();
    }
    let found = pem::blocks(file).unwrap_or_default();
    let found: Vec<String> = found
        .iter()
        .take(8)
        .map(|block| format!("\"{}\"", block.label.escape_debug()))
        .collect();
    match found.as_slice() {
        [] => format!("holds no {wanted}"),
        found => format!("holds no {wanted}, but {}", found.join(", ")),
    }
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
