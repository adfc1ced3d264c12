//! Requests: of our own, of other kinds of keys, changed, and asking for too much.

use super::*;
use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, SanType,
};

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).unwrap()
}

fn pem(params: &CertificateParams, key: &KeyPair) -> String {
    params.serialize_request(key).unwrap().pem().unwrap()
}

fn read(params: &CertificateParams) -> Result<Request, String> {
    let key = KeyPair::generate().unwrap();
    Request::read(pem(params, &key).as_bytes())
}

fn refused(params: &CertificateParams, why: &str) {
    let said = read(params).unwrap_err();
    assert!(said.contains(why), "{why}\n{said}");
}

#[test]
fn names_and_key_are_those_of_the_request() {
    for kind in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &PKCS_ECDSA_P384_SHA384,
        &PKCS_ED25519,
    ] {
        let key = KeyPair::generate_for(kind).unwrap();
        let names = ["web1.example", "*.web1.example", "192.0.2.7", "2001:db8::7"];
        let request = Request::read(pem(&params(&names), &key).as_bytes()).unwrap();
        assert_eq!(request.names(), names);
        assert_eq!(request.public_key(), key.subject_public_key_info());
    }
}

#[test]
fn what_makes_more_than_a_server_is_refused() {
    let asking = |change: fn(&mut CertificateParams)| {
        let mut params = params(&["web1"]);
        change(&mut params);
        params
    };
    let ca = "asks to be a CA";
    refused(
        &asking(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
        ca,
    );
    refused(
        &asking(|params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0))),
        ca,
    );
    refused(
        &asking(|params| params.key_usages = vec![KeyUsagePurpose::KeyCertSign]),
        "as only a CA does",
    );
    for other in [
        ExtendedKeyUsagePurpose::ClientAuth,
        ExtendedKeyUsagePurpose::Any,
        ExtendedKeyUsagePurpose::CodeSigning,
        ExtendedKeyUsagePurpose::OcspSigning,
    ] {
        let mut params = params(&["web1"]);
        params.extended_key_usages = vec![other];
        refused(&params, "other uses of its key");
    }

    let allowed = asking(|params| {
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
    });
    assert_eq!(read(&allowed).unwrap().names(), ["web1"]);
}

#[test]
fn an_unknown_extension_is_refused_where_it_is_insisted_on() {
    let with = |critical: bool| {
        // An OID of the arc for examples, and NULL.
        let mut extension =
            CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 32473, 1], vec![5, 0]);
        extension.set_criticality(critical);
        let mut params = params(&["web1"]);
        params.custom_extensions = vec![extension];
        params
    };
    refused(&with(true), "insists on the extension 1.3.6.1.4.1.32473.1");
    assert!(read(&with(false)).is_ok());
}

#[test]
fn only_hosts_are_named_and_each_as_it_is() {
    refused(&params(&[]), "names no host");
    for name in ["a b", "web1/../x", "*", "*.*.web1", "-web1", "web1..x"] {
        refused(&params(&[name]), "which no host can have");
    }
    for name in [
        SanType::Rfc822Name("a@example.com".try_into().unwrap()),
        SanType::URI("https://example.com".try_into().unwrap()),
    ] {
        let mut params = params(&["web1"]);
        params.subject_alt_names.push(name);
        refused(&params, "no host's");
    }
    let many: Vec<String> = (0..=100).map(|number| format!("web{number}")).collect();
    refused(&CertificateParams::new(many).unwrap(), "names 101 hosts");
    assert_eq!(read(&params(&["web1", "web1"])).unwrap().names(), ["web1"]);
}

#[test]
fn a_file_with_another_number_of_requests_than_one() {
    let one = pem(&params(&["web1"]), &KeyPair::generate().unwrap());
    let old = one.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST");
    assert!(Request::read(format!("\u{feff}words\r\n{old}").as_bytes()).is_ok());
    for (file, why) in [
        (String::new(), "holds no request"),
        (one.replace(" REQUEST", ""), "holds no request"),
        (one.clone() + &old, "several requests"),
        (one.replace("-----END", "-----OND"), "is cut off"),
    ] {
        let said = Request::read(file.as_bytes()).unwrap_err();
        assert!(said.contains(why), "{why}\n{said}");
    }
}

proptest! {
    /// Whoever changes a byte of a request has made another one, which its key has not signed.
    #[test]
    fn a_request_that_was_changed_is_none(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let key = KeyPair::generate().unwrap();
        let request = params(&["web1.example"]).serialize_request(&key).unwrap();
        let mut bytes = request.der().to_vec();
        // What the signature is over. Of what stands around it some bits mean nothing.
        let (_, parsed) = X509CertificationRequest::from_der(request.der()).unwrap();
        let signed = parsed.certification_request_info.raw;
        let start = bytes.windows(signed.len()).position(|bytes| bytes == signed).unwrap();
        let at = start + at.index(signed.len());
        bytes[at] ^= 1 << bit;
        let text = format!(
            "-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----\n",
            crate::encoding::base64(&bytes)
        );
        prop_assert!(Request::read(text.as_bytes()).is_err(), "byte {at}");
    }

    #[test]
    fn no_bytes_are_too_much(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let text = format!(
            "-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----\n",
            crate::encoding::base64(&bytes)
        );
        let _ = Request::read(text.as_bytes());
        let _ = Request::read(&bytes);
    }
}
