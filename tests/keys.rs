//! SSH keys as people have them: of every kind, out of agents and out of the files that ssh looks for.

mod common;

use common::{Cmd, RealAgent, Server, stderr, write};
use ordain::tls;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A private key of 8192 bits, which takes long to make. It opens nothing but these tests.
const LARGEST: &str = include_str!("keys/rsa8192.pem");

/// A key of ssh-keygen's; nothing where it is not installed.
fn keygen(folder: &Path, name: &str, words: &[&str]) -> Option<PathBuf> {
    let path = folder.join(name);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-a", "1", "-C", name, "-f"])
        .arg(&path)
        .args(words)
        .stdin(Stdio::null())
        .status();
    match made {
        Ok(status) => assert!(status.success(), "{words:?}"),
        Err(_) => {
            println!("skipped: OpenSSH's programs are not installed");
            return None;
        }
    }
    Some(path)
}

fn public(path: &Path) -> String {
    let line = std::fs::read_to_string(path.with_extension("pub")).unwrap();
    line.trim().to_owned()
}

fn fingerprint(path: &Path) -> String {
    let line = public(path);
    ordain::credential::SshPublic::read(&line)
        .unwrap()
        .fingerprint()
}

/// A server whose user `keyed` has these keys.
fn server(keys: &[String]) -> Server {
    let listed: Vec<String> = keys.iter().map(|key| format!("{key:?}")).collect();
    Server::new()
        .command(Cmd::new("true", &["/bin/true"]))
        .role("all", &["*"])
        .user_with(
            "keyed",
            &["all"],
            &format!("ssh_keys = [{}]", listed.join(", ")),
        )
        .user_with(
            &"l".repeat(64),
            &["all"],
            &format!("ssh_keys = [{}]", listed.join(", ")),
        )
        .start()
}

fn run(server: &Server, agent: Option<&RealAgent>, words: &[&str]) -> Output {
    let mut command = server.bare();
    command.args(words);
    if let Some(agent) = agent {
        command.env("SSH_AUTH_SOCK", &agent.socket);
    }
    command.output().unwrap()
}

fn says(output: &Output, status: i32, texts: &[&str]) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(status), "{said}");
    for text in texts {
        assert!(said.contains(text), "{text:?} is not in {said}");
    }
}

/// The fingerprint that let somebody in last, and how many were refused.
fn let_in(server: &Server) -> (String, usize) {
    let logins = server.records("login");
    let refused = logins.iter().filter(|login| login["outcome"] == "refused");
    let count = refused.count();
    let last = logins.iter().rfind(|login| login["outcome"] == "accepted");
    (last.unwrap()["by"].as_str().unwrap().to_owned(), count)
}

const EVERY_KIND: [(&str, &[&str]); 5] = [
    ("ed25519", &["-t", "ed25519"]),
    ("p256", &["-t", "ecdsa", "-b", "256"]),
    ("p384", &["-t", "ecdsa", "-b", "384"]),
    ("p521", &["-t", "ecdsa", "-b", "521"]),
    ("rsa", &["-t", "rsa", "-b", "2048"]),
];

#[test]
fn keys_of_every_kind_log_in_by_file_and_by_agent() {
    let folder = tempfile::tempdir().unwrap();
    let mut keys = Vec::new();
    for (name, words) in EVERY_KIND {
        let Some(key) = keygen(folder.path(), name, &[words, &["-N", ""]].concat()) else {
            return;
        };
        keys.push(key);
    }
    let lines: Vec<String> = keys.iter().map(|key| public(key)).collect();
    let server = server(&lines);
    let all: Vec<&Path> = keys.iter().map(PathBuf::as_path).collect();
    let agent = RealAgent::with(folder.path(), &all);

    for key in &keys {
        let file = key.to_string_lossy();
        let output = run(
            &server,
            None,
            &["--identity", &file, "run", "keyed@t", "true"],
        );
        says(&output, 0, &[]);
        assert_eq!(let_in(&server), (fingerprint(key), 0));

        // The agent signs, and RSA with SHA-512.
        let file = format!("{file}.pub");
        let output = run(
            &server,
            Some(&agent),
            &["--identity", &file, "run", "keyed@t", "true"],
        );
        says(&output, 0, &[]);
        assert_eq!(let_in(&server), (fingerprint(key), 0));
    }

    let first = run(&server, Some(&agent), &["run", "keyed@t", "true"]);
    says(&first, 0, &[]);
    assert_eq!(let_in(&server).1, 0);
}

#[test]
fn the_largest_key_fits_into_a_login_of_the_longest_name() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("largest");
    write(&key, LARGEST, 0o600);
    let private = ordain::credential::SshPrivate::read(LARGEST.as_bytes(), None).unwrap();
    let public = private.public();
    let line = format!(
        "{} {}",
        public.kind(),
        ordain::encoding::base64(&public.bytes())
    );
    let server = server(&[line]);
    let at = format!("{}@t", "l".repeat(64));
    let output = run(
        &server,
        None,
        &["--identity", &key.to_string_lossy(), "run", &at, "true"],
    );
    says(&output, 0, &[]);
    assert_eq!(let_in(&server).0, public.fingerprint());
}

#[test]
fn the_files_of_ssh_are_tried_in_order_where_no_agent_has_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let Some(wanted) = keygen(
        folder.path(),
        "wanted",
        &["-t", "rsa", "-b", "2048", "-N", ""],
    ) else {
        return;
    };
    let server = server(&[public(&wanted)]);
    let ssh = server.path("home/.ssh");
    std::fs::create_dir_all(&ssh).unwrap();
    let output = run(&server, None, &["run", "keyed@t", "true"]);
    says(
        &output,
        255,
        &["there is no terminal to ask for the password of keyed"],
    );

    // A key with a passphrase, one that is not the user's, and the right one.
    keygen(&ssh, "id_ed25519", &["-t", "ed25519", "-N", "secret"]).unwrap();
    let other = keygen(&ssh, "id_ecdsa", &["-t", "ecdsa", "-N", ""]).unwrap();
    let output = run(&server, None, &["run", "keyed@t", "true"]);
    let file = other.to_string_lossy();
    says(
        &output,
        255,
        &[
            "no SSH key got keyed in at t: refused were ",
            &format!("refused were {file}; not offered were "),
            "id_ed25519: it wants its passphrase, and there is no terminal to ask on",
            "has to stand in `ssh_keys` of keyed on the server, and --identity names it here",
            "--password-file says where it is",
        ],
    );

    let right = ssh.join("id_rsa");
    std::fs::copy(&wanted, &right).unwrap();
    std::fs::copy(wanted.with_extension("pub"), right.with_extension("pub")).unwrap();
    for refused in [2, 2] {
        says(&run(&server, None, &["run", "keyed@t", "true"]), 0, &[]);
        assert_eq!(
            let_in(&server),
            (fingerprint(&wanted), refused),
            "the one that worked is first"
        );
    }

    // An agent without any key is as none; one with a key is asked alone.
    let agent = RealAgent::with::<&Path>(folder.path(), &[]);
    says(
        &run(&server, Some(&agent), &["run", "keyed@t", "true"]),
        0,
        &[],
    );
    drop(agent);
    std::fs::remove_file(folder.path().join("agent")).unwrap();
    let agent = RealAgent::with(folder.path(), &[&other]);
    let output = run(&server, Some(&agent), &["run", "keyed@t", "true"]);
    let shown = format!(
        "refused were the agent's {} (id_ecdsa);",
        fingerprint(&other)
    );
    says(&output, 255, &[&shown, "(code 200)"]);
}

#[test]
fn keys_of_an_agent_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let small = &["-t", "rsa", "-b", "1024", "-N", ""];
    let Some(small) = keygen(folder.path(), "small", small) else {
        return;
    };
    let good = keygen(folder.path(), "good", &["-t", "ed25519", "-N", ""]).unwrap();
    let server = server(&[public(&good)]);
    let agent = RealAgent::with(folder.path(), &[&small]);
    let output = run(&server, Some(&agent), &["run", "keyed@t", "true"]);
    says(
        &output,
        255,
        &[
            "not offered were the agent's \"small\": is an RSA key of 1024 bits; accepted are 2048 to 8192",
            "--identity names it here",
        ],
    );
    let file = format!("{}.pub", small.to_string_lossy());
    let output = run(
        &server,
        Some(&agent),
        &["--identity", &file, "run", "keyed@t", "true"],
    );
    says(
        &output,
        255,
        &["small.pub: it is an RSA key of 1024 bits", "(code 608)"],
    );
}

/// A key on secp256k1, which TLS does not use.
const OF_NO_USE: &str = "-----BEGIN PRIVATE KEY-----
MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQg7w8EIQTLg0gSZJZ9Zgx/
35mzExHAI1Lb8E1TRt8MKyChRANCAARZkbP5NncXAqNyhfMw8QT1urUnOBVYQoTG
Cml/VXKVtsauPRy3DO3vGgwEvsyvU8nlYuOFT8I47bS6To9pft0e
-----END PRIVATE KEY-----
";

/// Neither file was named, and neither key.
#[test]
fn a_key_that_is_not_the_certificates_is_named_with_both_keys() {
    let server = Server::new().alice().start();
    let client = |key: &str| {
        let (certificate, key) = (server.path("ca.crt"), server.path(key));
        let mut command = server.client();
        command.arg("--cert").arg(certificate).arg("--key").arg(key);
        command.args(["whoami", "t"]).output().unwrap()
    };
    let key_of = |name: &str| {
        let pem = std::fs::read(server.path(name)).unwrap();
        let first = tls::certificates(&pem).unwrap().remove(0);
        tls::Fingerprint::of(&first).unwrap()
    };
    let (of_ca, of_server) = (key_of("ca.crt"), key_of("server.crt"));
    let both = format!(
        "server.key: does not belong to the certificate: it is {of_server}, and the certificate is for {of_ca}; put the key there"
    );
    says(&client("server.key"), 255, &[&both]);
    assert!(!stderr(&client("ca.key")).contains("belong"));
    write(&server.path("odd.key"), OF_NO_USE, 0o600);
    let kind = "odd.key: is of a kind that is not used here; accepted are ECDSA on P-256";
    says(&client("odd.key"), 255, &[kind]);

    let other = std::fs::read_to_string(server.path("ca.key")).unwrap();
    for (text, why) in [
        (
            other.as_str(),
            format!(
                "server.key: does not belong to the certificate: it is {of_ca}, and the certificate is for {of_server}"
            ),
        ),
        (OF_NO_USE, kind.replace("odd", "server")),
    ] {
        write(&server.path("server.key"), text, 0o600);
        for words in [&["check"][..], &[]] {
            let output = server.ordaind(words);
            let said = common::stdout(&output) + &stderr(&output);
            assert!(
                said.contains(&why) && output.status.code() == Some(1),
                "{said}"
            );
        }
    }
}

/// What editors and other programs leave around the blocks of certificates and keys.
#[test]
fn a_daemon_reads_certificates_and_keys_as_windows_writes_them() {
    let prepared = Server::new()
        .command(Cmd::new("true", &["/bin/true"]))
        .role("all", &["*"])
        .user("alice", &["all"])
        .prepare();
    for name in ["server.crt", "server.key", "ca.crt"] {
        let text = std::fs::read_to_string(prepared.path(name)).unwrap();
        let text = text.replace('\n', "\r\n");
        let odd = [
            b"\xef\xbb\xbf",
            text.as_bytes(),
            b"Owner: M\xfcller\r\n\r\n",
        ]
        .concat();
        std::fs::write(prepared.path(name), odd).unwrap();
    }
    let server = prepared.start();
    says(&server.ordain(&["run", "t", "true"]), 0, &[]);

    // What it cannot use is named, with what helps.
    let locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    write(&server.path("server.key"), locked, 0o600);
    let output = server.ordaind(&["check"]);
    let said = common::stdout(&output) + &stderr(&output);
    let why = "server.key: is encrypted, and there is nobody to ask for its passphrase; `openssl pkey -in KEY -out NEW` writes it without one";
    assert!(
        said.contains(why) && output.status.code() != Some(0),
        "{said}"
    );
}
