//! A request for a certificate (PKCS#10), as a server makes it whose CA lives elsewhere: read, proved
//! and judged before anybody is asked to sign it.

use crate::encoding::pem;
use crate::host::Host;
use rcgen::{PublicKeyData, SubjectPublicKeyInfo};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::extensions::{
    ExtendedKeyUsage, GeneralName, ParsedExtension, SubjectAlternativeName, X509Extension,
};
use x509_parser::oid_registry::{OID_PKCS1_SHA1WITHRSA, OID_SHA1_WITH_RSA, Oid};
use x509_parser::prelude::FromDer;

/// What PEM files call a request; the second is what old programs write.
const LABELS: [&str; 2] = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];
/// Signatures over SHA-1, which the library verifies for old certificates' sake.
const SHA_1: [Oid<'static>; 2] = [OID_PKCS1_SHA1WITHRSA, OID_SHA1_WITH_RSA];
/// Names and addresses that one certificate is for at the most: a person is to read them.
const MOST_NAMES: usize = 100;

/// A request that whoever has the key made themselves, and in which nothing is asked for but a
/// server's certificate for hosts.
#[derive(Debug)]
pub struct Request {
    names: Vec<String>,
    key: SubjectPublicKeyInfo,
}

impl Request {
    /// The one request out of a PEM file's bytes.
    ///
    /// # Errors
    /// A sentence: what cannot be read, is not signed by its own key, or asks for what no server
    /// needs.
    pub fn read(file: &[u8]) -> Result<Self, String> {
        let der = der(file)?;
        let unreadable = || "holds a request that cannot be read".to_owned();
        let (rest, request) = X509CertificationRequest::from_der(&der).map_err(|_| unreadable())?;
        if !rest.is_empty() {
            return Err(unreadable());
        }
        if SHA_1.contains(&request.signature_algorithm.algorithm) {
            return Err(
                "is signed with SHA-1, with which somebody can make it say two things".into(),
            );
        }
        request.verify_signature().map_err(|fault| {
            format!("is not signed by the key that it is for, so somebody has changed it or its key is of a kind that is not used here ({fault})")
        })?;

        let spki = request.certification_request_info.subject_pki.raw;
        let key = SubjectPublicKeyInfo::from_der(spki)
            .ok()
            .filter(|key| key.subject_public_key_info() == spki)
            .ok_or("has a key of a kind that is not used here; ECDSA P-256 is")?;
        let names = asked_for(&request)?;
        Ok(Self { names, key })
    }

    /// The names and addresses that the certificate is to be for, each a host's; a name may begin
    /// with `*.`.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The public key (SubjectPublicKeyInfo) that the certificate is to be for.
    pub fn public_key(&self) -> Vec<u8> {
        self.key.subject_public_key_info()
    }

    pub(super) const fn key(&self) -> &SubjectPublicKeyInfo {
        &self.key
    }
}

fn der(file: &[u8]) -> Result<Vec<u8>, String> {
    let text = pem::without_marks(file);
    let blocks = pem::blocks(&text)?;
    let mut requests = blocks.iter().filter(|block| LABELS.contains(&block.label));
    let (first, second) = (requests.next(), requests.next());
    let first = first.ok_or("holds no request (-----BEGIN CERTIFICATE REQUEST-----)")?;
    if second.is_some() {
        return Err("holds several requests; one is signed at a time".into());
    }
    let bytes = first.bytes().ok_or("holds a request that is no base64")?;
    Ok(bytes.to_vec())
}

/// The names, of a request that asks for nothing else.
fn asked_for(request: &X509CertificationRequest<'_>) -> Result<Vec<String>, String> {
    let mut names = None;
    let attributes = request.certification_request_info.iter_attributes();
    for attribute in attributes {
        let ParsedCriAttribute::ExtensionRequest(asked) = attribute.parsed_attribute() else {
            continue;
        };
        for extension in &asked.extensions {
            if let Some(found) = judged(extension)?
                && names.replace(found).is_some()
            {
                return Err("names its hosts twice".into());
            }
        }
    }
    let names = names.unwrap_or_default();
    match names.len() {
        0 => Err("names no host (subjectAltName): clients do not look at its subject".into()),
        1..=MOST_NAMES => Ok(names),
        many => Err(format!(
            "names {many} hosts; at most {MOST_NAMES} are signed"
        )),
    }
}

/// What an extension asks for: names, or what changes nothing about a server's certificate.
fn judged(extension: &X509Extension<'_>) -> Result<Option<Vec<String>>, String> {
    match extension.parsed_extension() {
        ParsedExtension::SubjectAlternativeName(found) => hosts(found).map(Some),
        ParsedExtension::BasicConstraints(found) if found.ca => {
            Err("asks to be a CA, which could make a certificate for every name".into())
        }
        ParsedExtension::KeyUsage(usage) if usage.key_cert_sign() || usage.crl_sign() => {
            Err("asks to sign certificates, as only a CA does".into())
        }
        ParsedExtension::ExtendedKeyUsage(usage) if !of_a_server(usage) => {
            Err("asks for other uses of its key than a server's (serverAuth)".into())
        }
        ParsedExtension::BasicConstraints(_)
        | ParsedExtension::KeyUsage(_)
        | ParsedExtension::ExtendedKeyUsage(_) => Ok(None),
        ParsedExtension::ParseError { .. } => Err(format!(
            "asks for the extension {} in a form that cannot be read",
            extension.oid
        )),
        // Whoever marks it so wants no certificate without it.
        _ if extension.critical => Err(format!(
            "insists on the extension {} (critical), which is not made here",
            extension.oid
        )),
        _ => Ok(None),
    }
}

/// Whether a key is to be a server's, and perhaps a client's besides.
const fn of_a_server(usage: &ExtendedKeyUsage<'_>) -> bool {
    usage.server_auth
        && !usage.any
        && !usage.code_signing
        && !usage.email_protection
        && !usage.time_stamping
        && !usage.ocsp_signing
        && usage.other.is_empty()
}

fn hosts(found: &SubjectAlternativeName<'_>) -> Result<Vec<String>, String> {
    let mut names: Vec<String> = Vec::new();
    for general in &found.general_names {
        let name = match general {
            GeneralName::DNSName(name) => dns(name)?,
            GeneralName::IPAddress(bytes) => address(bytes)
                .ok_or("names an address that is neither IPv4 nor IPv6")?
                .to_string(),
            _ => {
                return Err(
                    "asks for a name that is no host's; only DNS names and addresses are signed"
                        .into(),
                );
            }
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// A name as DNS has it. What is spelled otherwise in the request is not what would be signed.
fn dns(name: &str) -> Result<String, String> {
    let host = name.strip_prefix("*.").unwrap_or(name);
    let may_be = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    match host.parse::<Host>() {
        Ok(Host::Name(known)) if known.eq_ignore_ascii_case(host) && host.bytes().all(may_be) => {
            Ok(name.to_owned())
        }
        _ => Err(format!(
            "asks for the name `{}`, which no host can have",
            name.escape_debug()
        )),
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(|four| Ipv4Addr::from(four).into())
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(|all| Ipv6Addr::from(all).into()))
        .ok()
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
