//! Executables that are opened, judged and refused, scripts and their interpreters, and their digests.

use super::*;

fn mine() -> Trust {
    Trust {
        own: super::super::effective_uid(),
        private_group: |_, _| false,
    }
}

fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn words(found: &Executable) -> Vec<String> {
    found
        .interpreter
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect()
}

#[test]
fn scripts_run_their_interpreter() {
    let folder = tempfile::tempdir().unwrap();
    let plain = open_executable(Path::new("/bin/true"), &mine(), None).unwrap();
    assert!(plain.interpreter.is_empty());
    let path = script(folder.path(), "s", "#! /bin/sh  -e -u \necho\n");
    let found = open_executable(&path, &mine(), None).unwrap();
    assert_eq!(
        words(&found),
        ["/bin/sh", "-e -u", path.to_str().unwrap()],
        "one argument, as the kernel does"
    );

    let outer = script(folder.path(), "o", &format!("#!{} x\n", path.display()));
    let found = open_executable(&outer, &mine(), None).unwrap();
    assert_eq!(
        words(&found),
        [
            "/bin/sh",
            "-e -u",
            path.to_str().unwrap(),
            "x",
            outer.to_str().unwrap()
        ]
    );

    for bad in ["#!\n", "#! \n", "#!bin/sh\n"] {
        assert!(matches!(
            open_executable(&script(folder.path(), "b", bad), &mine(), None),
            Err(ExecutableFault::Interpreter(..) | ExecutableFault::Io(..))
        ));
    }

    let itself = script(
        folder.path(),
        "i",
        &format!("#!{}\n", folder.path().join("i").display()),
    );

    assert!(matches!(
        open_executable(&itself, &mine(), None),
        Err(ExecutableFault::Interpreter(..))
    ));
}

#[test]
fn a_pin_holds_until_the_file_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = script(folder.path(), "s", "#!/bin/sh\n");
    let Err(ExecutableFault::Digest(_, digest)) = open_executable(&path, &mine(), Some(&[0; 32]))
    else {
        panic!("it fits no such pin")
    };
    assert_eq!(digest, executable_digest(&path).unwrap());
    let mut pin = [0; 32];

    for (at, byte) in pin.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digest.get(2 * at..2 * at + 2).unwrap(), 16).unwrap();
    }
    assert!(open_executable(&path, &mine(), Some(&pin)).is_ok());
    script(folder.path(), "new", "#!/bin/sh\necho other\n");
    std::fs::rename(folder.path().join("new"), &path).unwrap();
    assert!(matches!(
        open_executable(&path, &mine(), Some(&pin)),
        Err(ExecutableFault::Digest(..))
    ));
}

#[test]
fn what_others_can_change_is_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = script(folder.path(), "s", "#!/bin/sh\n");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(
        open_executable(&path, &mine(), None),
        Err(ExecutableFault::Untrusted(_))
    ));
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(
        open_executable(&path, &mine(), None),
        Err(ExecutableFault::NotExecutable(_))
    ));
    assert!(matches!(
        open_executable(&folder.path().join("none"), &mine(), None),
        Err(ExecutableFault::Io(..))
    ));
}
