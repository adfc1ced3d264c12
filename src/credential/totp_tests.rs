//! One-time codes.

use super::*;

#[test]
fn the_vectors_of_rfc_6238() {
    // Appendix B, SHA-1, whose codes have eight digits; ours are the last six.
    let seed = b"12345678901234567890";
    for (time, eight) in [
        (59, "94287082"),
        (1_111_111_109, "07081804"),
        (1_111_111_111, "14050471"),
        (1_234_567_890, "89005924"),
        (2_000_000_000, "69279037"),
        (20_000_000_000, "65353130"),
    ] {
        assert_eq!(
            Some(code(seed, time / 30).as_str()),
            eight.get(2..),
            "{time}"
        );
    }
}

#[test]
fn a_code_serves_once_and_a_step_around() {
    let (seed, now) = (b"12345678901234567890", 1_234_567_890);
    let step = now / 30;
    for off in [step - 1, step, step + 1] {
        assert_eq!(accept(seed, &code(seed, off), now, 0), Some(off));
    }
    for off in [step - 2, step + 2] {
        assert_eq!(accept(seed, &code(seed, off), now, 0), None);
    }
    assert_eq!(
        accept(seed, &code(seed, step), now, step),
        None,
        "it was used"
    );

    assert_eq!(
        accept(seed, &code(seed, step - 1), now, step),
        None,
        "an older one is as good as used"
    );

    assert_eq!(
        accept(seed, &code(seed, step + 1), now, step),
        Some(step + 1)
    );

    for bad in ["", "0", "1234567", "abcdef", "\u{661}\u{662}\u{663}"] {
        assert_eq!(accept(seed, bad, now, 0), None, "{bad}");
    }
}

#[test]
fn a_code_has_six_digits_also_where_it_begins_with_zero() {
    let seed = [7; SEED];
    let codes: Vec<String> = (0..2000).map(|step| code(&seed, step)).collect();
    assert!(
        codes
            .iter()
            .all(|code| code.len() == 6 && code.bytes().all(|digit| digit.is_ascii_digit()))
    );
    assert!(codes.iter().any(|code| code.starts_with('0')));
}

#[test]
fn the_first_moment_of_all_has_a_code_too() {
    let seed = [7; SEED];
    assert_eq!(
        accept(&seed, &code(&seed, 1), 0, 0),
        Some(1),
        "a clock that is a step slow"
    );
    assert_eq!(
        accept(&seed, &code(&seed, 0), 0, 0),
        None,
        "step 0 is no later than the last"
    );
}

#[test]
fn a_code_of_another_seed_is_none() {
    let (one, other) = ([1; SEED], [2; SEED]);
    let now = 1_700_000_000;
    assert_eq!(accept(&one, &code(&other, now / 30), now, 0), None);
    assert_eq!(accept(&one, &code(&one, now / 30), now, 0), Some(now / 30));
}

#[test]
fn an_authenticator_reads_seed_user_and_host() {
    assert_eq!(
        uri(b"12345678901234567890", "alice", "web1.example"),
        "otpauth://totp/ordain:alice@web1.example?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=ordain"
    );
    assert_eq!(
        uri(&[0; SEED], "alice", "we\u{1b}b 1?x=/y"),
        "otpauth://totp/ordain:alice@web1xy?secret=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA&issuer=ordain",
        "a host's name cannot add to the address"
    );
}
