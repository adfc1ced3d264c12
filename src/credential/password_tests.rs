//! Password hashes, read and verified.

use super::*;

const CHEAP: Cost = Cost {
    memory_kib: 64,
    passes: 1,
    lanes: 1,
};

#[test]
fn a_password_and_its_hash() {
    let text = hash_password(&Secret::new("correct horse".into()), CHEAP).unwrap();
    assert!(text.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{text}");
    let hash = Hash::read(&text).unwrap();
    assert!(hash.verify(&Secret::new("correct horse".into())));

    for wrong in ["", "correct horse ", "Correct horse", "correct horse\0"] {
        assert!(!hash.verify(&Secret::new(wrong.into())), "{wrong:?}");
    }
    assert!(!Hash::nobodys(CHEAP).unwrap().verify(&Secret::default()));
    assert_eq!(Hash::nobodys(CHEAP).unwrap().cost(), hash.cost());
}

#[test]
fn a_hash_of_another_implementation() {
    // From the reference implementation's own test: argon2id, m=65536, t=2, p=1, "password",
    // "somesalt".
    let text =
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    assert!(
        Hash::read(text)
            .unwrap()
            .verify(&Secret::new("password".into()))
    );
}

#[test]
fn absurd_hashes_are_refused() {
    let with =
        |head: &str| format!("{head}$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc");
    for text in [
        with("$argon2i$v=19$m=64,t=1,p=1"),
        with("$argon2d$v=19$m=64,t=1,p=1"),
        with("$argon2id$v=16$m=64,t=1,p=1"),
        with("$argon2id$v=19$m=4194304,t=1,p=1"),
        with("$argon2id$v=19$m=64,t=0,p=1"),
        with("$argon2id$v=19$m=64,t=1,p=0"),
        with("$argon2id$v=19$m=0,t=1,p=1"),
        with("$argon2id$v=19$m=64,t=4294967295,p=1"),
        with("$argon2id$v=19$m=64"),
        with("$2b$12"),
        "$argon2id$v=19$m=64,t=1,p=1".into(),
        "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ".into(),
        "hunter2".into(),
        String::new(),
    ] {
        assert!(Hash::read(&text).is_err(), "{text}");
    }
}

#[test]
fn what_is_wrong_with_a_hash_is_said() {
    let with =
        |head: &str| format!("{head}$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc");
    for (text, sentence) in [
        (
            "hunter2".to_owned(),
            "is not a PHC string such as $argon2id$v=19$m=19456,t=2,p=1$…$…",
        ),
        (
            with("$argon2i$v=19$m=64,t=1,p=1"),
            "is argon2i, only argon2id is accepted",
        ),
        (
            with("$argon2id$v=16$m=64,t=1,p=1"),
            "has another version than 19 (0x13)",
        ),
        (
            with("$argon2id$v=19$m=1048577,t=1,p=1"),
            "wants m=1048577 KiB for one login, at most 1048576 (1 GiB) are accepted",
        ),
        (
            with("$argon2id$v=19$m=64,t=0,p=1"),
            "has m=64, t=0, p=1; none of them may be 0",
        ),
        (
            with("$argon2id$v=19$m=64,t=101,p=1"),
            "has t=101, p=1; more than t=100 or p=64 is absurd",
        ),
        (
            with("$argon2id$v=19$m=4096,t=1,p=65"),
            "has t=1, p=65; more than t=100 or p=64 is absurd",
        ),
        (
            "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ".into(),
            "has no salt or no hash",
        ),
    ] {
        assert_eq!(Hash::read(&text).unwrap_err(), sentence, "{text}");
    }
}

#[test]
fn passwords_have_a_least_and_a_greatest_length() {
    let hash = |length: usize| hash_password(&Secret::new("x".repeat(length)), CHEAP);
    for length in [1, limits::PASSWORD] {
        let text = hash(length).unwrap();
        assert!(
            Hash::read(&text)
                .unwrap()
                .verify(&Secret::new("x".repeat(length)))
        );
    }
    for length in [0, limits::PASSWORD + 1] {
        assert_eq!(
            hash(length),
            Err(format!("a password has 1 to {} bytes", limits::PASSWORD)),
            "{length}"
        );
    }
}

#[test]
fn a_cost_that_cannot_be_is_refused() {
    for cost in [
        Cost {
            memory_kib: 0,
            ..CHEAP
        },
        Cost { passes: 0, ..CHEAP },
        Cost { lanes: 0, ..CHEAP },
        Cost {
            memory_kib: 1,
            lanes: 8,
            ..CHEAP
        },
    ] {
        assert!(
            hash_password(&Secret::new("x".into()), cost).is_err(),
            "{cost:?}"
        );
        assert!(Hash::nobodys(cost).is_none(), "{cost:?}");
    }
}

#[test]
fn a_hash_is_known_by_its_mark_and_shows_its_cost_only() {
    let text = hash_password(&Secret::new("x".into()), CHEAP).unwrap();
    let (one, again) = (Hash::read(&text).unwrap(), Hash::read(&text).unwrap());
    assert_eq!(one.mark(), again.mark());
    let other = hash_password(&Secret::new("x".into()), CHEAP).unwrap();
    assert_ne!(
        one.mark(),
        Hash::read(&other).unwrap().mark(),
        "another salt"
    );
    assert_eq!(format!("{one:?}"), "Hash(m=64,t=1,p=1)");
    assert_eq!(one.cost(), CHEAP);
}

#[test]
fn what_a_parameter_would_change_is_never_passed_over() {
    let with =
        |head: &str| format!("{head}$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc");
    assert!(Hash::read(&with("$argon2id$v=19$m=64,t=1,p=1")).is_ok());
    let no_version = "has no v=19 behind argon2id; without a version it is a hash of argon2's version 16, which is not accepted";
    let long = "A".repeat(200);
    for (head, sentence) in [
        ("$argon2id$m=64,t=1,p=1", no_version),
        ("$argon2id$v=19,m=64,t=1,p=1", no_version),
        (
            "$argon2id$v=19$m=64,t=1,p=1,data=AAAA",
            "has the parameter \"data\", which is not read here; accepted are m, t and p",
        ),
        (
            &format!("$argon2id$v=19$m=64,t=1,p=1,data={long}"),
            "has the parameter \"data\", which is not read here; accepted are m, t and p",
        ),
        (
            "$argon2id$v=19$keyid=AAAA,m=64,t=1,p=1",
            "has the parameter \"keyid\", which is not read here; accepted are m, t and p",
        ),
        (
            "$argon2id$v=19$m=64,m=128,t=1,p=1",
            "has the parameter \"m\" twice",
        ),
        (
            "$argon2id$v=19$m=64,t=1,p=1,p=1",
            "has the parameter \"p\" twice",
        ),
        (
            "$argon2id$v=19$t=1,m=64,p=1",
            "has the parameter \"t\" where \"m\" belongs; the order is m, t, p",
        ),
        ("$argon2id$v=19$m=64,p=1", "has no parameter \"t\""),
        (
            "$argon2id$v=19$m=064,t=1,p=1",
            "has m=064, which is no number",
        ),
        (
            "$argon2id$v=19$m=64,t=4294967296,p=1",
            "has t=4294967296, which is no number",
        ),
        (
            "$argon2id$v=19$m=64,t=1=1,p=1",
            "has t=1=1, which is no number",
        ),
    ] {
        assert_eq!(Hash::read(&with(head)).unwrap_err(), sentence, "{head}");
    }
}

proptest::proptest! {
    /// One text for one hash: whatever is read is what it says, parameter by parameter.
    #[test]
    fn any_head_is_a_fault_or_read_whole(head in "(v=(19|16)|[mtp]=[0-9]{1,3}|data=A|,|\\$){0,9}") {
        let text = format!("$argon2id${head}$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc");
        if let Ok(hash) = Hash::read(&text) {
            let Cost { memory_kib, passes, lanes } = hash.cost();
            proptest::prop_assert_eq!(head, format!("v=19$m={memory_kib},t={passes},p={lanes}"));
        }
    }
}
