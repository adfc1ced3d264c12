//! What is kept, and what of it is believed.

use super::*;

fn login(user: &str, since: u64) -> KeptLogin {
    let factor = Factor::Key("SHA256:x".into());
    KeptLogin {
        user: user.into(),
        key: "k".into(),
        factor,
        source: "::1".into(),
        since,
        until: since + 100,
    }
}

fn id(number: u8) -> SessionId {
    SessionId::from_random([number; 20])
}

#[test]
fn what_is_kept_comes_back_and_what_a_backup_holds_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let (mut vault, found) = Vault::open(folder.path()).unwrap();
    assert_eq!(found, Found::Nothing);
    vault.contents.locks.insert(
        "mallory".into(),
        Lock {
            reason: "left".into(),
            since: 1,
            by: 0,
        },
    );

    vault.keep(id(1), login("alice", 1000));
    vault.snapshot().write().unwrap();
    let (again, found) = Vault::open(folder.path()).unwrap();
    assert_eq!((found, &again.contents), (Found::Same, &vault.contents));
    assert!(again.login(id(1), 1050).is_some());
    assert!(again.login(id(1), 1100).is_none(), "its time is up");

    // A backup of this moment, seal and all, put back after the login was ended.
    let backup: Vec<_> = ["vault.json", "vault.seal"]
        .map(|name| (name, std::fs::read(folder.path().join(name)).unwrap()))
        .into();
    vault.end_logins(|_, _| true);
    vault.snapshot().write().unwrap();
    for (name, bytes) in backup {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let (restored, found) = Vault::open(folder.path()).unwrap();
    assert_eq!(found, Found::Other);
    assert!(restored.contents.logins.is_empty());
    assert!(
        restored.contents.locks.contains_key("mallory"),
        "what takes rights away is believed"
    );
}

#[test]
fn what_could_not_be_written_is_not_believed_later() {
    let folder = tempfile::tempdir().unwrap();
    let (mut vault, _) = Vault::open(folder.path()).unwrap();
    vault.keep(id(1), login("alice", 1000));
    vault.snapshot().write().unwrap();
    vault.end_logins(|_, _| true);

    // Where the new file would be made there is a folder.
    std::fs::create_dir(
        folder
            .path()
            .join(format!(".vault.json.{}.new", std::process::id())),
    )
    .unwrap();
    assert!(vault.snapshot().write().is_err());
    let (restarted, found) = Vault::open(folder.path()).unwrap();
    assert_eq!((found, restarted.contents.logins.len()), (Found::Other, 0));
}

#[test]
fn a_vault_that_was_removed_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    let (vault, _) = Vault::open(folder.path()).unwrap();
    vault.snapshot().write().unwrap();
    std::fs::remove_file(folder.path().join("vault.json")).unwrap();
    assert_eq!(Vault::open(folder.path()).unwrap().1, Found::Removed);
    std::os::unix::fs::symlink("vault.json", folder.path().join("vault.json")).unwrap();
    assert!(Vault::open(folder.path()).is_err());
}

#[test]
fn guessing_codes_takes_ever_longer() {
    let seed = |known_place| {
        move |wrong| {
            Seed {
                secret: String::new(),
                last: 0,
                wrong,
                wrong_at: 1000,
            }
            .patience(known_place)
        }
    };

    assert_eq!(
        [0, 4, 5, 6, 7, 100].map(seed(false)),
        [0, 0, 1060, 1120, 1240, 87_400]
    );
    assert_eq!(
        [0, 5, 9, 10, 11, 100].map(seed(true)),
        [0, 0, 0, 1010, 1020, 22_600],
        "no place lifts it"
    );
}

#[test]
fn what_is_broken_or_open_to_others_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.json");

    for text in ["", "{", "[]", "{\"locks\": 3}", "{\"x\": {}}"] {
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        assert!(Vault::open(folder.path()).is_err(), "{text}");
    }

    std::fs::write(&path, "{}").unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    assert!(Vault::open(folder.path()).is_err());
}

#[test]
fn a_user_keeps_so_many_logins_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let (mut vault, _) = Vault::open(folder.path()).unwrap();
    for number in 0..=u8::try_from(LOGINS_PER_USER).unwrap() {
        let evicted = vault.keep(id(number), login("alice", u64::from(number)));
        assert_eq!(evicted.is_some(), usize::from(number) == LOGINS_PER_USER);
    }

    vault.keep(id(200), login("bob", 0));
    assert_eq!(vault.contents.logins.len(), LOGINS_PER_USER + 1);
    assert!(vault.login(id(0), 0).is_none(), "the oldest made room");
}

#[test]
fn a_vault_is_private_and_so_is_its_folder() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let (vault, _) = Vault::open(&state).unwrap();
    vault.snapshot().write().unwrap();
    let mode = |name: &str| {
        std::fs::metadata(state.join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode("."), 0o700);
    assert_eq!(mode("vault.json"), 0o600);
    assert_eq!(mode("vault.seal"), 0o600);
    assert_eq!(
        std::fs::read_dir(&state).unwrap().count(),
        2,
        "nothing half written is left"
    );
}

#[test]
fn everything_that_is_kept_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (mut vault, _) = Vault::open(folder.path()).unwrap();
    vault.contents.seeds.insert(
        "alice".into(),
        Seed {
            secret: "00ff".into(),
            last: 7,
            wrong: 3,
            wrong_at: 99,
        },
    );
    vault
        .contents
        .places
        .insert("alice".into(), vec!["192.0.2.0/24".into()]);
    vault.keep(id(1), login("alice", 5));
    vault.snapshot().write().unwrap();
    let (again, found) = Vault::open(folder.path()).unwrap();
    assert_eq!(found, Found::Same);
    assert_eq!(again.contents, vault.contents);
}

#[test]
fn a_file_without_its_seal_keeps_its_locks_and_loses_its_logins() {
    for seal in [None, Some(""), Some("1 2 3.000000004 5\n")] {
        let folder = tempfile::tempdir().unwrap();
        let (mut vault, _) = Vault::open(folder.path()).unwrap();
        vault.keep(id(1), login("alice", 5));
        vault.contents.locks.insert(
            "bob".into(),
            Lock {
                reason: String::new(),
                since: 1,
                by: 0,
            },
        );
        vault.snapshot().write().unwrap();

        let path = folder.path().join("vault.seal");
        match seal {
            None => std::fs::remove_file(path).unwrap(),
            Some(text) => std::fs::write(path, text).unwrap(),
        }
        let (opened, found) = Vault::open(folder.path()).unwrap();
        assert_eq!(found, Found::Other, "{seal:?}");
        assert!(opened.contents.logins.is_empty());
        assert!(opened.contents.locks.contains_key("bob"));
    }
}

#[test]
fn a_file_that_was_edited_in_place_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let (mut vault, _) = Vault::open(folder.path()).unwrap();
    vault.keep(id(1), login("alice", 5));
    vault.snapshot().write().unwrap();
    let path = folder.path().join("vault.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("alice", "mallory")).unwrap();
    let (opened, found) = Vault::open(folder.path()).unwrap();
    assert_eq!(found, Found::Other);
    assert!(opened.contents.logins.is_empty());
}

#[test]
fn logins_are_ended_by_whose_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let (mut vault, _) = Vault::open(folder.path()).unwrap();
    vault.keep(id(1), login("alice", 1));
    vault.keep(id(2), login("bob", 2));
    vault.keep(id(3), login("alice", 3));
    let ended = vault.end_logins(|_, login| login.user == "alice");
    assert_eq!(ended.len(), 2);
    assert!(ended.iter().all(|(_, login)| login.user == "alice"));
    assert!(vault.login(id(2), 50).is_some());
    assert!(vault.login(id(1), 50).is_none());
    let one = id(2).to_string();
    assert_eq!(vault.end_logins(|id, _| id == one).len(), 1);
    assert!(vault.end_logins(|_, _| true).is_empty());
}

#[test]
fn a_login_is_good_until_its_time_and_not_at_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut vault, _) = Vault::open(folder.path()).unwrap();
    vault.keep(id(1), login("alice", 1000));
    for (now, good) in [(0, true), (1099, true), (1100, false), (u64::MAX, false)] {
        assert_eq!(vault.login(id(1), now).is_some(), good, "{now}");
    }
    assert!(vault.login(id(9), 0).is_none());
}

#[test]
fn a_seed_is_not_shown() {
    let seed = Seed {
        secret: "deadbeef".into(),
        last: 7,
        wrong: 0,
        wrong_at: 0,
    };
    let shown = format!("{seed:?}");
    assert!(!shown.contains("deadbeef"), "{shown}");
}

#[test]
fn patience_never_runs_over() {
    let seed = Seed {
        secret: String::new(),
        last: 0,
        wrong: u32::MAX,
        wrong_at: u64::MAX - 5,
    };
    assert_eq!(seed.patience(false), u64::MAX);
}
