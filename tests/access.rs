//! Who gets in, by what, and for how long: SSH keys, kept logins, one-time codes, known servers,
//! locks, penalties, and why.

mod common;

use common::{Cmd, RealAgent, Server, Setup, keygen, signal, stderr, stdout, totp, wait, write};
use ordain::client::{
    Agent, Claimed, ClientError, Connection, KeySignature, Proof, Session, Signer, connect,
};
use ordain::credential::{Purpose, SessionKey, SshPrivate, SshPublic};
use ordain::encoding::base64;
use ordain::ids::SessionId;
use ordain::protocol::{Code, Gathered, LoginText, Method};
use ordain::secret::Secret;
use ordain::verb::{EndSession, Ending, Explain, List, Sessions};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Everybody there may be, with keys that are made in the folder.
fn described() -> Setup {
    let setup = Server::new();
    let [ed25519, ecdsa] =
        ["ed25519", "ecdsa"].map(|kind| public(&keygen(setup.folder(), kind, "")));
    let password = "password = \"{hash}\"\n";
    let one = format!("ssh_keys = [\"{ed25519}\"]");
    let both = format!("ssh_keys = [\"{ed25519}\", \"{ecdsa}\"]");
    setup
        .command(Cmd::new("true", &["/bin/true"]))
        .command(Cmd::new("sleep", &["/bin/sleep", "1000"]))
        .command(
            Cmd::new("stays", &["/bin/sleep", "1000"])
                .goes_on()
                .says("on_revoke", "continue"),
        )
        .command(
            Cmd::new("goes", &["/bin/sleep", "1000"])
                .goes_on()
                .lock("goes")
                .set("queue", "5"),
        )
        .command(
            Cmd::new("deploy", &["/bin/echo", "{version}"])
                .string("version", "v[0-9]+", 10)
                .set("require", r#"{ reason = "OPS-[0-9]+" }"#),
        )
        .role("all", &["*"])
        .role("less", &["true"])
        .role_with("careful", &["true"], r#"deny = ["deploy"]"#)
        .role_with(
            "warden",
            &["true"],
            r#"verbs = ["sessions-of-others", "end-sessions-of-others"]"#,
        )
        .user_with("alice", &["all"], &format!("{password}{both}"))
        .user("bob", &["all"])
        .user("warden", &["warden"])
        .user("careful", &["all", "careful"])
        .user_with("keyed", &["all"], &one)
        .user_with(
            "elsewhere",
            &["all"],
            &format!("{password}sources = [\"10.0.0.0/8\"]"),
        )
        .user_with("coded", &["all"], &format!("{password}totp = true"))
        .user_with(
            "disabled",
            &["all"],
            &format!("{password}{one}\ndisabled = true"),
        )
}

/// Two failures close a source out, six a user.
const QUICK: &str = "login = \"100s\"\nfloor = \"150s\"\ncap = \"20m\"\nuser_floor = \"10m\"\n";

/// Whether OpenSSH's own programs are there to test with.
fn openssh() -> bool {
    let found = Command::new("ssh-keygen")
        .arg("-?")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
        && Command::new("ssh-agent")
            .arg("-?")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok();
    if !found {
        println!("skipped: OpenSSH's programs are not installed");
    }
    found
}

fn public(path: &Path) -> String {
    std::fs::read_to_string(path.with_extension("pub"))
        .unwrap()
        .trim()
        .to_owned()
}

fn server() -> Server {
    described().start()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().unwrap()
}

fn own_key(path: &Path) -> Proof {
    Proof::Key(Signer::Own(Arc::new(
        SshPrivate::read(&std::fs::read(path).unwrap(), None).unwrap(),
    )))
}

async fn reach(server: &Server) -> Connection {
    connect(&server.options()).await.unwrap()
}

async fn enter(server: &Server, user: &str, proof: &Proof) -> Result<Session, ClientError> {
    let no_code = || Err(ClientError::new(Code::CodeWanted, "no code"));
    reach(server)
        .await
        .enter(user, proof, false, no_code)
        .await
        .map(|entered| entered.session)
        .map_err(|(_, error)| error)
}

/// The client as it is without a password file: its home is in the server's folder.
fn bare(server: &Server, words: &[&str]) -> Command {
    let mut command = server.bare();
    command.args(words);
    command
}

fn ordaind(server: &Server, words: &[&str]) -> Output {
    server.ordaind(words)
}

/// The reason in the trail of the login that was refused last.
fn last_refusal(server: &Server) -> String {
    let logins = server.records("login");
    let last = logins
        .iter()
        .rfind(|record| record["outcome"] == "refused")
        .unwrap();
    last["reason"].as_str().unwrap().to_owned()
}

#[test]
fn ssh_keys_log_in_by_file_and_by_agent() {
    let server = server();
    for kind in ["ed25519", "ecdsa"] {
        let key = server.path(&format!("id_{kind}"));
        let output = bare(
            &server,
            &["--identity", &key.to_string_lossy(), "run", "t", "true"],
        )
        .output()
        .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }

    if !openssh() {
        return;
    }
    // By the agent's first key, and by the one that a public key names.
    let agent = RealAgent::with(
        server.folder.path(),
        &[server.path("id_ecdsa"), server.path("id_ed25519")],
    );

    let with_agent = |words: &[&str]| {
        bare(&server, words)
            .env("SSH_AUTH_SOCK", &agent.socket)
            .output()
            .unwrap()
    };

    let output = with_agent(&["run", "t", "true"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let named = server.path("id_ed25519.pub");
    let output = with_agent(&["--identity", &named.to_string_lossy(), "run", "t", "true"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));

    // The second key is the right one; from then on it is the first that is tried.
    for expected in [1, 0] {
        let before = server
            .records("login")
            .iter()
            .filter(|record| record["outcome"] == "refused")
            .count();
        let output = with_agent(&["run", "keyed@t", "true"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let after = server
            .records("login")
            .iter()
            .filter(|record| record["outcome"] == "refused")
            .count();
        assert_eq!(after - before, expected);
    }

    let last = server.records("login").pop().unwrap();
    let listed = Command::new("ssh-keygen")
        .arg("-lf")
        .arg(&named)
        .output()
        .unwrap();
    assert_eq!(last["method"], "ssh-key");
    assert_eq!(
        last["by"].as_str().unwrap(),
        stdout(&listed).split_whitespace().nth(1).unwrap(),
        "as ssh-keygen names it"
    );

    // What the trail keeps is a signature that OpenSSH itself verifies.
    write(
        &server.path("allowed"),
        &format!("keyed {}\n", public(&server.path("id_ed25519"))),
        0o644,
    );

    let armored = format!(
        "-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n",
        last["key_signature"].as_str().unwrap()
    );

    write(&server.path("signature"), &armored, 0o644);
    let mut verify = Command::new("ssh-keygen")
        .args(["-Y", "verify", "-n", "ordain", "-I", "keyed", "-f"])
        .arg(server.path("allowed"))
        .arg("-s")
        .arg(server.path("signature"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut message = b"ordain/1 login\0".to_vec();
    message.extend(last["signed"].as_str().unwrap().as_bytes());
    verify.stdin.take().unwrap().write_all(&message).unwrap();
    assert!(verify.wait().unwrap().success());
}

#[test]
fn a_key_that_is_not_the_users_gets_nobody_in() {
    let server = server();
    let stranger = keygen(server.folder.path(), "ed25519", "x");
    let locked = bare(
        &server,
        &[
            "--identity",
            &stranger.to_string_lossy(),
            "run",
            "t",
            "true",
        ],
    )
    .output()
    .unwrap();
    assert!(
        stderr(&locked).contains("wants its passphrase") && stderr(&locked).contains("code 608"),
        "{}",
        stderr(&locked)
    );

    assert!(
        SshPrivate::read(
            &std::fs::read(&stranger).unwrap(),
            Some(&Secret::new("y".into()))
        )
        .is_err()
    );

    let stranger = SshPrivate::read(
        &std::fs::read(&stranger).unwrap(),
        Some(&Secret::new("x".into())),
    )
    .unwrap();
    let stranger = Proof::Key(Signer::Own(Arc::new(stranger)));
    let known = own_key(&server.path("id_ed25519"));
    runtime().block_on(async {
        let mut answers = Vec::new();
        for (user, proof, why) in [
            ("alice", &stranger, "an SSH key that is not this user's"),
            ("bob", &known, "user without SSH keys"),
            ("ghost", &known, "unknown user"),
            ("disabled", &known, "disabled user"),
            (
                "elsewhere",
                &known,
                "a source that this user may not come from",
            ),
        ] {
            let error = enter(&server, user, proof).await.err().unwrap();
            assert_eq!(last_refusal(&server), why, "{user}");
            answers.push(error);
        }

        answers.dedup();
        assert_eq!(answers.len(), 1, "outsiders are told the same: {answers:?}");
        assert!(answers[0].is(Code::LoginRefused));
        assert!(enter(&server, "keyed", &known).await.is_ok());
    });
}

/// One signature for many logins is for each of them at its own place and on its own connection.
#[test]
fn a_signature_for_many_logins_is_for_each_at_its_place_alone() {
    let server = server();
    let Proof::Key(signer) = own_key(&server.path("id_ed25519")) else {
        panic!("no key")
    };
    runtime().block_on(async {
        // The connection back, where the login is refused.
        let refused = async |connection: Connection, signed: Claimed| {
            let no_code = || Err(ClientError::new(Code::CodeWanted, "no code"));
            connection
                .enter("keyed", &Proof::Claimed(signed), false, no_code)
                .await
                .err()
                .map(|(connection, error)| {
                    assert!(error.is(Code::LoginRefused), "{error}");
                    connection.unwrap()
                })
        };
        let mut connections = Vec::new();
        for _ in 0..3 {
            connections.push(reach(&server).await);
        }
        let claimed: Vec<Claimed> = connections
            .iter()
            .map(|connection| connection.claim("keyed", false).unwrap())
            .collect();
        assert!(claimed.iter().all(|claimed| claimed.may_share));
        let texts: Vec<String> = claimed
            .iter()
            .map(|claimed| claimed.text().to_owned())
            .collect();
        let signatures = signer.sign_all(&texts).unwrap();
        let place = |at: usize| signatures[at].gathered.clone().unwrap();
        let with = |at: usize, gathered: Option<Gathered>| {
            claimed[at].clone().signed(KeySignature {
                signature: signatures[at].signature.clone(),
                gathered,
            })
        };

        // Each at its own place.
        let (third, second) = (connections.pop().unwrap(), connections.pop().unwrap());
        let first = connections.pop().unwrap();
        assert!(refused(first, with(0, Some(place(0)))).await.is_none());
        // Another's place, and then its own.
        let third = refused(third, with(2, Some(place(1)))).await.unwrap();
        assert_eq!(last_refusal(&server), "an SSH signature that does not fit");
        assert!(refused(third, with(2, Some(place(2)))).await.is_none());
        // None at all: it is no signature of this login alone.
        let second = refused(second, with(1, None)).await.unwrap();
        let namespace = "an SSH signature for another namespace";
        assert_eq!(last_refusal(&server), namespace);
        // Another's login, at its own place: it is for another connection.
        let other = refused(second, with(0, Some(place(0)))).await.unwrap();
        assert!(last_refusal(&server).contains("another "));
        assert!(refused(other, with(1, Some(place(1)))).await.is_none());

        // A signature of one login alone has no place among others.
        let connection = reach(&server).await;
        let alone = connection.claim("keyed", false).unwrap();
        let signature = signer.sign(alone.text()).unwrap();
        let moved = alone.clone().signed(KeySignature {
            signature: signature.clone(),
            gathered: Some(place(0)),
        });
        let connection = refused(connection, moved).await.unwrap();
        assert_eq!(last_refusal(&server), namespace);
        let own = alone.signed(KeySignature {
            signature,
            gathered: None,
        });
        assert!(refused(connection, own).await.is_none());
    });
}

/// The signed text of a login, as a client makes it.
fn text(key: &SessionKey, user: &str) -> LoginText {
    LoginText {
        version: 1,
        user: user.into(),
        method: Method::SshKey,
        session: None,
        session_key: key.public(),
        server_key: base64(&[1; 32]),
        exporter: Some(base64(&[2; 32])),
        nonce: base64(&[3; 32]),
        keep: false,
    }
}

#[test]
fn ssh_signatures_hold_for_one_text_namespace_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let session = SessionKey::generate().unwrap();
    let signed = serde_json::to_string(&text(&session, "alice")).unwrap();

    for kind in ["ed25519", "ecdsa"] {
        let path = keygen(folder.path(), kind, "");
        let file = std::fs::read_to_string(&path).unwrap();
        // The key was made for this test alone, so that a fault may show it.
        let key = SshPrivate::read(file.as_bytes(), None)
            .unwrap_or_else(|fault| panic!("{fault:?}\n{file}"));
        let listed = SshPublic::read(&public(&path)).unwrap();
        assert_eq!(listed.comment(), "ops@laptop");
        let own = Signer::Own(Arc::new(key)).sign(&signed).unwrap();
        assert!(SshPublic::signer(&signed, &own).unwrap().is(&listed));
        assert!(
            SshPublic::signer(&signed.replace("alice", "bob"), &own).is_err(),
            "another text"
        );

        // Every byte counts.
        let bytes = ordain::encoding::unbase64_any(&own).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(
                SshPublic::signer(&signed, &base64(&changed)).is_err(),
                "{kind} byte {at}"
            );
        }

        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(SshPublic::signer(&signed, &base64(&longer)).is_err());
        assert!(SshPublic::signer(&signed, "").is_err());
        assert!(SshPublic::signer(&signed, &base64(b"SSHSIG")).is_err());
        assert!(
            SshPublic::signer(&signed, &"A".repeat(10 << 20))
                .unwrap_err()
                .contains("too long")
        );

        if !openssh() {
            continue;
        }
        // By ssh-keygen itself: right, for another namespace, with another hash.
        let by_openssh = |namespace: &str, hash: &str, message: &[u8]| {
            let mut child = Command::new("ssh-keygen")
                .args([
                    "-Y",
                    "sign",
                    "-q",
                    "-n",
                    namespace,
                    "-O",
                    &format!("hashalg={hash}"),
                    "-f",
                ])
                .arg(&path)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            child.stdin.take().unwrap().write_all(message).unwrap();
            let armored = stdout(&child.wait_with_output().unwrap());
            armored
                .lines()
                .filter(|line| !line.starts_with('-'))
                .collect::<String>()
        };

        let message = [b"ordain/1 login\0".as_slice(), signed.as_bytes()].concat();
        assert!(
            SshPublic::signer(&signed, &by_openssh("ordain", "sha512", &message))
                .unwrap()
                .is(&listed)
        );

        assert!(
            SshPublic::signer(&signed, &by_openssh("ordain", "sha256", &message))
                .unwrap()
                .is(&listed)
        );

        assert!(
            SshPublic::signer(&signed, &by_openssh("file", "sha512", &message))
                .unwrap_err()
                .contains("namespace")
        );

        assert!(
            SshPublic::signer(&signed, &by_openssh("ordain", "sha512", signed.as_bytes())).is_err(),
            "without the purpose"
        );

        let request = [b"ordain/1 request\0".as_slice(), signed.as_bytes()].concat();
        assert!(
            SshPublic::signer(&signed, &by_openssh("ordain", "sha512", &request)).is_err(),
            "another purpose"
        );
    }

    // A session key's signature is no SSH key's, and the other way round.
    assert!(SshPublic::signer(&signed, &session.sign(Purpose::Login, &signed)).is_err());
}

/// A FIDO key made of software: what it signs has its application, flags and a counter in it.
#[test]
fn fido_keys_must_have_been_touched() {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    };
    let put = |parts: &[&[u8]]| {
        parts.iter().fold(Vec::new(), |mut all: Vec<u8>, part| {
            all.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
            all.extend(*part);
            all
        })
    };

    let number = |bytes: &[u8]| {
        let bytes: Vec<u8> = bytes
            .iter()
            .copied()
            .skip_while(|byte| *byte == 0)
            .collect();
        if bytes[0] & 0x80 != 0 {
            [&[0], bytes.as_slice()].concat()
        } else {
            bytes
        }
    };

    let ed25519 = Ed25519KeyPair::generate().unwrap();
    let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let session = SessionKey::generate().unwrap();
    let signed = serde_json::to_string(&text(&session, "alice")).unwrap();
    let shown = |flags: u8| {
        let data = ordain::credential::to_sign(&signed).unwrap();
        let trailer = [&[flags], 7u32.to_be_bytes().as_slice()].concat();
        let hashed = [
            ordain::credential::sha256(b"ssh:").as_slice(),
            &trailer,
            &ordain::credential::sha256(&data),
        ]
        .concat();
        (hashed, trailer)
    };

    for flags in [0u8, 1, 4, 5] {
        let (hashed, trailer) = shown(flags);
        let sk_ed25519 = put(&[
            b"sk-ssh-ed25519@openssh.com",
            ed25519.public_key().as_ref(),
            b"ssh:",
        ]);
        let raw = [
            put(&[
                b"sk-ssh-ed25519@openssh.com",
                ed25519.sign(&hashed).as_ref(),
            ]),
            trailer.clone(),
        ]
        .concat();
        let key = SshPublic::of_bytes(&sk_ed25519).unwrap();
        let verdict = SshPublic::signer(&signed, &ordain::credential::blob(&key, &raw));
        assert_eq!(
            verdict.as_ref().is_ok_and(|signer| signer.is(&key)),
            flags & 1 == 1,
            "{flags} {verdict:?}"
        );

        let sk_p256 = put(&[
            b"sk-ecdsa-sha2-nistp256@openssh.com",
            b"nistp256",
            p256.public_key().as_ref(),
            b"ssh:",
        ]);
        let der = p256.sign(&SystemRandom::new(), &hashed).unwrap();
        let der = der.as_ref();
        let r = &der[4..4 + usize::from(der[3])];
        let s = &der[6 + usize::from(der[3])..];
        let raw = [
            put(&[
                b"sk-ecdsa-sha2-nistp256@openssh.com",
                &put(&[&number(r), &number(s)]),
            ]),
            trailer,
        ]
        .concat();
        let key = SshPublic::of_bytes(&sk_p256).unwrap();
        let verdict = SshPublic::signer(&signed, &ordain::credential::blob(&key, &raw));
        assert_eq!(
            verdict.as_ref().is_ok_and(|signer| signer.is(&key)),
            flags & 1 == 1,
            "{flags} {verdict:?}"
        );
    }
}

#[test]
fn agents_that_hang_die_or_lie_are_told_of() {
    let server = server();
    let key = own_key(&server.path("id_ed25519"));
    let Proof::Key(Signer::Own(private)) = &key else {
        panic!("no key")
    };
    let public = private.public().clone();
    let identities = {
        let mut answer = vec![12, 0, 0, 0, 1];
        for part in [public.bytes().as_slice(), b"comment"] {
            answer.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
            answer.extend(part);
        }

        answer
    };

    let framed =
        |answer: &[u8]| [&u32::try_from(answer.len()).unwrap().to_be_bytes(), answer].concat();
    // What it answers to the list, and to the wish to sign.
    let cases: [(&str, Vec<u8>, Vec<u8>, &str); 6] = [
        ("hangs up", vec![], vec![], "hung up"),
        ("announces too much", vec![0xff; 4], vec![], "announces"),
        (
            "answers something else",
            framed(&[5]),
            vec![],
            "no list of keys",
        ),
        (
            "lists rubbish",
            framed(&[12, 0, 0, 0, 9, 0, 0]),
            vec![],
            "cannot be read",
        ),
        (
            "refuses to sign",
            framed(&identities),
            framed(&[5]),
            "did not sign",
        ),
        (
            "signs something else",
            framed(&identities),
            framed(&[14, 0, 0, 0, 4, 1, 2, 3, 4]),
            "an SSH signature that is none",
        ),
    ];

    for (name, list, sign, expected) in cases {
        let socket = server.path(&format!("agent-{}", name.replace(' ', "-")));
        let listener = UnixListener::bind(&socket).unwrap();
        let answering = std::thread::spawn(move || {
            let rounds = if sign.is_empty() { 1 } else { 2 };
            for _ in 0..rounds {
                let (mut stream, _) = listener.accept().unwrap();
                let mut length = [0; 4];
                stream.read_exact(&mut length).unwrap();
                let mut question = vec![0; u32::from_be_bytes(length) as usize];
                stream.read_exact(&mut question).unwrap();
                stream
                    .write_all(if question[0] == 11 { &list } else { &sign })
                    .unwrap();
            }
        });

        let output = bare(&server, &["run", "t", "true"])
            .env("SSH_AUTH_SOCK", &socket)
            .output()
            .unwrap();
        answering.join().unwrap();
        assert_eq!(output.status.code(), Some(255), "{name}");
        assert!(
            stderr(&output).contains(expected),
            "{name}: {}",
            stderr(&output)
        );
    }

    let dead = bare(&server, &["run", "t", "true"])
        .env("SSH_AUTH_SOCK", server.path("nothing"))
        .output()
        .unwrap();
    assert!(
        stderr(&dead).contains("the SSH agent at"),
        "{}",
        stderr(&dead)
    );

    // One that signs with another key than it was asked to.
    let other = keygen(server.folder.path(), "ed25519", "other");
    let other = SshPrivate::read(
        &std::fs::read(other).unwrap(),
        Some(&Secret::new("other".into())),
    )
    .unwrap();
    let socket = server.path("liar");
    let listener = UnixListener::bind(&socket).unwrap();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let mut question = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut question).unwrap();
        let key = u32::from_be_bytes(question[1..5].try_into().unwrap()) as usize;
        let data = &question[9 + key..question.len() - 4];
        let raw = other.sign(data).unwrap();
        let answer = [
            &[14],
            u32::try_from(raw.len()).unwrap().to_be_bytes().as_slice(),
            &raw,
        ]
        .concat();
        stream.write_all(&framed(&answer)).unwrap();
    });

    let lied = Signer::Agent(Agent::at(&socket), public)
        .sign("text")
        .unwrap_err();
    answering.join().unwrap();
    assert!(lied.is(Code::Identity), "{lied}");
}

#[test]
fn a_login_is_kept_and_asks_nothing_until_it_is_ended() {
    let mut server = server();
    let password = server.path("password");
    let password = password.to_string_lossy().into_owned();
    let run = |server: &Server| bare(server, &["run", "t", "true"]).output().unwrap();
    assert_ne!(
        run(&server).status.code(),
        Some(0),
        "there is nothing to log in with"
    );

    let login = |server: &Server| {
        let output = bare(server, &["login", "t", "--password-file", &password])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stdout(&output).contains("for 8h00m"), "{}", stdout(&output));
    };

    login(&server);
    for _ in 0..3 {
        assert_eq!(run(&server).status.code(), Some(0));
    }
    assert_eq!(server.records("login").pop().unwrap()["method"], "kept");
    let whoami: serde_json::Value = serde_json::from_slice(
        &bare(&server, &["--json", "whoami", "t"])
            .output()
            .unwrap()
            .stdout,
    )
    .unwrap();
    assert_eq!(
        (whoami["user"].as_str(), whoami["by"].as_str()),
        (Some("alice"), Some("password"))
    );

    assert!(whoami["kept_s"].as_u64().unwrap() > 28_000);

    // Many at once.
    let many: Vec<Child> = (0..16)
        .map(|_| bare(&server, &["run", "t", "true"]).spawn().unwrap())
        .collect();
    for mut child in many {
        assert!(child.wait().unwrap().success());
    }
    // The file is the user's alone.
    let file = std::fs::read_dir(server.path("home/ordain/logins"))
        .unwrap()
        .flatten()
        .next()
        .unwrap()
        .path();
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );

    // It survives the daemon, killed without a word.
    server.restart();
    assert_eq!(run(&server).status.code(), Some(0));

    // It ends, and the file with it.
    let out = bare(&server, &["logout", "t"]).output().unwrap();
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    assert!(!file.exists());
    assert_ne!(run(&server).status.code(), Some(0));
    wait("the record of its end", || {
        server.records("kept-ended").len() == 1
    });
    // A copy of the file is worth nothing afterwards.
    login(&server);
    let file = std::fs::read_dir(server.path("home/ordain/logins"))
        .unwrap()
        .flatten()
        .next()
        .unwrap()
        .path();
    let copy = std::fs::read(&file).unwrap();
    assert_eq!(
        bare(&server, &["logout", "t"]).status().unwrap().code(),
        Some(0)
    );

    std::fs::write(&file, copy).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let output = run(&server);
    assert_ne!(output.status.code(), Some(0));
    assert!(
        stderr(&output).contains("was refused") && !file.exists(),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_kept_login_out_of_a_backup_stays_ended() {
    let mut server = server();
    let password = server.path("password").to_string_lossy().into_owned();
    assert!(
        bare(&server, &["login", "t", "--password-file", &password])
            .status()
            .unwrap()
            .success()
    );

    let logins = server.path("home/ordain/logins");
    let file = std::fs::read_dir(&logins)
        .unwrap()
        .flatten()
        .next()
        .unwrap()
        .path();
    let own = std::fs::read(&file).unwrap();
    let backup = ["vault.json", "vault.seal"]
        .map(|name| std::fs::read(server.path(&format!("state/{name}"))).unwrap());
    assert!(bare(&server, &["logout", "t"]).status().unwrap().success());

    // Both sides put last week's files back.
    for (name, bytes) in ["vault.json", "vault.seal"].iter().zip(backup) {
        std::fs::write(server.path(&format!("state/{name}")), bytes).unwrap();
    }
    write(&file, &String::from_utf8(own).unwrap(), 0o600);
    server.restart();
    let output = bare(&server, &["run", "t", "true"]).output().unwrap();
    assert_ne!(output.status.code(), Some(0));
    assert!(
        stderr(&output).contains("was refused"),
        "{}",
        stderr(&output)
    );

    let found: Vec<_> = server
        .records("vault")
        .iter()
        .map(|record| record["state"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        found,
        ["made", "replaced"],
        "and the administrator knows of it"
    );
}

/// After `ordain login` a session stood in the list for a minute whose link was lost.
#[test]
fn a_session_that_ended_as_one_does_is_not_listed_any_more() {
    let server = Server::new().common(&["true"]).alice().start();
    let bare = |words: &[&str]| server.bare().args(words).output().unwrap();
    let password = server.path("password");
    let password = password.to_str().unwrap();
    for words in [
        &["--password-file", password, "login", "t"][..],
        &["whoami", "t"],
        &["run", "t", "true"],
        &["run", "t", "true", "--bogus"],
        &["describe", "t", "nosuch"],
        &["runs", "t"],
    ] {
        bare(words);
        let list = || {
            let listed = bare(&["--json", "sessions", "t"]);
            let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
            listed["sessions"].as_array().unwrap().clone()
        };
        // The server may hear of the end a moment later; a link that is lost it waits for a minute.
        let began = Instant::now();
        wait("the end of the session", || list().len() == 2);
        assert!(began.elapsed() < Duration::from_secs(30));
        let sessions = list();
        let states: BTreeSet<_> = sessions
            .iter()
            .map(|one| one["state"].as_str().unwrap())
            .collect();
        assert_eq!(states, BTreeSet::from(["kept", "connected"]), "{words:?}");
        for one in sessions {
            assert_eq!(one["user"], "alice");
            assert_eq!(one["source"], "127.0.0.1");
            assert_eq!(one["by"], "password");
            assert!(one["age_s"].as_u64().unwrap() < 60);
            assert_eq!(one["this"], true, "it is this session, by this login");
        }
    }
    assert!(bare(&["logout", "t"]).status.success());
    let left = server.ordain(&["sessions", "t"]);
    let left = stdout(&left);
    assert_eq!(left.lines().count(), 1, "{left}");
    assert!(
        left.contains("  alice  connected, begun ")
            && left.ends_with(" ago from 127.0.0.1, by password  (this one)\n"),
        "{left}"
    );
}

#[test]
fn sessions_are_listed_and_ended() {
    let server = server();
    runtime().block_on(async {
        let (alice, other, warden) = (
            server.session("alice").await,
            server.session("alice").await,
            server.session("warden").await,
        );

        let list = async |session: &Session| session.ask(&Sessions {}).await.unwrap().sessions;

        let own = list(&alice).await;
        assert_eq!(
            (own.len(), own.iter().filter(|line| line.this).count()),
            (2, 1)
        );

        assert_eq!(list(&warden).await.len(), 3);
        let victim: SessionId = own
            .iter()
            .find(|line| !line.this)
            .unwrap()
            .session
            .parse()
            .unwrap();
        let bob = server.session("bob").await;
        let refused = bob
            .ask(&EndSession {
                target: Ending::One(victim.into()),
            })
            .await
            .unwrap_err();
        assert!(
            refused.is(Code::NoSuchSession),
            "another's session is none: {refused}"
        );

        warden
            .ask(&EndSession {
                target: Ending::One(victim.into()),
            })
            .await
            .unwrap();
        wait("the end", || server.records("logout").len() == 1);
        let ended = other.ask(&List {}).await.unwrap_err();
        assert!(ended.is(Code::Revoked), "{ended}");
        let all = EndSession {
            target: Ending::All,
        };
        let ended_sessions = alice.ask(&all).await.unwrap().ended_sessions;
        assert_eq!(ended_sessions, 1);
        assert_eq!(list(&warden).await.len(), 2);
    });
}

#[test]
fn one_time_codes_serve_once() {
    let server = server();
    let code = |secret: &str, step_off: i64| {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        totp(secret, (now / 30).checked_add_signed(step_off).unwrap())
    };

    let password = server.path("password").to_string_lossy().into_owned();
    let run = |user: &str, code: Option<&str>| {
        let host = format!("{user}@t");
        let mut words = vec!["--password-file", &password];
        words.extend(code.map(|code| ["--code", code]).into_iter().flatten());
        words.extend(["run", &host, "true"]);
        bare(&server, &words).output().unwrap()
    };

    // The configuration wants a code, and there is no seed: nobody gets in with less.
    assert!(stderr(&run("coded", None)).contains("code 200"));
    let made = ordaind(&server, &["totp", "coded"]);
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    let uri = stdout(&made).trim().to_owned();
    let secret = uri
        .split("secret=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap()
        .to_owned();
    assert!(uri.starts_with("otpauth://totp/ordain:coded@"), "{uri}");
    assert!(
        stderr(&run("coded", None)).contains("code 203"),
        "{}",
        stderr(&run("coded", None))
    );

    let wrong = stderr(
        &bare(
            &server,
            &[
                "--password-stdin",
                "--code",
                "000000",
                "run",
                "coded@t",
                "true",
            ],
        )
        .output()
        .unwrap(),
    );

    assert!(
        wrong.contains("code 200"),
        "with a wrong password nobody hears of codes: {wrong}"
    );

    let now = code(&secret, 0);
    let output = run("coded", Some(&now));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stderr(&run("coded", Some(&now))).contains("code 200"),
        "a code serves once"
    );

    assert!(
        stderr(&run("coded", Some(&code(&secret, 10)))).contains("code 200"),
        "from a clock that is five minutes off"
    );

    assert_eq!(run("coded", Some(&code(&secret, 1))).status.code(), Some(0));

    // A seed alone wants a code too, with keys as with passwords; without one all is as before.
    assert_eq!(run("alice", None).status.code(), Some(0));
    assert_eq!(ordaind(&server, &["totp", "alice"]).status.code(), Some(0));
    assert!(stderr(&run("alice", None)).contains("code 203"));
    let key = server.path("id_ed25519").to_string_lossy().into_owned();
    assert!(
        stderr(
            &bare(&server, &["--identity", &key, "run", "t", "true"])
                .output()
                .unwrap()
        )
        .contains("code 203")
    );

    assert_eq!(
        ordaind(&server, &["totp", "alice", "--remove"])
            .status
            .code(),
        Some(0)
    );

    assert_eq!(run("alice", None).status.code(), Some(0));
    assert_eq!(ordaind(&server, &["totp", "ghost"]).status.code(), Some(1));
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(
        std::fs::metadata(server.path("state/vault.json"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o600
    );

    assert!(
        !std::fs::read_to_string(server.path("state/trail.jsonl"))
            .unwrap()
            .contains(&secret)
    );
}

#[test]
fn servers_are_known_by_their_keys() {
    let mut server = server();
    let settings = |port: u16| {
        format!(
            "[hosts.t]\naddress = \"127.0.0.1\"\nport = {port}\nuser = \"alice\"\npassword_file = \"password\"\n"
        )
    };

    write(&server.path("known.toml"), &settings(server.port), 0o600);
    let run = |server: &Server, words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ordain"));
        command
            .arg("--config")
            .arg(server.path("known.toml"))
            .args(words)
            .args(["run", "t", "true"])
            .stdin(Stdio::null());
        command
            .env("HOME", server.path("home"))
            .env("XDG_STATE_HOME", server.path("home"))
            .env("XDG_CONFIG_HOME", server.path("home"))
            .output()
            .unwrap()
    };

    let first = run(&server, &[]);
    assert!(
        stderr(&first).contains("code 607") && stderr(&first).contains("sha256:"),
        "{}",
        stderr(&first)
    );

    assert!(server.records("login").is_empty(), "nothing was sent to it");
    let accepted = run(&server, &["--accept-new"]);
    assert_eq!(accepted.status.code(), Some(0), "{}", stderr(&accepted));
    assert_eq!(run(&server, &[]).status.code(), Some(0), "it is known now");
    let fingerprint = stdout(&server.ordaind(&["fingerprint"])).trim().to_owned();
    let known = std::fs::read_to_string(server.path("home/ordain/known_servers")).unwrap();
    assert_eq!(known, format!("127.0.0.1:{} {fingerprint}\n", server.port));

    // Another key: refused, loudly, also with --accept-new.
    let pair = ordain::devca::self_signed(&["localhost".into()], 1).unwrap();
    write(&server.path("server.key"), &pair.key, 0o600);
    write(&server.path("server.crt"), &pair.certificate, 0o644);
    assert_eq!(server.ordaind(&["reload"]).status.code(), Some(0));
    let renewed = stdout(&server.ordaind(&["fingerprint"])).trim().to_owned();

    for words in [&[][..], &["--accept-new"]] {
        let changed = run(&server, words);
        assert_eq!(changed.status.code(), Some(255));
        let said = stderr(&changed);
        assert!(
            said.contains("HAS CHANGED") && said.contains(&fingerprint) && said.contains(&renewed),
            "{said}"
        );

        assert!(said.contains("known_servers:1"), "{said}");
    }

    server.child.kill().unwrap();
}

#[test]
fn a_lock_ends_everything_at_once_and_beats_the_configuration() {
    let mut server = server();
    let password = server.path("password").to_string_lossy().into_owned();
    assert!(
        bare(&server, &["login", "t", "--password-file", &password])
            .status()
            .unwrap()
            .success()
    );

    let detach = |command: &str| {
        stdout(&server.ordain(&["run", "--detach", "t", command]))
            .trim()
            .to_owned()
    };

    let (goes, stays) = (detach("goes"), detach("stays"));
    let (mut queued, mut attached) = (
        server
            .client()
            .args(["run", "t", "goes"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
        server
            .client()
            .args(["run", "t", "sleep"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );

    let mut others = server
        .client()
        .args(["run", "bob@t", "sleep"])
        .spawn()
        .unwrap();
    server.wait_for_trail("the starts", |trail| {
        trail
            .iter()
            .filter(|record| record["kind"] == "start")
            .count()
            == 4
    });

    server.wait_for_trail("the wait", |trail| {
        trail
            .iter()
            .filter(|record| {
                record["kind"] == "request"
                    && record["verb"] == "run"
                    && record["decision"] == "granted"
            })
            .count()
            == 5
    });

    let began = Instant::now();
    let locked = ordaind(&server, &["lock", "alice", "--reason", "left the company"]);
    assert_eq!(locked.status.code(), Some(0), "{}", stderr(&locked));
    assert!(!queued.wait().unwrap().success());
    assert!(!attached.wait().unwrap().success());
    server.wait_for_trail("the ends", |trail| {
        trail
            .iter()
            .filter(|record| record["kind"] == "end")
            .count()
            == 3
    });

    assert!(
        began.elapsed() < Duration::from_secs(5),
        "one second is asked for, and the machine may be busy"
    );

    let ends = server.records("end");
    let of = |run: &str| {
        ends.iter()
            .find(|end| end["run"] == run)
            .map(|end| end["reason"].as_str().unwrap().to_owned())
    };

    assert_eq!((of(&goes).as_deref(), of(&stays)), (Some("revoked"), None));
    assert!(
        others.try_wait().unwrap().is_none(),
        "nobody else is touched"
    );

    let refused = |server: &Server| {
        let by = [
            vec!["run", "t", "true"],
            vec!["--password-file", &password, "run", "t", "true"],
        ];

        for words in by {
            let output = bare(server, &words).output().unwrap();
            assert_eq!(output.status.code(), Some(255), "{words:?}");
        }

        assert_eq!(last_refusal(server), "locked user");
    };

    refused(&server);

    // It holds through a reload and a new daemon.
    assert_eq!(server.ordaind(&["reload"]).status.code(), Some(0));
    refused(&server);
    let status: serde_json::Value =
        serde_json::from_slice(&ordaind(&server, &["status", "--json"]).stdout).unwrap();
    assert_eq!(status["locked"], serde_json::json!(["alice"]));
    assert!(stdout(&ordaind(&server, &["lock"])).contains("left the company"));
    let _ = others.kill();
    let _ = others.wait();
    server.restart();
    refused(&server);
    assert!(stdout(&ordaind(&server, &["unlock", "alice"])).contains("unlocked"));
    assert_eq!(
        bare(
            &server,
            &[
                "--password-file",
                &server.path("password").to_string_lossy(),
                "run",
                "t",
                "true"
            ]
        )
        .status()
        .unwrap()
        .code(),
        Some(0)
    );

    assert_eq!(server.records("lock").len(), 2);

    // A name that nobody has yet can be locked too.
    let nobody = ordaind(&server, &["lock", "nobody-yet"]);
    assert!(
        stderr(&nobody).contains("no such user is configured"),
        "{}",
        stderr(&nobody)
    );
}

#[test]
fn a_reload_that_takes_something_away_takes_it_at_once() {
    let server = server();
    let config = server.path("config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let password = server.path("password").to_string_lossy().into_owned();
    let key = server.path("id_ed25519");
    let reload = |text: &str| {
        write(&config, text, 0o600);
        let output = server.ordaind(&["reload"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    };

    runtime().block_on(async {
        let (alice, bob) = (server.session("alice").await, server.session("bob").await);
        let keyed = enter(&server, "alice", &own_key(&key)).await.unwrap();

        // More for everybody ends nothing.
        reload(&text.replace(
            "[roles.less]\ncommands = [\"true\"]",
            "[roles.less]\ncommands = [\"true\", \"sleep\"]",
        ));
        for session in [&alice, &bob, &keyed] {
            session.ask(&List {}).await.unwrap();
        }
        // A key that is gone ends what it has begun, and nothing else.
        let line = text
            .lines()
            .find(|line| line.starts_with("ssh_keys = [") && line.contains("ecdsa"))
            .unwrap();
        let public = public(&key);
        reload(&text.replace(line, &line.replace(&format!("\"{public}\", "), "")));
        assert!(keyed.ask(&List {}).await.unwrap_err().is(Code::Revoked));
        alice.ask(&List {}).await.unwrap();
        assert!(enter(&server, "alice", &own_key(&key)).await.is_err());

        // A role that is narrower.
        reload(&text.replace(
            "[users.bob]\nroles = [\"all\"]",
            "[users.bob]\nroles = [\"less\"]",
        ));
        assert!(bob.ask(&List {}).await.unwrap_err().is(Code::Revoked));
        alice.ask(&List {}).await.unwrap();

        // Another password: sessions and kept logins that the old one has proved.
        assert!(
            bare(&server, &["login", "t", "--password-file", &password])
                .status()
                .unwrap()
                .success()
        );

        let hash = text
            .split("[users.alice]")
            .nth(1)
            .unwrap()
            .lines()
            .find(|line| line.starts_with("password"))
            .unwrap();
        reload(&text.replacen(hash, &format!("password = \"{}\"", common::hash()), 1));
        assert!(alice.ask(&List {}).await.unwrap_err().is(Code::Revoked));
        let output = bare(&server, &["run", "t", "true"]).output().unwrap();
        assert!(
            stderr(&output).contains("was refused"),
            "{}",
            stderr(&output)
        );

        assert_eq!(server.records("kept-ended").len(), 1);
    });
}

#[test]
fn why_not_is_told_with_every_rule() {
    let server = server();
    let explain = |words: &[&str]| {
        let mut all = vec!["explain"];
        all.extend(words);
        server.ordain(&all)
    };

    let granted = explain(&["--reason", "OPS-1", "t", "deploy", "v1"]);
    assert_eq!(granted.status.code(), Some(0), "{}", stderr(&granted));
    assert!(
        stdout(&granted).contains("granted, by roles.all.commands `*`")
            && stdout(&granted).contains("would run: /bin/echo v1")
    );

    let refused = stdout(&explain(&["t", "deploy", "v1"]));
    assert!(
        refused.starts_with("refused, by commands.deploy.require.reason (")
            && refused.contains("OPS-[0-9]+"),
        "{refused}"
    );

    let denied = stdout(&explain(&["careful@t", "deploy", "v1"]));
    assert!(
        denied.contains("roles.careful.deny `deploy`") && denied.contains("config.toml:"),
        "{denied}"
    );

    // The administrator asks for anybody, from anywhere, without a daemon.
    let config = server.path("config.toml").to_string_lossy().into_owned();
    let ask = |words: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_ordaind"))
            .args(["--config", &config, "explain", "--offline"])
            .args(words)
            .output()
            .unwrap()
    };

    let here = ask(&["elsewhere", "true"]);
    assert_eq!(here.status.code(), Some(1));
    assert!(
        stdout(&here).contains("users.elsewhere.sources"),
        "{}",
        stdout(&here)
    );

    assert_eq!(
        ask(&["--source", "10.1.1.1", "elsewhere", "true"])
            .status
            .code(),
        Some(0)
    );

    let argument = ask(&["--reason", "OPS-1", "alice", "deploy", "latest"]);
    assert!(
        stdout(&argument).contains("commands.deploy.args.version"),
        "{}",
        stdout(&argument)
    );

    assert!(stdout(&ask(&["ghost", "true"])).contains("there is no such user"));
    let access = ordaind(&server, &["access", "--command", "deploy", "--offline"]);
    let table = stdout(&access);
    assert!(
        table.lines().any(|line| line.starts_with("alice ")
            && line.contains("by all")
            && line.contains("with a reason")),
        "{table}"
    );

    assert!(!table.contains("careful "), "{table}");
    assert!(table.contains("user from 10.0.0.0/8"), "{table}");

    // And the reason is asked for and kept.
    let without = server.ordain(&["run", "t", "deploy", "v1"]);
    assert!(
        stderr(&without).contains("code 406"),
        "{}",
        stderr(&without)
    );

    assert_eq!(
        server
            .ordain(&["run", "--reason", "OPS-12", "t", "deploy", "v1"])
            .status
            .code(),
        Some(0)
    );

    let kept = server
        .records("request")
        .into_iter()
        .rfind(|record| record["decision"] == "granted" && record["verb"] == "run")
        .unwrap();
    assert_eq!(kept["reason"], "OPS-12");
}

#[test]
fn whoever_fails_too_often_waits_and_is_seen_to() {
    // A loopback address is a source of its own; the server is reached from the second and the
    // third.
    let server = described()
        .penalties(
            "login = \"100s\"\nfloor = \"150s\"\nuser_floor = \"10m\"\ncap = \"20m\"\nexempt = [\"127.0.0.3\"]",
        )
        .start();
    runtime().block_on(async {
        let session = server.session("alice").await;
        for _ in 0..2 {
            assert!(server.try_session("alice", "wrong").await.is_err());
        }
        wait("the penalty", || !server.records("penalty").is_empty());
        let penalty = server.records("penalty").pop().unwrap();
        assert_eq!(
            (
                penalty["subject"].as_str(),
                penalty["who"].as_str(),
                penalty["state"].as_str()
            ),
            (Some("source"), Some("127.0.0.1/32"), Some("closed"))
        );

        let closed = connect(&server.options()).await.err().unwrap();
        assert!(closed.is(Code::ConnectionLost), "{closed}");
        session.ask(&List {}).await.unwrap();
        let listed: serde_json::Value =
            serde_json::from_slice(&ordaind(&server, &["penalties", "--json"]).stdout).unwrap();
        assert_eq!(listed["sources"][0]["who"], "127.0.0.1/32");
        assert_eq!(listed["sources"][0]["enforced"], true);
        let status: serde_json::Value =
            serde_json::from_slice(&ordaind(&server, &["status", "--json"]).stdout).unwrap();
        assert_eq!(status["penalties"]["sources_not_let_in"], 1);

        // A new frontend has to know too.
        signal(u32::try_from(server.frontend()).unwrap(), "-KILL");
        server.wait_for_trail("the next frontend", |trail| {
            trail
                .iter()
                .filter(|record| record["kind"] == "frontend" && record["state"] == "started")
                .count()
                == 2
        });

        assert!(connect(&server.options()).await.is_err());
        assert!(
            stdout(&ordaind(&server, &["penalties", "--clear", "127.0.0.1"])).contains("forgave 1")
        );
        server.session("alice").await;
    });
}

#[test]
fn nobody_is_locked_out_of_where_they_have_logged_in_from() {
    let server = described()
        .penalties("login = \"100s\"\nfloor = \"10h\"\ncap = \"20h\"\nuser_floor = \"250s\"")
        .start();
    runtime().block_on(async {
        // From the second loopback address alice is known; from the first they are not.
        let bound = async |source: &str, password: &str| {
            reach_from(&server, source)
                .await
                .log_in("alice", &Secret::new(password.into()))
                .await
                .map(|_| ())
                .map_err(|(_, error)| error)
        };

        bound("127.0.0.2", common::PASSWORD).await.unwrap();
        for _ in 0..3 {
            assert!(bound("127.0.0.4", "guess").await.is_err());
        }
        wait("the penalty", || {
            server
                .records("penalty")
                .iter()
                .any(|record| record["subject"] == "user" && record["who"] == "alice")
        });

        let refused = bound("127.0.0.5", common::PASSWORD).await.unwrap_err();
        assert!(
            refused.is(Code::LoginRefused),
            "a stranger with the right password is told nothing"
        );

        assert!(last_refusal(&server).contains("too many failures"));
        bound("127.0.0.2", common::PASSWORD).await.unwrap();
        assert!(
            stdout(&ordaind(&server, &["penalties", "--clear", "alice"])).contains("forgave 1")
        );
        bound("127.0.0.5", common::PASSWORD).await.unwrap();

        // Names that nobody has are counted in the same way.
        assert!(
            server
                .records("penalty")
                .iter()
                .all(|record| record["who"] != "ghost")
        );

        for _ in 0..3 {
            assert!(server.try_session("ghost", "guess").await.is_err());
        }
        wait("the penalty", || {
            server
                .records("penalty")
                .iter()
                .any(|record| record["who"] == "ghost")
        });
    });
}

/// A connection from this loopback address, which is a source of its own.
async fn reach_from(server: &Server, source: &str) -> Connection {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(format!("{source}:0").parse().unwrap()).unwrap();
    let stream = socket
        .connect(format!("127.0.0.1:{}", server.port).parse().unwrap())
        .await
        .unwrap();
    ordain::client::connect_over(stream, &server.options())
        .await
        .unwrap()
}

/// Logs in on all of these at once; how many were let in.
async fn at_once(logins: Vec<(Connection, String, &'static str)>) -> usize {
    let mut tasks = tokio::task::JoinSet::new();
    for (connection, user, password) in logins {
        tasks.spawn(async move {
            let password = Secret::new(password.into());
            match connection.log_in(&user, &password).await {
                Ok(_) => true,
                Err((_, error)) => {
                    assert!(error.is(Code::LoginRefused), "{error}");
                    false
                }
            }
        });
    }
    let all = tasks.join_all().await;
    all.into_iter().filter(|accepted| *accepted).count()
}

/// Refused logins of these users that were taken for guesses, and all that were refused.
fn guesses_taken(server: &Server, of: impl Fn(&str) -> bool) -> (usize, usize) {
    let refused: Vec<String> = server
        .records("login")
        .iter()
        .filter(|record| record["outcome"] == "refused" && of(record["user"].as_str().unwrap()))
        .map(|record| record["reason"].as_str().unwrap().to_owned())
        .collect();
    let taken = refused.iter().filter(|why| !why.contains("too many"));
    (taken.count(), refused.len())
}

/// The penalty was read before the work of the hash began: 400 passwords at once were all judged past
/// floors of 3 and of 12, and the right one among them was taken.
#[test]
fn guesses_that_come_at_once_count_as_those_that_come_one_by_one() {
    // The third failure closes a user's name out; no source fails often enough.
    let server = described()
        .penalties("login = \"100s\"\nfloor = \"10h\"\ncap = \"20h\"\nuser_floor = \"250s\"")
        .start();
    runtime().block_on(async {
        let mut logins = Vec::new();
        for place in 10..70 {
            let connection = reach_from(&server, &format!("127.0.0.{place}")).await;
            logins.push((connection, "alice".to_owned(), "guess"));
        }
        assert_eq!(at_once(logins).await, 0);
        assert_eq!(guesses_taken(&server, |user| user == "alice"), (3, 60));

        // Whoever is right has no more to wait for than their turn.
        let mut logins = Vec::new();
        for place in 100..140 {
            let connection = reach_from(&server, &format!("127.0.0.{place}")).await;
            logins.push((connection, "bob".to_owned(), common::PASSWORD));
        }
        assert_eq!(at_once(logins).await, 40);
    });

    // The second failure closes a source out, whatever the names.
    let server = described().penalties(QUICK).start();
    runtime().block_on(async {
        let mut logins = Vec::new();
        for number in 0..4 {
            let connection = reach_from(&server, "127.0.0.9").await;
            logins.push((connection, format!("ghost{number}"), "guess"));
        }
        assert_eq!(at_once(logins).await, 0);
        let ghosts = guesses_taken(&server, |user| user.starts_with("ghost"));
        assert_eq!(ghosts, (2, 4));

        let mut logins = Vec::new();
        for number in 0..12 {
            let connection = reach_from(&server, "127.0.0.8").await;
            let user = ["alice", "bob", "warden"][number % 3].to_owned();
            logins.push((connection, user, common::PASSWORD));
        }
        assert_eq!(at_once(logins).await, 12);
    });
}

/// A wrong guess cost its source nothing when the client had hung up before the answer.
#[test]
fn hanging_up_before_the_answer_saves_nothing() {
    let server = described().penalties(QUICK).start();
    runtime().block_on(async {
        for _ in 0..2 {
            let connection = reach_from(&server, "127.0.0.9").await;
            let password = Secret::new("guess".into());
            let answer = connection.log_in("alice", &password);
            // Long enough for the login to be sent, and shorter than its verification.
            let refused = tokio::time::timeout(Duration::from_millis(1), answer).await;
            drop(refused);
        }
        wait("the penalty", || {
            let penalties = server.records("penalty");
            penalties
                .iter()
                .any(|record| record["who"] == "127.0.0.9/32")
        });
    });
}

#[test]
fn names_and_passwords_of_every_shape_are_refused_alike() {
    let server = server();
    runtime().block_on(async {
        let long = "x".repeat(3000);
        let mut seen = Vec::new();
        for (user, password) in [
            ("", ""),
            ("alice", ""),
            ("alice", "correct horse\0"),
            ("alice\0", common::PASSWORD),
            ("Alice", common::PASSWORD),
            ("al\u{131}ce", common::PASSWORD),
            ("ali\u{301}ce", common::PASSWORD),
            ("\u{202e}ecila", common::PASSWORD),
            ("alice", &long[..2000]),
            (&long[..1500], "x"),
            ("keyed", ""),
            ("disabled", common::PASSWORD),
            ("elsewhere", common::PASSWORD),
        ] {
            let error = server.try_session(user, password).await.err().unwrap();
            seen.push((error.code, error.text));
        }

        seen.dedup();
        assert_eq!(seen, [(200, "login refused".to_owned())]);

        // A megabyte does not fit into a frame before the login.
        let huge = server
            .try_session("alice", &"x".repeat(1 << 20))
            .await
            .err()
            .unwrap();
        assert!(
            huge.is(Code::FrameTooLarge) || huge.is(Code::ConnectionLost),
            "{huge}"
        );
    });
}

#[test]
fn a_connection_that_was_open_before_its_source_was_closed_out_is_not_for_guessing_on() {
    let server = described().penalties(QUICK).start();
    runtime().block_on(async {
        let (held, keyed) = (reach(&server).await, reach(&server).await);
        for _ in 0..2 {
            assert!(server.try_session("ghost", "guess").await.is_err());
        }
        wait("the penalty", || !server.records("penalty").is_empty());
        let error = held
            .log_in("alice", &Secret::new(common::PASSWORD.into()))
            .await
            .err()
            .unwrap()
            .1;
        assert!(error.is(Code::LoginRefused), "{error}");
        assert!(last_refusal(&server).contains("too many failures"));

        // Nothing can be guessed of a key.
        let no_code = || Err(ClientError::new(Code::CodeWanted, "no code"));
        assert!(
            keyed
                .enter(
                    "alice",
                    &own_key(&server.path("id_ed25519")),
                    false,
                    no_code
                )
                .await
                .is_ok()
        );
    });
}

#[test]
fn a_run_that_waits_is_judged_again_when_its_turn_comes() {
    let server = server();
    let config = server.path("config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let cases: [(&str, String, &str); 2] = [
        (
            "removed",
            text.replace("[commands.goes]", "[commands.gone]"),
            "there is no command `goes`",
        ),
        (
            "another argv",
            text.replacen(
                "[commands.goes]\nexec = [\"/bin/sleep\", \"1000\"]",
                "[commands.goes]\nexec = [\"/bin/sleep\", \"999\"]",
                1,
            ),
            "was changed",
        ),
    ];

    for (name, changed, expected) in cases {
        write(&config, &text, 0o600);
        assert_eq!(server.ordaind(&["reload"]).status.code(), Some(0));
        let first = stdout(&server.ordain(&["run", "--detach", "t", "goes"]))
            .trim()
            .to_owned();
        let granted = || {
            let requests = server.records("request");
            requests
                .iter()
                .filter(|record| record["verb"] == "run" && record["decision"] == "granted")
                .count()
        };

        let before = granted();
        let waiting = server
            .client()
            .args(["run", "t", "goes"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait("the wait", || granted() > before);
        assert_ne!(changed, text, "{name}");
        write(&config, &changed, 0o600);
        let reloaded = server.ordaind(&["reload"]);
        assert_eq!(reloaded.status.code(), Some(0), "{}", stderr(&reloaded));
        assert_eq!(
            server.ordain(&["cancel", "t", &first]).status.code(),
            Some(0)
        );

        let output = waiting.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(255), "{name}");
        assert!(
            stderr(&output).contains(expected),
            "{name}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn the_reload_reaches_whoever_is_closed_out() {
    let server = described().penalties(QUICK).start();
    let config = server.path("config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    runtime().block_on(async {
        for (instead, opened) in [
            ("exempt = [\"127.0.0.0/8\"]\n", true),
            ("off = true\n", true),
            ("cap = \"30m\"\n", false),
        ] {
            write(&config, &text, 0o600);
            assert_eq!(server.ordaind(&["reload"]).status.code(), Some(0));
            while connect(&server.options()).await.is_ok() {
                let _ = server.try_session("ghost", "guess").await;
            }
            let changed = match instead {
                "off = true\n" => text.replace(QUICK, "off = true\n"),
                "cap = \"30m\"\n" => text.replace("cap = \"20m\"\n", instead),
                _ => text.replace(QUICK, &format!("{QUICK}{instead}")),
            };

            write(&config, &changed, 0o600);
            let reloaded = server.ordaind(&["reload"]);
            assert_eq!(reloaded.status.code(), Some(0), "{}", stderr(&reloaded));
            assert_eq!(
                connect(&server.options()).await.is_ok(),
                opened,
                "{instead}"
            );
        }
    });
}

#[test]
fn a_lifetime_that_was_made_shorter_binds_logins_that_are_kept() {
    let server = server();
    let password = server.path("password").to_string_lossy().into_owned();
    assert!(
        bare(&server, &["login", "t", "--password-file", &password])
            .status()
            .unwrap()
            .success()
    );

    assert_eq!(
        bare(&server, &["run", "t", "true"])
            .status()
            .unwrap()
            .code(),
        Some(0)
    );

    let config = server.path("config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    write(
        &config,
        &text.replacen("[server]", "[login]\nlifetime = \"none\"\n[server]", 1),
        0o600,
    );

    assert_eq!(server.ordaind(&["reload"]).status.code(), Some(0));
    assert!(
        stderr(&bare(&server, &["run", "t", "true"]).output().unwrap()).contains("was refused")
    );
    assert_eq!(server.records("kept-ended").len(), 1);
    let none = bare(&server, &["login", "t", "--password-file", &password])
        .output()
        .unwrap();
    assert!(
        stderr(&none).contains("keeps no login"),
        "{}",
        stderr(&none)
    );
}

#[test]
fn a_lock_does_not_wait_for_a_program_that_ignores_it() {
    let server = server();
    let config = server.path("config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let stubborn = "[commands.stubborn]\nexec = [\"/bin/sh\", \"-c\", 'trap \"\" TERM; echo ready; while :; do sleep 1; done']\ngrace = \"1h\"\n[commands.true]";
    write(
        &config,
        &text.replacen("[commands.true]", stubborn, 1),
        0o600,
    );

    assert_eq!(server.ordaind(&["reload"]).status.code(), Some(0));
    let mut child = server
        .client()
        .args(["run", "t", "stubborn"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut ready = [0; 6];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut ready)
        .unwrap();
    assert_eq!(ordaind(&server, &["lock", "alice"]).status.code(), Some(0));
    assert!(!child.wait().unwrap().success());
    server.wait_for_trail("the end", |trail| {
        trail
            .iter()
            .any(|record| record["kind"] == "end" && record["reason"] == "revoked")
    });
}

#[test]
fn explaining_keeps_no_secret_either() {
    let server = Server::new().common(&["secret"]).alice().start();
    runtime().block_on(async {
        let session = server.session("alice").await;
        let clear = common::invocation("secret", &[("token", common::text("hunter2"))]);
        let view = session.ask(&Explain(clear)).await.unwrap();
        assert_eq!(view.decision, "refused");
    });

    assert!(
        !std::fs::read_to_string(server.path("state/trail.jsonl"))
            .unwrap()
            .contains("hunter2")
    );
}

#[test]
fn codes_cannot_be_guessed_patiently_from_afar() {
    let server = server();
    assert_eq!(ordaind(&server, &["totp", "coded"]).status.code(), Some(0));
    let uri = stdout(&ordaind(&server, &["totp", "coded"]))
        .trim()
        .to_owned();
    let secret = uri
        .split("secret=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap()
        .to_owned();
    let now = || {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs()
    };

    let password = server.path("password").to_string_lossy().into_owned();
    let run = |code: &str| {
        bare(
            &server,
            &[
                "--password-file",
                &password,
                "--code",
                code,
                "run",
                "coded@t",
                "true",
            ],
        )
        .output()
        .unwrap()
    };

    let right = totp(&secret, now() / 30);
    let wrong = if right == "000000" {
        "000001"
    } else {
        "000000"
    };

    for _ in 0..5 {
        assert!(stderr(&run(wrong)).contains("code 200"));
    }
    assert!(
        stderr(&run(&totp(&secret, now() / 30))).contains("code 200"),
        "the right one, after five wrong ones, from nowhere that is known"
    );

    assert!(last_refusal(&server).contains("too many wrong codes"));

    // A new seed begins anew; then this place is known, and stays open however many fail.
    let uri = stdout(&ordaind(&server, &["totp", "coded"]))
        .trim()
        .to_owned();
    let secret = uri
        .split("secret=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(run(&totp(&secret, now() / 30)).status.code(), Some(0));
    for _ in 0..6 {
        run(wrong);
    }
    assert_eq!(run(&totp(&secret, now() / 30 + 1)).status.code(), Some(0));

    // But not for ever: a code is guessed in the end from any place where nothing limits that.
    for _ in 0..10 {
        run(wrong);
    }
    assert!(stderr(&run(&totp(&secret, now() / 30 + 1))).contains("code 200"));
    assert!(last_refusal(&server).contains("too many wrong codes in a row"));
}

#[test]
fn a_client_that_is_done_leaves_no_session_behind() {
    let server = server();
    for _ in 0..3 {
        assert_eq!(server.ordain(&["run", "t", "true"]).status.code(), Some(0));
    }
    wait("the ends of the sessions", || {
        server.records("logout").len() == 3
    });
    let listed: serde_json::Value =
        serde_json::from_slice(&server.ordain(&["--json", "sessions", "t"]).stdout).unwrap();
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 1, "{listed}");
}

#[test]
fn locking_again_keeps_what_is_known_of_the_lock() {
    let server = server();
    assert_eq!(
        ordaind(&server, &["lock", "alice", "--reason", "left"])
            .status
            .code(),
        Some(0)
    );

    assert_eq!(ordaind(&server, &["lock", "alice"]).status.code(), Some(0));
    assert!(stdout(&ordaind(&server, &["lock"])).contains("left"));
}

#[test]
fn silence_leaving_and_rubbish_cost_a_source_too() {
    // What each costs, with all else costing nothing; two of them reach the floor.
    for misdeed in ["deadline", "no_login", "violation"] {
        let free: String = ["login", "no_login", "deadline", "violation"]
            .into_iter()
            .map(|name| {
                format!(
                    "{name} = \"{}\"\n",
                    if name == misdeed { "100s" } else { "none" }
                )
            })
            .collect();
        let server = described()
            .tls("handshake_timeout = \"200ms\"")
            .penalties(&format!(
                "{free}floor = \"150s\"\ncap = \"20m\"\nuser_floor = \"10m\""
            ))
            .start();
        runtime().block_on(async {
            for _ in 0..2 {
                match misdeed {
                    "deadline" => {
                        let mut socket =
                            std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap();
                        // Nothing is said until the server has had enough.
                        let _ = socket.read_to_end(&mut Vec::new());
                    }

                    "no_login" => drop(reach(&server).await),
                    _ => {
                        // A user's name that no frame may hold before the login.
                        let _ = server.try_session(&"x".repeat(8000), "x").await;
                    }
                }
            }

            wait("the penalty", || !server.records("penalty").is_empty());
            assert!(connect(&server.options()).await.is_err(), "{misdeed}");
        });
    }
}
