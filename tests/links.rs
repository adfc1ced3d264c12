//! Paths that somebody else could make mean something else, and a state folder in which they could
//! have removed what they liked: found by `check`, refused at the start and at each run. And daemons
//! that share a tree of control groups, and must not take one another's runs for a dead one's.

mod common;

use common::{
    Cmd, Server, alive, block, grouped, invocation, is_root, launch, run, stderr, stdout, wait,
    write,
};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Somebody else, on every machine.
const NOBODY: u32 = 65534;

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// A folder that anybody may look into, and one in it.
fn folder_in(path: &Path, mode: u32) {
    std::fs::create_dir_all(path).unwrap();
    chmod(path, mode);
}

/// Does something as nobody; as ourselves where the tests are not root's, which comes to the same in
/// a folder that anybody can write to.
fn as_nobody(script: &str, folder: &Path) {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-ec", script]).current_dir(folder);
    if is_root() {
        shell.uid(NOBODY).gid(NOBODY);
    }
    let output = run(&mut shell);
    assert!(output.status.success(), "{script}: {}", stderr(&output));
}

/// `tool → open/current → /bin/echo`, in a folder that others may enter.
fn with_a_link_in_the_middle() -> common::Setup {
    let setup = Server::new();
    chmod(setup.folder(), 0o755);
    folder_in(&setup.path("open"), 0o755);
    symlink("/bin/echo", setup.path("open/current")).unwrap();
    symlink(setup.path("open/current"), setup.path("tool")).unwrap();
    setup
        .command(Cmd::new("tool", &["{folder}/tool", "vetted"]))
        .alice()
}

/// `ordaind` with this configuration.
fn ordaind(folder: &Path, words: &[&str]) -> Output {
    run(Command::new(env!("CARGO_BIN_EXE_ordaind"))
        .arg("--config")
        .arg(folder.join("config.toml"))
        .args(words))
}

fn refused_run(server: &Server) -> Option<u16> {
    block(async {
        let session = server.session("alice").await;
        session.run(invocation("tool", &[])).await.err()
    })
    .map(|fault| fault.code)
}

#[test]
fn a_link_that_anybody_can_repoint_is_a_fault_of_the_configuration() {
    let folder = with_a_link_in_the_middle().prepare().into_folder();
    let open = folder.path().join("open");
    let check = || ordaind(folder.path(), &["check"]);
    let output = check();
    assert!(output.status.success(), "{}", stdout(&output));

    chmod(&open, 0o777);
    let output = check();
    assert!(!output.status.success());
    let said = stdout(&output);
    let sentence = format!(
        "commands.tool.exec: {} can be changed by anybody (mode 0777)",
        open.canonicalize().unwrap().display()
    );
    assert!(said.contains(&sentence), "{said}");
}

#[test]
fn a_link_that_anybody_has_repointed_runs_nothing() {
    let server = with_a_link_in_the_middle().start();
    assert_eq!(stdout(&server.ordain(&["run", "t", "tool"])), "vetted\n");

    // Its folder is opened while the daemon runs, and somebody uses that.
    chmod(&server.path("open"), 0o777);
    as_nobody(
        "ln -s /usr/bin/id new && mv -f new current",
        &server.path("open"),
    );
    assert_eq!(
        std::fs::read_link(server.path("open/current")).unwrap(),
        Path::new("/usr/bin/id")
    );
    assert_eq!(refused_run(&server), Some(506));

    // The folder is closed again; the link is still theirs.
    chmod(&server.path("open"), 0o755);
    if is_root() {
        assert_eq!(refused_run(&server), Some(506));
    }
}

/// Files of the configuration that are reached through somebody else's link are not read.
#[test]
fn configuration_certificate_and_key_are_walked_to_as_well() {
    for (name, key) in [
        ("server.crt", "tls.certificate"),
        ("server.key", "tls.key"),
        ("config.toml", ""),
        ("extra.toml", ""),
    ] {
        let setup = Server::new().alice();
        chmod(setup.folder(), 0o755);
        write(&setup.path("extra.toml"), "", 0o600);
        let folder = setup.prepare().into_folder();
        let config = folder.path().join("config.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        write(
            &config,
            &format!("include = [\"extra.toml\"]\n{text}"),
            0o600,
        );

        let open = folder.path().join("open");
        folder_in(&open, 0o755);
        let there = folder.path().join(name);
        let real = folder.path().join("real");
        std::fs::rename(&there, &real).unwrap();
        symlink(&real, open.join("current")).unwrap();
        symlink("open/current", &there).unwrap();
        let output = ordaind(folder.path(), &["check"]);
        assert!(output.status.success(), "{name}: {}", stdout(&output));

        chmod(&open, 0o777);
        let output = ordaind(folder.path(), &["check"]);
        assert!(!output.status.success(), "{name}");
        let said = stdout(&output);
        assert!(
            said.contains("open can be changed by anybody (mode 0777)"),
            "{said}"
        );
        assert!(said.contains(key), "{said}");
    }
}

/// What stands in the last backticks of a line.
fn command_in(line: &str) -> &str {
    let (rest, _) = line.rsplit_once('`').unwrap();
    rest.rsplit_once('`').unwrap().1
}

/// Faults of owners and modes named the file, and left the rest to whoever read it.
#[test]
fn every_wrong_owner_or_mode_comes_with_the_command_that_mends_it() {
    let setup = Server::new().alice().toml("include = [\"more/*.toml\"]\n");
    let tool = setup.path("a tool");
    let setup = setup.command(Cmd::new("tool", &[&tool.to_string_lossy()]));
    folder_in(&setup.path("more"), 0o755);
    folder_in(&setup.path("state"), 0o700);
    let prepared = setup
        .file("a tool", "#!/bin/sh\n", 0o755)
        .file("more/one.toml", "[roles.more]\ncommands = []\n", 0o600)
        .prepare();
    let config = prepared.config();
    let text = prepared.text().replace("include = [\"more/*.toml\"]\n", "");
    write(
        &config,
        &format!("include = [\"more/*.toml\"]\n{text}"),
        0o600,
    );
    let folder = prepared.into_folder();
    let check = || ordaind(folder.path(), &["check"]);
    assert!(check().status.success(), "{}", stdout(&check()));

    let mended = |what: &str| {
        let output = check();
        let said = stdout(&output);
        assert!(!output.status.success(), "{what}: {said}");
        let faults: Vec<_> = said
            .lines()
            .filter(|line| line.starts_with("fault: "))
            .collect();
        assert_eq!(faults.len(), 1, "{what}: {said}");
        let mut shell = Command::new("/bin/sh");
        let mend = shell.args(["-c", command_in(faults[0])]).status().unwrap();
        assert!(mend.success(), "{said}");
        assert!(
            check().status.success(),
            "{what}: {said}{}",
            stdout(&check())
        );
    };
    for (name, mode) in [
        ("config.toml", 0o622),
        ("config.toml", 0o644),
        ("more", 0o777),
        ("more/one.toml", 0o622),
        ("server.key", 0o640),
        ("server.crt", 0o666),
        ("a tool", 0o757),
    ] {
        chmod(&folder.path().join(name), mode);
        mended(name);
    }
    if !is_root() {
        return println!("skipped: only root can give files away");
    }
    for name in [
        "config.toml",
        "more",
        "more/one.toml",
        "server.key",
        "a tool",
    ] {
        std::os::unix::fs::chown(folder.path().join(name), Some(65534), None).unwrap();
        mended(name);
    }
}

/// Nobody deleted vault, seal, trail and key in such a folder, and whoever was locked was in.
#[test]
fn a_folder_that_others_can_change_keeps_nothing() {
    for (what, key, open) in [
        ("state", "server.state", "open/state"),
        ("state", "server.state", "open"),
        ("trail", "audit.file", "open"),
        ("control", "server.control", "open"),
    ] {
        let mut setup = Server::new().alice();
        chmod(setup.folder(), 0o755);
        folder_in(&setup.path("open/state"), 0o700);
        chmod(&setup.path("open"), 0o755);
        setup = match what {
            "state" => setup.without_listeners(),
            "trail" => setup.table("audit", "file = \"open/state/trail.jsonl\""),
            _ => setup.server("control = \"open/state/control\""),
        };
        let folder = setup.prepare().into_folder();
        let config = folder.path().join("config.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        if what == "state" {
            let text = text.replace("state = \"state\"", "state = \"open/state\"");
            write(&config, &text, 0o600);
        }
        let output = ordaind(folder.path(), &["check"]);
        assert!(output.status.success(), "{what}: {}", stdout(&output));

        let open = folder.path().join(open).canonicalize().unwrap();
        chmod(&open, 0o777);
        let output = ordaind(folder.path(), &["check"]);
        let said = stdout(&output);
        let sentence = format!(
            "{key}: {} can be changed by anybody (mode 0777)",
            open.display()
        );
        assert!(said.contains(&sentence), "{said}");
        assert!(
            said.contains(&format!("{} && chmod ", open.display())),
            "{said}"
        );
        assert!(stdout(&ordaind(folder.path(), &["doctor"])).contains(&sentence));

        let (mut child, log) = launch(&config, &[], None);
        log.wait_for(&sentence);
        assert!(!child.wait().unwrap().success());
    }
}

#[test]
fn a_state_folder_where_anybody_can_make_files_is_none() {
    let folder = Server::new().alice().prepare().into_folder();
    folder_in(&folder.path().join("state"), 0o1777);
    let said = stdout(&ordaind(folder.path(), &["check"]));
    let sentence = "can be changed by anybody (mode 1777)";
    assert!(said.contains(sentence), "{said}");
    assert!(
        said.contains("in which nobody else can make files"),
        "{said}"
    );
}

/// In such a folder anybody could remove the file that takes rights away, and nothing would be
/// missed.
#[test]
fn a_folder_of_included_files_is_judged_though_it_is_empty() {
    for (mode, sound) in [(0o755, true), (0o777, false), (0o1777, false)] {
        let folder = Server::new().alice().prepare().into_folder();
        folder_in(&folder.path().join("conf.d"), mode);
        let config = folder.path().join("config.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        write(
            &config,
            &format!("include = [\"conf.d/*.toml\"]\n{text}"),
            0o600,
        );
        let output = ordaind(folder.path(), &["check"]);
        let said = stdout(&output);
        assert_eq!(output.status.success(), sound, "{said}");
        assert_eq!(
            said.contains("conf.d can be changed by anybody"),
            !sound,
            "{said}"
        );
    }
}

/// What the daemon says of itself.
fn status(server: &Server) -> String {
    stdout(&server.ordaind(&["status"]))
}

#[test]
fn whoever_was_locked_stays_out_when_the_vault_is_gone() {
    for gone in [&["vault.json"][..], &["vault.json", "vault.seal"]] {
        let mut server = Server::standard();
        assert!(
            server
                .ordaind(&["lock", "alice", "--reason", "has left"])
                .status
                .success()
        );
        assert!(server.ordaind(&["lock", "bob"]).status.success());
        assert!(server.ordaind(&["unlock", "bob"]).status.success());
        server.stop();
        for name in gone {
            std::fs::remove_file(server.path(&format!("state/{name}"))).unwrap();
        }

        server.restart();
        assert!(!server.ordain(&["run", "t", "true"]).status.success());
        let locked = stdout(&server.ordaind(&["lock", "--list"]));
        assert!(
            locked.contains("alice") && locked.contains("has left"),
            "{locked}"
        );
        assert!(!locked.contains("bob"), "{locked}");
        assert_eq!(server.records("vault").last().unwrap()["state"], "removed");
        assert!(
            status(&server).contains("the vault in the state folder was removed"),
            "{}",
            status(&server)
        );

        // What was taken over is kept, and the next daemon has nothing to complain of.
        server.restart();
        assert!(!server.ordain(&["run", "t", "true"]).status.success());
        assert!(!status(&server).contains("was removed"));
        assert_eq!(server.records("vault").len(), 2);
    }
}

#[test]
fn whoever_had_a_seed_does_not_get_in_without_when_it_is_gone() {
    let mut server = Server::standard();
    assert!(server.ordaind(&["totp", "alice"]).status.success());
    server.stop();
    for name in ["vault.json", "vault.seal"] {
        std::fs::remove_file(server.path(&format!("state/{name}"))).unwrap();
    }
    server.restart();
    assert!(!server.ordain(&["run", "t", "true"]).status.success());
    assert!(stdout(&server.ordaind(&["lock", "--list"])).contains("seed of their one-time codes"));
}

#[test]
fn a_key_or_a_trail_that_is_gone_is_an_alarm_and_no_fresh_start() {
    let mut server = Server::standard();
    server.stop();
    std::fs::remove_file(server.path("state/trail.key")).unwrap();
    server.restart();
    assert_eq!(server.records("trail-key").len(), 1);
    assert!(status(&server).contains("the trail's key was gone"));

    server.stop();
    for name in ["trail.jsonl", "trail.head"] {
        std::fs::remove_file(server.path(&format!("state/{name}"))).unwrap();
    }
    server.restart();
    assert_eq!(server.records("vault").last().unwrap()["state"], "older");
    assert!(status(&server).contains("the trail is gone"));

    // Nothing is left but the key.
    server.stop();
    for name in ["trail.jsonl", "trail.head", "vault.json", "vault.seal"] {
        std::fs::remove_file(server.path(&format!("state/{name}"))).unwrap();
    }
    server.restart();
    assert!(status(&server).contains("the trail is gone"));
}

#[test]
fn a_first_start_is_no_alarm() {
    let mut server = Server::standard();
    assert_eq!(server.records("vault").len(), 1);
    server.restart();
    let found = server.records("vault");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["state"], "made");
    assert!(server.records("trail-key").is_empty());
}

/// A command whose process says who it is and goes on.
fn long() -> Cmd {
    Cmd::sh(
        "long",
        "echo $$ > \"$1/pid\"; exec sleep 1000",
        &["{folder}"],
    )
    .goes_on()
}

/// Starts the long command and gives back the process of its run.
fn running(server: &Server) -> String {
    let mut client = server.client();
    client.args(["run", "--detach", "t", "long"]);
    let output = run(&mut client);
    assert!(output.status.success(), "{}", stderr(&output));
    let pid = || std::fs::read_to_string(server.path("pid")).unwrap_or_default();
    wait("the process of the run", || pid().ends_with('\n'));
    pid().trim().to_owned()
}

#[test]
fn daemons_in_one_tree_leave_one_anothers_runs_alone_and_end_a_dead_ones() {
    if !grouped() {
        return;
    }
    let start = || Server::new().command(long()).alice().start();
    let mut one = start();
    let of_one = running(&one);
    let two = start();
    let of_two = running(&two);
    assert!(
        alive(&of_one),
        "the second daemon's start has ended the first one's run"
    );

    // Killed without a word; whichever daemon starts next in the tree ends its run.
    one.child.kill().unwrap();
    one.child.wait().unwrap();
    let three = start();
    wait("the end of a dead daemon's run", || !alive(&of_one));
    assert!(alive(&of_two));
    drop((two, three));
}

/// Where control groups of version 2 are mounted, and this process's in them.
fn own_group() -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mount = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
    let mut words = mount.split(' ').skip(3);
    let (root, point) = (words.next()?, words.next()?);
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let below = own.strip_prefix(root.trim_end_matches('/')).unwrap_or(own);
    Some(Path::new(point).join(below.trim_start_matches('/')))
}

/// The kernel has given the dead daemon's process id to somebody who lives, and who is even in its
/// leaf: the lock alone says who lives.
#[test]
fn a_dead_daemons_runs_end_whoever_has_its_process_id_now() {
    let Some(outer) = own_group().filter(|_| grouped()) else {
        return;
    };
    let base = outer.join(format!("ordaind-{:032x}", std::process::id()));
    let sleeper = |group: &str| {
        let group = base.join(group);
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        let into = || std::fs::write(group.join("cgroup.procs"), child.id().to_string());
        // Another test's daemon may clear it away before there is anything in it.
        while into().is_err() {
            std::fs::create_dir_all(&group).unwrap();
        }
        child
    };
    let mut both = [sleeper("daemon"), sleeper("run-1")];
    let server = Server::new().alice().start();
    for child in &mut both {
        assert!(!child.wait().unwrap().success(), "it was killed");
    }
    wait("the end of the group", || !base.exists());
    drop(server);
}

#[test]
fn a_lock_holds_though_a_vault_of_before_was_put_back() {
    let mut server = Server::standard();
    let vault = server.path("state/vault.json");
    let backup = std::fs::read(&vault).unwrap();
    assert!(server.ordaind(&["lock", "alice"]).status.success());
    server.stop();
    std::fs::write(&vault, backup).unwrap();
    server.restart();
    assert_eq!(server.records("vault").last().unwrap()["state"], "replaced");
    assert!(!server.ordain(&["run", "t", "true"]).status.success());
    assert!(server.ordaind(&["unlock", "alice"]).status.success());
    assert!(server.ordain(&["run", "t", "true"]).status.success());
}
