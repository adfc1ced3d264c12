//! What the packages hold: the lists in Cargo.toml and packaging/build, without building anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Where each file of a package comes from and with which mode, by where it goes.
type List = BTreeMap<String, (PathBuf, String)>;

/// The files that a pattern means: `*` stands in the name alone. What is built has no files yet.
fn meant(pattern: &str) -> Vec<PathBuf> {
    let (folder, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    let Some((begins, ends)) = name
        .split_once('*')
        .filter(|_| !folder.starts_with("target"))
    else {
        return vec![pattern.into()];
    };
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let fitting = names.filter(|name| name.starts_with(begins) && name.ends_with(ends));
    fitting.map(|name| Path::new(folder).join(name)).collect()
}

fn package(variant: &str) -> List {
    let text = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    let deb = &manifest["package"]["metadata"]["deb"]["variants"][variant];
    let mut list = List::new();
    for asset in deb["assets"].as_array().unwrap() {
        let [from, to, mode] = [0, 1, 2].map(|at| asset[at].as_str().unwrap());
        for file in meant(from) {
            let name = file.file_name().unwrap().to_str().unwrap();
            let to = match to.strip_suffix('/') {
                Some(folder) => format!("{folder}/{name}"),
                None => to.to_owned(),
            };
            let before = list.insert(to.clone(), (file, mode.to_owned()));
            assert!(before.is_none(), "{to} stands twice in {variant}");
        }
    }
    list
}

#[test]
fn every_file_of_a_package_is_there_and_has_a_fitting_mode() {
    for variant in ["client", "daemon"] {
        for (to, (from, mode)) in package(variant) {
            let built = from.starts_with("target");
            assert!(built || root().join(&from).is_file(), "{}", from.display());
            let wanted = match to.as_str() {
                to if to.starts_with("usr/bin/") => "755",
                // It is to hold hashes of passwords.
                "etc/ordain/config.toml" => "600",
                _ => "644",
            };
            assert_eq!(mode, wanted, "{to}");
        }
    }
}

#[test]
fn the_client_is_a_package_of_its_own() {
    let (client, daemon) = (package("client"), package("daemon"));
    let both: Vec<&String> = client
        .keys()
        .filter(|to| daemon.contains_key(*to))
        .collect();
    assert!(both.is_empty(), "in both packages: {both:?}");
    for to in client.keys().filter(|to| !to.starts_with("usr/share/doc/")) {
        let words = [
            "systemd", "sysusers", "tmpfiles", "etc/", "ordaind", "man5", "man8",
        ];
        assert!(!words.iter().any(|word| to.contains(word)), "{to}");
    }

    let programs = |list: &List| -> BTreeSet<String> {
        let to = list.keys().filter_map(|to| to.strip_prefix("usr/bin/"));
        to.map(str::to_owned).collect()
    };
    assert_eq!(
        programs(&client),
        ["ordain", "ordain-certs"].map(str::to_owned).into()
    );
    assert_eq!(programs(&daemon), ["ordaind".to_owned()].into());
    for (list, program) in [
        (&client, "ordain"),
        (&client, "ordain-certs"),
        (&daemon, "ordaind"),
    ] {
        let completions = format!("usr/share/bash-completion/completions/{program}");
        assert!(list.contains_key(&completions), "{completions}");
    }
}

#[test]
fn nothing_that_is_installed_is_forgotten() {
    let (client, daemon) = (package("client"), package("daemon"));
    let holds = |list: &List, file: &Path| list.values().any(|(from, _)| from == file);
    for unit in meant("systemd/*") {
        let is_check = unit.ends_with("check");
        assert_eq!(holds(&daemon, &unit), !is_check, "{}", unit.display());
    }
    for page in meant("docs/src/*.md")
        .into_iter()
        .chain(meant("docs/src/recipes/*.md"))
    {
        assert!(holds(&client, &page), "{}", page.display());
    }
    for sections in [
        "target/documents/*.1",
        "target/documents/*.5",
        "target/documents/*.8",
    ] {
        let section = Path::new(sections);
        assert!(
            holds(&client, section) != holds(&daemon, section),
            "{sections}"
        );
    }

    // The archive has both.
    let script = std::fs::read_to_string(root().join("packaging/build")).unwrap();
    for unit in meant("systemd/*")
        .iter()
        .filter(|unit| !unit.ends_with("check"))
    {
        assert!(
            script.contains(&unit.display().to_string()),
            "{}",
            unit.display()
        );
    }
    for text in meant("*.md").iter().chain(&meant("LICENSE-*")) {
        let own = ["ARCHITECTURE.md", "CONTRIBUTING.md"];
        let for_developers = own.iter().any(|name| text.ends_with(name));
        let name = text.display().to_string();
        assert_eq!(script.contains(&name), !for_developers, "{name}");
    }
}

/// Programs of another profile went by the name of a release's.
#[test]
fn a_package_is_of_a_release_alone() {
    let built = Command::new(root().join("packaging/build"))
        .arg("deb")
        .env("PROFILE", "dev")
        .output()
        .unwrap();
    assert_eq!(built.status.code(), Some(2));
    let said = String::from_utf8_lossy(&built.stderr);
    assert_eq!(
        said,
        "packages are of a release; PROFILE=dev is for tarball and static\n"
    );
}

#[test]
fn the_scripts_of_packaging_are_scripts() {
    for file in [
        "build",
        "check",
        "check-static",
        "check-tarball",
        "deb/postinst",
        "deb/postrm",
        "deb/prerm",
    ] {
        let read = Command::new("/bin/sh")
            .arg("-n")
            .arg(root().join("packaging").join(file))
            .output()
            .unwrap();
        assert!(read.status.success(), "{file}: {read:?}");
    }
}
