//! What an operator meets: faulty configurations, reload, status, stopping, certificates, the demo.

mod common;

use common::{
    Cmd, Log, Server, alive, client_in, host, is_root, launch, signal, stderr, stdout, write,
};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn ordaind(config: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ordaind"))
        .args(words)
        .arg("--config")
        .arg(config)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn certs(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ordain-certs"))
        .args(words)
        .output()
        .unwrap()
}

#[test]
fn every_fault_is_listed_with_its_line_and_nothing_starts() {
    let prepared = Server::new().tls("colour = \"red\"").prepare();
    let config = prepared.config();
    let sound = prepared.text();
    let faulty = format!(
        r#"{sound}
[commands.a]
exec = ["true"]
[commands.b]
exec = ["/bin/echo", "{{nothing}}", "x"]
timeout = "soon"
[commands.c]
exec = ["/bin/echo", "{{x}}"]
args.x = {{ type = "string", pattern = "(" }}
[commands.d]
exec = ["/bin/sh", "-c", "echo {{x}}"]
args.x = {{ type = "string", pattern = ".*" }}
[commands.e]
exec = ["/bin/echo", "{{x}}"]
args.x = {{ type = "number", min = 1 }}
[commands.f]
exec = ["/no/such/program"]
[commands.g]
exec = ["/bin/echo"]
environment.PATH = "{{x}}"
args.x = {{ type = "ip" }}
[commands.h]
exec = ["/bin/echo"]
stdin = "yes"
[roles.r]
commands = ["no-such-command"]
verbs = ["everything"]
sources = ["10.0.0.1/8"]
[users.u]
roles = ["no-such-role"]
password = "hunter2"
ssh_keys = ["ssh-dss AAAA"]
"#
    );
    write(&config, &faulty, 0o600);
    let check = ordaind(&config, &["check"]);
    assert_eq!(check.status.code(), Some(1));
    let said = stdout(&check);
    let line_of = |text: &str| faulty.lines().position(|line| line.contains(text)).unwrap() + 1;
    for (at, says) in [
        (
            "colour",
            "tls.colour: unknown key; accepted are acknowledge, certificate, client_ca, handshake_timeout, key",
        ),
        ("exec = [\"true\"]", "an absolute path"),
        ("{nothing}", "`{nothing}` is not a declared argument"),
        ("soon", "found \"soon\"; accepted is a duration"),
        ("pattern = \"(\"", "is no usable pattern"),
        (
            "[commands.d]",
            "a hole in the code, script or options given to an interpreter",
        ),
        (
            "type = \"number\"",
            "found \"number\"; accepted are \"choice\", \"integer\"",
        ),
        ("[commands.f]", "/no/such/program"),
        ("environment.PATH", "a client must not fill `PATH`"),
        ("stdin = \"yes\"", "accepted is true or false"),
        ("no-such-command", "there is no command `no-such-command`"),
        (
            "everything",
            "accepted are cancel-of-others, runs-of-others",
        ),
        ("10.0.0.1/8", "the network is 10.0.0.0/8"),
        ("[users.u]", "there is no role `no-such-role`"),
        ("hunter2", "is not a PHC string"),
        (
            "ssh-dss",
            "found a DSA key, which protects nothing any more",
        ),
    ] {
        let place = format!("config.toml:{}: ", line_of(at));
        assert!(
            said.lines().any(|line| line.starts_with("fault: ")
                && line.contains(&place)
                && line.contains(says)),
            "{at}: {says}\n{said}"
        );
    }

    assert!(
        !said.contains("hunter2") || said.contains("is not a PHC"),
        "{said}"
    );

    let served = ordaind(&config, &[]);
    assert_eq!(served.status.code(), Some(1));
    assert!(stderr(&served).contains("nothing is served"));
}

#[test]
fn half_written_doubled_and_shared_files_are_refused() {
    let prepared = Server::new().standard().prepare();
    let (config, sound) = (prepared.config(), prepared.text());
    assert_eq!(
        ordaind(&config, &["check"]).status.code(),
        Some(0),
        "{}",
        stdout(&ordaind(&config, &["check"]))
    );

    let faults = |text: &str, mode: u32| {
        write(&config, text, mode);
        let output = ordaind(&config, &["check"]);
        assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
        stdout(&output)
    };

    assert!(faults(&sound[..sound.len() / 2], 0o600).contains("not TOML"));
    assert!(
        faults(
            &format!("{sound}\n[commands.true]\nexec = [\"/bin/false\"]\n"),
            0o600
        )
        .contains("fault: ")
    );

    assert!(faults(&sound, 0o666).contains("can be changed by anybody"));
    assert!(faults(&sound, 0o644).contains("holds password hashes and can be read by others"));
    write(&config, &sound, 0o600);
    let key = prepared.path("server.key");
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    assert!(faults(&sound, 0o600).contains("others can read it"));
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    let other = ordain::devca::self_signed(&["x".into()], 1).unwrap();
    write(&key, &other.key, 0o600);
    assert!(faults(&sound, 0o600).contains("does not belong to the certificate"));

    // Two files that define the same command: both places are named.
    let prepared = Server::new().standard().prepare();
    let (config, sound) = (prepared.config(), prepared.text());
    let faults = |text: &str| {
        write(&config, text, 0o600);
        let output = ordaind(&config, &["check"]);
        assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
        stdout(&output)
    };

    std::fs::create_dir(prepared.path("conf.d")).unwrap();
    write(
        &prepared.path("conf.d/10-more.toml"),
        "[commands.true]\nexec = [\"/bin/true\"]\n",
        0o600,
    );

    let said = faults(&format!("include = [\"conf.d/*.toml\"]\n{sound}"));
    assert!(
        said.contains("10-more.toml:1: commands.true: is defined already, at")
            && said.contains("config.toml:"),
        "{said}"
    );

    write(
        &prepared.path("conf.d/10-more.toml"),
        "[server]\nlisten = []\n",
        0o600,
    );

    assert!(
        faults(&format!("include = [\"conf.d/*.toml\"]\n{sound}"))
            .contains("10-more.toml:1: server: unknown key")
    );
}

#[test]
fn the_configuration_of_the_design_is_sound() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let key = "AAAAC3NzaC1lZDI1NTE5AAAAIGx4d3Rlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3R0";
    let text = format!(
        r#"
include = ["conf.d/*.toml"]
server   = {{ listen = ["*:7424"] }}
tls      = {{ certificate = "tls/server.crt", key = "tls/server.key" }}
defaults = {{ run_as = "nagios", timeout = "60s" }}
roles.support    = {{ commands = ["restart-web", "tail-log", "disk"] }}
roles.monitoring = {{ commands = ["check-disk", "check-load"], sources = ["10.0.5.10"] }}
roles.ci         = {{ commands = ["deploy"] }}
roles.lead       = {{ commands = ["deploy"], verbs = ["runs-of-others", "cancel-of-others"] }}
users.alice  = {{ roles = ["support"], password = "{}" }}
users.nagios = {{ roles = ["monitoring"], ssh_keys = ["ssh-ed25519 {key} nagios@mon"] }}
users.ci     = {{ roles = ["ci"], ssh_keys = ["ssh-ed25519 {key} ci"] }}
users.boss   = {{ roles = ["lead"], password = "{}" }}
[commands.restart-web]
summary = "Restart one of the web services"
exec    = ["/usr/bin/systemctl", "restart", "--", "{{service}}"]
run_as  = "root"
args.service = {{ type = "choice", choices = ["nginx", "php8.2-fpm"] }}
[commands.tail-log]
exec    = ["/usr/bin/tail", ["-n", "{{lines}}"], "--", "{{file}}"]
run_as  = "www-data"
args.file  = {{ type = "path", beneath = "/var/log/nginx" }}
args.lines = {{ type = "integer", min = 1, max = 1000, default = 100 }}
[commands.deploy]
exec    = ["/usr/local/sbin/deploy", "{{version}}"]
stdin   = {{ max = "2GiB" }}
run_as  = "deploy"
timeout = "30m"
lock    = "deploy"
on_disconnect = "continue"
args.version = {{ type = "string", pattern = 'v[0-9]+(\.[0-9]+){{2}}', max = 20 }}
[commands.disk]
exec = ["/bin/df", "-h"]
[commands.check-disk]
exec = ["/usr/lib/nagios/plugins/check_disk", "-w", "10%", "-c", "5%"]
[commands.check-load]
exec = ["/usr/lib/nagios/plugins/check_load", "-w", "5,4,3", "-c", "10,8,6"]
"#,
        common::hash(),
        common::hash()
    );

    write(&config, &text, 0o600);
    let output = ordaind(&config, &["check", "--offline"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(
        stdout(&output).contains("sound (6 commands, 4 roles, 4 users"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn run_as_without_root_is_refused_and_with_root_required() {
    let prepared = Server::new()
        .command(Cmd::new("x", &["/bin/true"]))
        .prepare();
    let (config, text) = (prepared.config(), prepared.text());
    let with = |run_as: &str| {
        let text = text
            .replace(common::run_as(), "")
            .replace("exec = ", &format!("{run_as}\nexec = "));
        write(&config, &text, 0o600);
        let output = ordaind(&config, &["check"]);
        (output.status.code(), stdout(&output))
    };

    if is_root() {
        assert!(with("").1.contains("root is never implied"));
        assert_eq!(with("run_as = \"daemon\"").0, Some(0));
        assert!(
            with("run_as = \"no-such-user-x\"")
                .1
                .contains("there is no user `no-such-user-x`")
        );

        assert!(
            with("run_as = \"root:no-such-group\"")
                .1
                .contains("there is no group")
        );

        assert!(
            with("run_as = \"nobody\"")
                .1
                .contains("the frontend's user")
                || with("run_as = \"ordaind\"")
                    .1
                    .contains("the frontend's user")
        );
    } else {
        assert_eq!(with("").0, Some(0));
        assert!(
            with("run_as = \"root\"")
                .1
                .contains("without root the daemon cannot become another user")
        );
    }
}

#[test]
fn reload_takes_all_or_nothing() {
    let server = Server::standard();

    // Started and then gone, the files below were only there for the start.
    let config = server.path("config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let sound = text.split("[commands.missing]").next().unwrap().to_owned()
        + "[commands.fresh]\nexec = [\"/bin/echo\", \"fresh\"]\n[roles.all]\ncommands = [\"fresh\", \"sleep\"]\n[roles.other]\ncommands = [\"true\", \"sleep\"]\n"
        + "[users.alice]\nroles = [\"all\"]\npassword = \""
        + &common::hash()
        + "\"\n[users.bob]\nroles = [\"other\"]\n"
        // Bob's password stays the same, and what bob may do is no less than what bob does.
        + text.rsplit("[users.bob]\n").next().unwrap().lines().nth(1).unwrap()
        + "\n";
    let mut sleeper = server
        .client()
        .args(["run", "bob@t", "sleep"])
        .spawn()
        .unwrap();
    server.wait_for_trail("the start", |trail| {
        trail.iter().any(|record| record["kind"] == "start")
    });

    write(
        &config,
        &format!(
            "{sound}\n[commands.bad]\nexec = [\"relative\"]\n[roles.worse]\ncommands = [\"none\"]\n"
        ),
        0o600,
    );

    let refused = server.ordaind(&["reload"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("an absolute path")
            && stderr(&refused).contains("there is no command `none`"),
        "{}",
        stderr(&refused)
    );

    assert_eq!(
        server.ordain(&["run", "t", "true"]).status.code(),
        Some(0),
        "the old configuration stays"
    );

    write(&config, &sound, 0o600);
    let accepted = server.ordaind(&["reload"]);
    assert_eq!(accepted.status.code(), Some(0), "{}", stderr(&accepted));
    assert_eq!(stdout(&server.ordain(&["run", "t", "fresh"])), "fresh\n");
    assert!(stderr(&server.ordain(&["run", "t", "true"])).contains("code 400"));
    assert!(sleeper.try_wait().unwrap().is_none(), "what runs goes on");

    // By signal too; what only a restart can change is refused.
    write(&config, &sound.replace("127.0.0.1:0", "127.0.0.1:1"), 0o600);
    signal(server.child.id(), "-HUP");
    server.wait_for_log("cannot change in a reload");
    server.wait_for_trail("the refusal's record", |trail| {
        trail
            .iter()
            .filter(|record| record["kind"] == "reload")
            .count()
            == 3
    });

    let outcomes: Vec<String> = server
        .records("reload")
        .iter()
        .map(|record| record["outcome"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(outcomes, ["refused", "accepted", "refused"]);

    // What it changed, in words, to whoever asked and in the trail; no value, least of all a
    // password's hash.
    let changes: Vec<String> = server.records("reload")[1]["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line.as_str().unwrap().to_owned())
        .collect();
    for line in [
        "command fresh added",
        "command missing removed",
        "role all changed: commands",
        "role lead removed",
        "user gone removed",
    ] {
        assert!(
            changes.iter().any(|change| change == line) && stdout(&accepted).contains(line),
            "{line}: {changes:?}"
        );
    }

    assert!(
        !changes
            .iter()
            .any(|change| change.contains("command true") || change.contains("argon2")),
        "{changes:?}"
    );

    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
}

#[test]
fn a_new_certificate_is_taken_over_by_reload() {
    let server = Server::new().common(&["true"]).alice().start();
    let before = stdout(&server.ordaind(&["fingerprint"]));
    let pair = ordain::devca::issue(
        &server.ca,
        &["localhost".into()],
        ordain::devca::Use::Server,
        1,
    )
    .unwrap();
    write(&server.path("server.key"), &pair.key, 0o600);
    write(&server.path("server.crt"), &pair.certificate, 0o644);
    assert_eq!(server.ordaind(&["reload"]).status.code(), Some(0));
    let after = stdout(&server.ordaind(&["fingerprint"]));
    assert_ne!(before, after);
    let output = server.ordain(&["-v", "run", "t", "true"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stderr(&output).contains(after.trim()),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_renewed_certificate_is_taken_over_by_itself_once_key_and_chain_fit() {
    let server = Server::new().common(&["true"]).alice().start();
    let before = stdout(&server.ordaind(&["fingerprint"]));
    let pair = ordain::devca::issue(
        &server.ca,
        &["localhost".into()],
        ordain::devca::Use::Server,
        30,
    )
    .unwrap();

    // Half of a renewal: what was in force stays.
    write(&server.path("server.crt"), &pair.certificate, 0o644);
    server.wait_for_log("is not taken over; the old certificate stays");
    assert_eq!(server.ordain(&["run", "t", "true"]).status.code(), Some(0));

    // The other half, put in its place at once as tools that renew do.
    write(&server.path("server.new"), &pair.key, 0o600);
    std::fs::rename(server.path("server.new"), server.path("server.key")).unwrap();
    server.wait_for_log("the certificate was renewed and is taken over");
    server.wait_for_trail("the record", |trail| {
        trail
            .iter()
            .any(|record| record["kind"] == "certificate" && record["same_key"] == false)
    });

    let output = server.ordain(&["-v", "run", "t", "true"]);
    let after = stdout(&server.ordaind(&["fingerprint"]));
    assert!(
        output.status.success() && before != after && stderr(&output).contains(after.trim()),
        "{}",
        stderr(&output)
    );
}

#[test]
fn status_tells_what_holds() {
    let server = Server::new().common(&["true"]).alice().start();
    let output = Command::new(env!("CARGO_BIN_EXE_ordaind"))
        .args(["status", "--json", "--config"])
        .arg(server.path("config.toml"))
        .output()
        .unwrap();
    let status: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(
        (&status["generation"], &status["frontend"]["seccomp"]),
        (&1.into(), &"enforced".into())
    );

    assert_eq!(status["frontend"]["own_user"], is_root());
    let mode = std::fs::metadata(server.path("state/control.sock"))
        .unwrap()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(stdout(&server.ordaind(&["status"])).contains("started 1 time"));
    assert_eq!(server.records("local").len(), 2);
}

#[test]
fn the_frontend_is_another_user_without_files_or_ways_back() {
    let server = Server::new().common(&["true"]).alice().start();
    let pid = server.frontend();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = |key: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };

    assert_eq!(
        (line("NoNewPrivs:").as_str(), line("Seccomp:").as_str()),
        ("1", "2")
    );

    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(line(set), "0000000000000000", "{set}");
    }
    if is_root() {
        assert!(
            !line("Uid:").split(' ').any(|uid| uid == "0")
                && !line("Gid:").split(' ').any(|gid| gid == "0")
        );

        assert_eq!(line("Groups:"), "");
        let open: Vec<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
            .unwrap()
            .flatten()
            .filter_map(|entry| std::fs::read_link(entry.path()).ok())
            .map(|path| path.to_string_lossy().into_owned())
            .collect();
        assert!(
            !open
                .iter()
                .any(|path| path.contains(&*server.folder.path().to_string_lossy())),
            "{open:?}"
        );
    }

    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    assert!(environment.is_empty());
}

#[test]
fn stopping_gives_grace_says_what_it_cut_and_leaves_nothing() {
    let mut server = Server::new().common(&["marked"]).alice().start();
    let mut quick = server
        .client()
        .args(["run", "t", "marked"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    server.wait_for_trail("the start", |trail| {
        trail.iter().any(|record| record["kind"] == "start")
    });
    let pid = server.records("start")[0]["pid"].to_string();
    signal(server.child.id(), "-TERM");
    server.wait_for_log("starting nothing new");
    let line = server.wait_for_log("the grace period is over");
    assert!(line.contains("marked of alice"), "{line}");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    assert!(!alive(&pid));
    let output = quick.wait().unwrap();
    assert_eq!(output.code(), Some(255));
    let trail = server.trail();
    assert!(
        trail
            .iter()
            .any(|record| record["kind"] == "end" && record["reason"] == "stopped"),
        "{trail:?}"
    );

    assert!(!server.path("state/control.sock").exists());
}

#[test]
fn a_second_signal_cuts_at_once_and_the_group_signal_spares_the_frontend() {
    let mut server = Server::new()
        .grace("60s")
        .common(&["sleep"])
        .alice()
        .start();
    let mut run = server
        .client()
        .args(["run", "t", "sleep"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    server.wait_for_trail("the start", |trail| {
        trail.iter().any(|record| record["kind"] == "start")
    });
    // As Ctrl-C does: everybody in the group gets it.
    signal(u32::try_from(server.frontend()).unwrap(), "-INT");
    signal(server.child.id(), "-INT");
    server.wait_for_log("starting nothing new");
    signal(server.child.id(), "-TERM");
    server.wait_for_log("asked twice");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    assert_eq!(run.wait().unwrap().code(), Some(255));
}

#[test]
fn asked_again_while_it_waits_for_a_commands_grace_it_kills() {
    let deaf = r#"trap "" TERM; echo ready; while :; do sleep 1; done"#;
    let mut server = Server::new()
        .grace("60s")
        .command(Cmd::sh("deaf", deaf, &[]).grace("1h"))
        .alice()
        .start();
    let mut run = server
        .client()
        .args(["run", "t", "deaf"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufRead::read_line(&mut BufReader::new(run.stdout.take().unwrap()), &mut line).unwrap();
    signal(server.child.id(), "-TERM");
    server.wait_for_log("starting nothing new");

    // Whoever comes now may look, and is told that nothing new begins, and for how long.
    let late = server.ordain(&["--connect-timeout", "100ms", "run", "t", "deaf"]);
    let told = stderr(&late);
    assert_eq!(late.status.code(), Some(255));
    assert!(
        told.contains("the server is stopping, which may take up to 10m00s; waiting for it"),
        "{told}"
    );
    assert!(
        told.contains("the server was stopping, and after 100ms none has taken its place: the server is stopping and takes nothing new (--connect-timeout waits longer) (code 104)"),
        "{told}"
    );
    let list = server.ordain(&["runs", "t", "--going"]);
    assert!(stdout(&list).contains("deaf"), "{}", stderr(&list));
    signal(server.child.id(), "-TERM");
    server.wait_for_log("asked twice");
    signal(server.child.id(), "-TERM");
    server.wait_for_log("asked again");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    assert_eq!(run.wait().unwrap().code(), Some(255));
}

#[test]
fn without_a_trail_nothing_runs() {
    if !Path::new("/dev/full").exists() || !is_root() {
        return;
    }
    let server = Server::new().common(&["true"]).alice().start();

    // The disk is full: a tmpfs of a few pages, filled.
    let small = server.path("small");
    std::fs::create_dir(&small).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=16k,mode=0700", "none"])
        .arg(&small)
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        return;
    }
    let text = std::fs::read_to_string(server.path("config.toml")).unwrap();
    write(
        &server.path("full.toml"),
        &text
            .replace(
                "[defaults]",
                "[audit]\nfile = \"small/trail.jsonl\"\n[defaults]",
            )
            .replace("state = \"state\"", "state = \"state2\""),
        0o600,
    );

    let (mut second, log) = launch(&server.path("full.toml"), &[], None);
    let client = host(log.port()) + "password_file = \"password\"\n";
    write(&server.path("client2.toml"), &client, 0o600);
    let run = || {
        client_in(server.folder.path(), "client2.toml")
            .args(["run", "t", "true"])
            .output()
            .unwrap()
    };

    let mut ran = 0;
    let refused = loop {
        let output = run();
        if output.status.code() != Some(0) {
            break output;
        }
        ran += 1;
        assert!(ran < 200, "the disk never filled");
    };

    assert!(
        stderr(&refused).contains("code 520"),
        "{}",
        stderr(&refused)
    );

    let _ = second.kill();
    let _ = second.wait();
    let _ = Command::new("umount").arg("-l").arg(&small).status();
}

#[test]
fn init_makes_what_serves() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("new");
    let output = Command::new(env!("CARGO_BIN_EXE_ordaind"))
        .arg("init")
        .arg("--dir")
        .arg(&inner)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("sha256:") && stdout(&output).contains("user add YOU"));
    assert_eq!(
        ordaind(&inner.join("config.toml"), &["check"])
            .status
            .code(),
        Some(0)
    );

    assert_eq!(
        std::fs::metadata(inner.join("server.key")).unwrap().mode() & 0o777,
        0o600
    );

    let again = Command::new(env!("CARGO_BIN_EXE_ordaind"))
        .arg("init")
        .arg("--dir")
        .arg(&inner)
        .output()
        .unwrap();
    assert!(again.status.code() == Some(1) && stderr(&again).contains("exists already"));
}

#[test]
fn certificates_for_development_and_for_a_second_machine() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let made = certs(&[
        "--out",
        &path("dev"),
        "--host",
        "web1",
        "--host",
        "10.1.2.3",
        "--days",
        "30",
    ]);
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    assert!(
        stdout(&made).contains("sha256:")
            && stdout(&made).contains("valid until")
            && stdout(&made).contains("localhost, 127.0.0.1, ::1")
    );

    for key in ["dev/ca.key", "dev/server.key"] {
        assert_eq!(
            std::fs::metadata(folder.path().join(key)).unwrap().mode() & 0o777,
            0o600
        );
    }

    let before = std::fs::read(folder.path().join("dev/server.key")).unwrap();
    let again = certs(&["--out", &path("dev")]);
    assert!(again.status.code() == Some(1) && stderr(&again).contains("--force"));
    assert_eq!(
        std::fs::read(folder.path().join("dev/server.key")).unwrap(),
        before
    );

    assert_eq!(
        certs(&[
            "server",
            "web2",
            "--ca",
            &path("dev"),
            "--out",
            &path("second")
        ])
        .status
        .code(),
        Some(0)
    );

    assert_eq!(
        certs(&[
            "client",
            "laptop",
            "--ca",
            &path("dev"),
            "--out",
            &path("second")
        ])
        .status
        .code(),
        Some(0)
    );

    assert_eq!(
        certs(&["ca", "--out", &path("other")]).status.code(),
        Some(0)
    );

    assert_eq!(
        certs(&[
            "client",
            "../evil",
            "--ca",
            &path("dev"),
            "--out",
            &path("second")
        ])
        .status
        .code(),
        Some(1)
    );

    for (file, purpose) in [
        ("dev/server.crt", "sslserver"),
        ("second/server.crt", "sslserver"),
        ("second/laptop.crt", "sslclient"),
    ] {
        let Ok(verified) = Command::new("openssl")
            .args([
                "verify",
                "-purpose",
                purpose,
                "-CAfile",
                &path("dev/ca.crt"),
                &path(file),
            ])
            .output()
        else {
            return;
        };
        assert!(verified.status.success(), "{file}: {}", stderr(&verified));
    }

    assert!(
        !Command::new("openssl")
            .args([
                "verify",
                "-CAfile",
                &path("other/ca.crt"),
                &path("dev/server.crt")
            ])
            .output()
            .unwrap()
            .status
            .success()
    );
}

#[test]
fn the_demo_shows_the_main_job() {
    let output = Command::new(env!("CARGO_BIN_EXE_ordaind"))
        .args(["demo", "--exit"])
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}\n{}",
        stdout(&output),
        stderr(&output)
    );

    for part in [
        "liftoff",
        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        "granted by",
        "switched over",
        "(exit status 2)",
        "<ann> the disk is nearly full",
        "<demo> yes, a backup",
        "<ann> then I leave it alone",
        "\"refused\"",
    ] {
        assert!(
            stdout(&output).contains(part),
            "{part}\n{}",
            stdout(&output)
        );
    }
}

#[test]
fn a_password_becomes_a_hash() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ordaind"))
        .arg("hash-password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"hunter2\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let hash = ordain::credential::Hash::read(stdout(&output).trim()).unwrap();
    assert!(hash.verify(&ordain::secret::Secret::new("hunter2".into())));
}

#[test]
fn running_out_of_descriptors_is_survived() {
    let prepared = Server::new().common(&["true"]).alice().prepare();

    // The daemon and its frontend have few descriptors each; a keeper beside each run needs some
    // more than a control group.
    let script = format!(
        "ulimit -n 64 && exec '{}' --config '{}'",
        env!("CARGO_BIN_EXE_ordaind"),
        prepared.config().display()
    );

    let mut child = Command::new("/bin/sh")
        .args(["-c", &script])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = Log::of(&mut child);
    let port = log.port();
    let flood: Vec<_> = (0..100)
        .map(|_| std::net::TcpStream::connect(format!("127.0.0.1:{port}")).unwrap())
        .collect();
    log.wait_for("accepting failed");
    drop(flood);
    let client = host(port) + "password_file = \"password\"\n";
    write(&prepared.path("client.toml"), &client, 0o600);
    let output = client_in(prepared.folder(), "client.toml")
        .args(["run", "t", "true"])
        .output()
        .unwrap();
    let _ = child.kill();
    let _ = child.wait();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

/// After 29 runs the deciding thread stood in write(2), and neither `lock` nor SIGTERM had an effect.
#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let prepared = Server::new()
        .command(Cmd::sh("fail", "exit 3", &[]))
        .alice()
        .prepare();
    let mut child = Command::new(env!("CARGO_BIN_EXE_ordaind"))
        .arg("--config")
        .arg(prepared.config())
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let port = loop {
        let mut line = String::new();
        log.read_line(&mut line).unwrap();
        if line.contains("listening on ") {
            break common::port_in(&line);
        }
    };
    common::block(async {
        let options = common::trusting(&prepared.ca, port);
        let session = common::log_in(&options, "alice", common::PASSWORD)
            .await
            .unwrap();
        // The end of each is a line of the log; a pipe holds a few hundred of them.
        let runs = async |session: ordain::client::Session| {
            for _ in 0..200 {
                common::ran(&session, "fail").await;
            }
        };
        let one = || runs(session.clone());
        tokio::join!(one(), one(), one(), one(), one(), one(), one(), one());
    });
    let ordaind = |words: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_ordaind"))
            .arg("--config")
            .arg(prepared.config())
            .args(words)
            .output()
            .unwrap()
    };
    assert!(ordaind(&["lock", "alice"]).status.success());
    let status = stdout(&ordaind(&["status"]));
    assert!(status.contains("lines of the log were dropped"), "{status}");
    signal(child.id(), "-TERM");
    assert!(child.wait().unwrap().success());
    drop(log);
}

#[test]
fn an_expired_certificate_serves_loudly_and_clients_refuse_it() {
    let Ok(tool) = Command::new("openssl").arg("version").output() else {
        return;
    };
    assert!(tool.status.success());
    let prepared = Server::new().common(&["true"]).alice().prepare();
    let path = |name: &str| prepared.path(name).to_string_lossy().into_owned();
    let script = format!(
        "openssl req -new -key {key} -subj /CN=localhost -out {csr} && printf 'subjectAltName=DNS:localhost' > {ext} && \
         openssl x509 -req -in {csr} -CA {ca} -CAkey {ca_key} -CAcreateserial -days -1 -extfile {ext} -out {crt}",
        key = path("server.key"),
        csr = path("server.csr"),
        ext = path("ext"),
        ca = path("ca.crt"),
        ca_key = path("ca.key"),
        crt = path("server.crt"),
    );

    let made = Command::new("/bin/sh")
        .args(["-c", &script])
        .output()
        .unwrap();
    if !made.status.success() {
        // An openssl that makes no certificates for the past.
        return;
    }

    let server = prepared.start();
    let refused = server.ordain(&["run", "t", "true"]);
    assert_eq!(refused.status.code(), Some(255));
    assert!(
        stderr(&refused).contains("has expired") && stderr(&refused).contains("code 602"),
        "{}",
        stderr(&refused)
    );

    assert!(stdout(&server.ordaind(&["status"])).contains("certificate  expired"));
}

/// A network process that hangs serves nobody, and would not be missed by anything else.
#[test]
fn a_frontend_without_a_sign_of_life_is_replaced() {
    let server = Server::new()
        .env("WATCHDOG_USEC", "400000")
        .common(&["true"])
        .alice()
        .start();
    let stuck = server.frontend();
    signal(u32::try_from(stuck).unwrap(), "-STOP");
    server.wait_for_log("it has given no sign of life");
    server.wait_for_log("the frontend is confined and listens");
    assert!(!alive(&stuck.to_string()));
    assert!(server.ordain(&["run", "t", "true"]).status.success());
}

/// The journal has the time of each line, and is told its priority (sd-daemon(3)), by both processes.
#[test]
fn the_journal_gets_priorities_and_no_second_time() {
    let prepared = Server::new()
        .common(&["true"])
        .alice()
        .best_effort()
        .prepare();
    let script = "JOURNAL_STREAM=$(stat -L -c %d:%i /dev/stderr) exec \"$@\"";
    let mut child = Command::new("sh")
        .args([
            "-c",
            script,
            "sh",
            env!("CARGO_BIN_EXE_ordaind"),
            "--config",
        ])
        .arg(prepared.config())
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut seen = Vec::new();
    for line in lines.map(Result::unwrap) {
        let last = line.contains("listening on");
        seen.push(line);
        if last {
            break;
        }
    }
    signal(child.id(), "-TERM");
    assert!(child.wait().unwrap().success());
    for line in &seen {
        assert!(line.starts_with("<6>") || line.starts_with("<4>"), "{line}");
        assert!(!line.contains("202"), "the time again: {line}");
    }
    assert!(seen.iter().any(|line| line.starts_with("<4>")), "{seen:?}");
    assert!(seen.iter().any(|line| line.starts_with("<6>")), "{seen:?}");
}

/// What systemd is told, in its own words, by the real daemon.
#[test]
fn a_service_manager_is_told_of_every_turn() {
    let prepared = Server::new().common(&["true"]).alice().prepare();
    let socket = std::os::unix::net::UnixDatagram::bind(prepared.path("notify")).unwrap();
    socket.set_read_timeout(Some(common::PATIENCE)).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_ordaind"))
        .arg("--config")
        .arg(prepared.config())
        .env("NOTIFY_SOCKET", prepared.path("notify"))
        .env("WATCHDOG_USEC", "200000")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let until = |text: &str| {
        let mut buffer = [0; 4096];
        loop {
            let count = socket.recv(&mut buffer).unwrap();
            let said = String::from_utf8_lossy(&buffer[..count]).into_owned();
            if said.contains(text) {
                return said;
            }
        }
    };

    until("READY=1");
    until("STATUS=well: 0 runs, 0 sessions");
    until("WATCHDOG=1");
    signal(child.id(), "-HUP");
    assert!(until("RELOADING=1").contains("MONOTONIC_USEC="));
    until("READY=1");
    signal(child.id(), "-TERM");
    assert!(until("STOPPING=1").contains("EXTEND_TIMEOUT_USEC="));
    assert!(child.wait().unwrap().success());
}
