//! As much of DER as it takes to see what kind of key a PKCS#8 or PKCS#1 structure holds, and how
//! large it is. Keys are made of them by aws-lc.

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
/// rsaEncryption, as its identifier is encoded.
pub const RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";

/// A private key of PKCS#8: its algorithm's identifier, and what the algorithm makes of a key.
pub fn pkcs8(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut key = inside(der, SEQUENCE)?;
    element(&mut key, INTEGER)?;
    let mut algorithm = element(&mut key, SEQUENCE)?;
    let kind = element(&mut algorithm, OBJECT)?;
    Some((kind, element(&mut key, OCTETS)?))
}

/// Modulus and exponent of an RSA private key of PKCS#1.
pub fn rsa_private(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut key = inside(der, SEQUENCE)?;
    element(&mut key, INTEGER)?;
    Some((number(&mut key)?, number(&mut key)?))
}

/// Modulus and exponent of an RSA public key of PKCS#1.
pub fn rsa_public(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut key = inside(der, SEQUENCE)?;
    Some((number(&mut key)?, number(&mut key)?))
}

/// Bits of a number without leading zeros.
pub fn bits(number: &[u8]) -> usize {
    let zeros = number.first().map_or(0, |first| first.leading_zeros());
    (number.len() * 8).saturating_sub(zeros as usize)
}

/// The contents of the one element that this is.
fn inside(mut der: &[u8], tag: u8) -> Option<&[u8]> {
    element(&mut der, tag)
}

/// A positive number, without leading zeros.
fn number<'d>(rest: &mut &'d [u8]) -> Option<&'d [u8]> {
    let number = element(rest, INTEGER)?;
    let negative = number.first().is_none_or(|first| first & 0x80 != 0);
    (!negative).then(|| number.strip_prefix(&[0]).unwrap_or(number))
}

/// The contents of the next element, which has this tag.
fn element<'d>(rest: &mut &'d [u8], tag: u8) -> Option<&'d [u8]> {
    let (&[found, short], mut behind) = rest.split_first_chunk()?;
    let mut length = usize::from(short);
    if short & 0x80 != 0 {
        let long;
        (long, behind) = behind.split_at_checked(usize::from(short & 0x7f))?;
        // No length of a file that is read here takes more.
        if long.is_empty() || long.len() > 3 {
            return None;
        }
        length = long
            .iter()
            .fold(0, |length, byte| length << 8 | usize::from(*byte));
    }

    let (contents, behind) = behind.split_at_checked(length)?;
    *rest = behind;
    (found == tag).then_some(contents)
}
