//! Hosts and addresses in all their spellings, over real sockets: where the daemon listens, and what
//! is one host to the client.

mod common;

use common::{Cmd, PASSWORD, Server, client_in, stderr, stdout, write};
use std::process::{Command, Output};

/// A daemon that listens at these places, one port for all.
fn listening(places: &[&str]) -> Server {
    let server = Server::new()
        .without_listeners()
        .server(&format!("listen = {places:?}"))
        .command(Cmd::new("greet", &["/bin/echo", "hello"]))
        .alice()
        .file("password", PASSWORD, 0o600)
        .start();
    write(&server.path("empty.toml"), "", 0o600);
    server
}

/// The real client with nothing but these words, the user and their password.
fn client(server: &Server, settings: &str, words: &[&str]) -> Output {
    client_in(server.folder.path(), settings)
        .args(["--user", "alice", "--password-file"])
        .arg(server.path("password"))
        .args(words)
        .output()
        .unwrap()
}

/// `whoami` at a host whose certificate is proved by its CA.
fn whoami(server: &Server, host: &str) -> Output {
    let ca = server.path("ca.crt");
    let words = ["--ca", ca.to_str().unwrap(), "--tls-name", "localhost"];
    client(
        server,
        "empty.toml",
        &[&words[..], &["whoami", host]].concat(),
    )
}

fn known_servers(server: &Server) -> Vec<String> {
    let text = std::fs::read_to_string(server.path("home/ordain/known_servers")).unwrap();
    text.lines()
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect()
}

/// The interfaces of this machine by name and number, with an IPv6 address of each: of its own link
/// alone, or of this machine alone.
fn ipv6(link_local: bool) -> Option<(String, u32, String)> {
    let text = std::fs::read_to_string("/proc/net/if_inet6").ok()?;
    text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [digits, number, _, scope, flags, name] = fields[..] else {
            return None;
        };
        // 0x20 is a link's own address, 0x10 the machine's; 0x40 in the flags is one that may not be
        // used yet.
        let tentative = u32::from_str_radix(flags, 16).unwrap() & 0x40 != 0;
        let wanted = if link_local { "20" } else { "10" };
        (scope == wanted && !tentative).then(|| {
            let parts: Vec<&str> = (0..8).map(|at| &digits[at * 4..][..4]).collect();
            let number = u32::from_str_radix(number, 16).unwrap();
            (name.to_owned(), number, parts.join(":"))
        })
    })
}

#[test]
fn every_address_is_both_families() {
    let server = listening(&["*:0"]);
    let mut hosts = vec![
        (format!("127.0.0.1:{}", server.port), "127.0.0.1"),
        (format!("[::FFFF:127.0.0.1]:{}", server.port), "127.0.0.1"),
    ];
    if ipv6(false).is_some() {
        hosts.push((format!("[0::1]:{}", server.port), "::1"));
    }
    for (host, source) in hosts {
        let output = whoami(&server, &host);
        assert_eq!(stderr(&output), "", "{host}");
        assert!(
            stdout(&output).contains(source),
            "{host}: {}",
            stdout(&output)
        );
        assert!(!stdout(&output).contains("::ffff"), "{host}");
    }
}

#[test]
fn an_address_that_is_none_of_this_machines_is_named() {
    let prepared = Server::new()
        .without_listeners()
        .server("listen = [\"192.0.2.1:0\"]")
        .alice()
        .prepare();
    let output = Command::new(env!("CARGO_BIN_EXE_ordaind"))
        .arg("--config")
        .arg(prepared.config())
        .output()
        .unwrap();
    let said = stderr(&output);
    assert!(!output.status.success());
    for part in [
        "192.0.2.1:0 cannot be listened on",
        "`ip address` shows the addresses of this machine",
    ] {
        assert!(said.contains(part), "{}: {said}", output.status);
    }
}

#[test]
fn a_host_is_known_however_it_is_spelled() {
    let server = listening(&["127.0.0.1:0"]);
    let port = server.port;
    let first = client(
        &server,
        "empty.toml",
        &["--accept-new", "whoami", &format!("LocalHost.:{port}")],
    );
    assert!(first.status.success(), "{}", stderr(&first));
    assert_eq!(known_servers(&server), [format!("localhost:{port}")]);
    let again = client(
        &server,
        "empty.toml",
        &["whoami", &format!("localhost:{port}")],
    );
    assert!(again.status.success(), "{}", stderr(&again));

    let address = format!("[::ffff:127.0.0.1]:{port}");
    let first = client(&server, "empty.toml", &["--accept-new", "whoami", &address]);
    assert!(first.status.success(), "{}", stderr(&first));
    let again = client(
        &server,
        "empty.toml",
        &["whoami", &format!("127.0.0.1:{port}")],
    );
    assert!(again.status.success(), "{}", stderr(&again));
    assert_eq!(
        known_servers(&server),
        [format!("localhost:{port}"), format!("127.0.0.1:{port}")]
    );
}

#[test]
fn an_entry_is_found_however_its_host_is_spelled() {
    let server = listening(&["127.0.0.1:0"]);
    let entry = |name: &str| {
        format!(
            "[hosts.\"{name}\"]\naddress = \"127.0.0.1\"\nport = {}\nca = \"ca.crt\"\ntls_name = \"LOCALHOST.\"\n",
            server.port
        )
    };
    write(&server.path("one.toml"), &entry("Bücher.Example"), 0o600);
    for host in ["bücher.example", "BÜCHER.example.", "xn--bcher-kva.example"] {
        let output = client(&server, "one.toml", &["run", host, "greet"]);
        assert_eq!(
            (stdout(&output), stderr(&output)),
            ("hello\n".into(), String::new()),
            "{host}"
        );
    }

    write(
        &server.path("two.toml"),
        &(entry("web1") + &entry("WEB1.")),
        0o600,
    );
    let output = client(&server, "two.toml", &["run", "web1", "greet"]);
    let said = stderr(&output);
    assert!(said.contains("two.toml:6"), "{said}");
    assert!(
        said.contains("is the host of") && said.contains("two.toml:1"),
        "{said}"
    );
}

#[test]
fn a_link_local_address_is_reached_by_its_interface() {
    let Some((name, number, address)) = ipv6(true) else {
        eprintln!("passed over: no interface here has a link-local address");
        return;
    };
    let server = listening(&[&format!("[{address}%{name}]:0")]);
    let port = server.port;
    let first = format!("[{address}%{number}]:{port}");
    let output = client(&server, "empty.toml", &["--accept-new", "whoami", &first]);
    assert!(output.status.success(), "{}", stderr(&output));

    let second = format!("[{}%{name}]:{port}", address.to_uppercase());
    let output = client(&server, "empty.toml", &["whoami", &second]);
    assert!(output.status.success(), "{}", stderr(&output));
    let known = known_servers(&server);
    assert_eq!(known.len(), 1, "{known:?}");
    assert!(known[0].ends_with(&format!("%{name}]:{port}")), "{known:?}");

    let output = client(
        &server,
        "empty.toml",
        &["whoami", &format!("[{address}%no-such]:{port}")],
    );
    assert!(
        stderr(&output).contains("no interface `no-such`"),
        "{}",
        stderr(&output)
    );
}
