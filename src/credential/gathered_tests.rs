//! Trees of logins: every text has one place, and no other place is its own.

use super::*;
use proptest::prelude::*;

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("login {number}")).collect()
}

fn gathering(texts: &[String]) -> Gathering {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    Gathering::of(&texts).unwrap()
}

#[test]
fn the_root_of_three_is_of_their_hashes() {
    let [one, two, three] = ["login 0", "login 1", "login 2"].map(|text| {
        let mut bytes = vec![0];
        bytes.extend(text.as_bytes());
        sha256(&bytes)
    });
    let pair = sha256(&[&[1], one.as_slice(), &two].concat());
    let root = sha256(&[&[1], pair.as_slice(), &three].concat());
    let gathering = gathering(&texts(3));
    assert_eq!(
        gathering.signed(),
        [&[0, 0, 0, 3], root.as_slice()].concat()
    );
    // The last goes up alone, so only the pair stands beside it.
    let place = gathering.place(2).unwrap();
    assert_eq!(
        (place.index, place.count, place.path),
        (2, 3, base64(&pair))
    );
    assert!(gathering.place(3).is_none());
}

#[test]
fn one_login_alone_and_too_many_are_no_gathering() {
    for count in [0, 1, GATHERED + 1] {
        let texts = vec!["login"; count];
        assert!(Gathering::of(&texts).is_none(), "{count}");
    }
    assert!(Gathering::of(&vec!["login"; GATHERED]).is_some());
}

#[test]
fn every_text_of_every_small_gathering_stands_at_its_place_alone() {
    for count in 2..=40 {
        let texts = texts(count);
        let gathering = gathering(&texts);
        let signed = gathering.signed();
        for index in 0..count {
            let place = gathering.place(index).unwrap();
            assert_eq!(signed_at(&texts[index], &place), Ok(signed.clone()));
            for (number, other) in texts.iter().enumerate() {
                let fits = signed_at(other, &place) == Ok(signed.clone());
                assert_eq!(fits, number == index, "{number} at {index} of {count}");
            }
            // The same way under another number, or in another count, leads elsewhere.
            for (index, count) in (0..45).flat_map(|index| (0..45).map(move |count| (index, count)))
            {
                let moved = Gathered {
                    index,
                    count,
                    path: place.path.clone(),
                };
                let same = (moved.index, moved.count) == (place.index, place.count);
                let fits = signed_at(&texts[place.index as usize], &moved) == Ok(signed.clone());
                assert_eq!(fits, same, "{moved:?} is not {place:?}");
            }
        }
    }
}

#[test]
fn numbers_beyond_the_count_and_absurd_counts_are_refused() {
    let place = |index, count| Gathered {
        index,
        count,
        path: base64(&[0; 32]),
    };
    for (index, count) in [
        (0, 0),
        (0, 1),
        (0, 1025),
        (0, u32::MAX),
        (u32::MAX, u32::MAX),
    ] {
        assert_eq!(
            signed_at("login", &place(index, count)),
            Err("a signature of fewer than two logins, or of too many")
        );
    }
    assert_eq!(
        signed_at("login", &place(2, 2)),
        Err("a login beyond the last that was signed with it")
    );
}

/// The hash of two others is no text's: what stands in the middle of a tree is no login.
#[test]
fn a_node_is_no_login() {
    let texts = texts(4);
    let gathering = gathering(&texts);
    let [left, right] = [0, 1].map(|at| gathering.levels[0][at]);
    let inner = gathering.levels[1][1];
    let text = [left.as_slice(), &right].concat();
    assert_ne!(
        sha256(&[&[LEAF], text.as_slice()].concat()),
        gathering.levels[1][0]
    );
    let shorter = Gathered {
        index: 0,
        count: 2,
        path: base64(&inner),
    };
    assert_ne!(signed_at("login 0", &shorter), Ok(gathering.signed()));
}

proptest! {
    #[test]
    fn every_text_leads_to_what_was_signed(count in 2..=GATHERED, chosen in any::<prop::sample::Index>()) {
        let texts = texts(count);
        let gathering = gathering(&texts);
        let index = chosen.index(count);
        let place = gathering.place(index).unwrap();
        prop_assert_eq!(signed_at(&texts[index], &place), Ok(gathering.signed()));
        // A thousand logins are ten hashes away.
        prop_assert!(place.path.len() <= 428);
    }

    #[test]
    fn no_changed_way_leads_there(
        count in 2..100_usize,
        chosen in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
        cut in 1..64_usize,
    ) {
        let texts = texts(count);
        let gathering = gathering(&texts);
        let index = chosen.index(count);
        let place = gathering.place(index).unwrap();
        let right = unbase64_any(&place.path).unwrap();

        let mut changed = right.clone();
        changed[at.index(right.len())] ^= 1 << bit;
        let longer = [right.as_slice(), &vec![0; cut]].concat();
        let shorter = right[..right.len() - cut.min(right.len())].to_vec();
        for path in [changed, longer, shorter] {
            let other = Gathered { path: base64(&path), ..place.clone() };
            prop_assert_ne!(signed_at(&texts[index], &other), Ok(gathering.signed()));
        }
    }

    #[test]
    fn no_place_makes_it_panic(index in any::<u32>(), count in any::<u32>(), small in 0..2000_u32, path in ".{0,500}") {
        let _ = signed_at("login", &Gathered { index, count, path: path.clone() });
        let _ = signed_at("login", &Gathered { index: small / 2, count: small, path });
    }

    /// What spells the same bytes in another way is refused.
    #[test]
    fn a_way_has_one_spelling(count in 2..50_usize, chosen in any::<prop::sample::Index>(), extra in "[ \n=A]{1,2}") {
        let texts = texts(count);
        let gathering = gathering(&texts);
        let index = chosen.index(count);
        let place = gathering.place(index).unwrap();
        for path in [format!("{}{extra}", place.path), place.path.trim_end_matches('=').to_owned()] {
            if path != place.path {
                let other = Gathered { path, ..place.clone() };
                prop_assert!(signed_at(&texts[index], &other).is_err());
            }
        }
    }
}
