//! Names for many machines, as the real client reads them: sets, groups of the settings and of
//! programs, files of names, and settings by pattern.

mod common;

use common::{PASSWORD, Server, stderr, stdout, wait, write};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Instant;

/// A folder with settings, and the client that reads them.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new(settings: &str) -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        write(&desk.path("client.toml"), settings, 0o600);
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn ordain(&self, words: &[&str]) -> Output {
        let mut client = common::client_in(self.0.path(), "client.toml");
        client.args(words).output().unwrap()
    }

    fn with_input(&self, words: &[&str], input: &str) -> Output {
        let mut client = common::client_in(self.0.path(), "client.toml");
        let pipes = client
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = pipes.stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        child.wait_with_output().unwrap()
    }

    /// What `ordain nodes` prints, on one line.
    fn nodes(&self, words: &[&str]) -> String {
        let output = self.ordain(&[&["nodes"], words].concat());
        assert_eq!(stderr(&output), "", "{words:?}");
        assert!(output.status.success(), "{words:?}");
        stdout(&output).trim_end().replace('\n', " ")
    }

    /// What it complains of; nothing is printed.
    fn fault(&self, words: &[&str]) -> String {
        let output = self.ordain(&[&["nodes"], words].concat());
        assert_eq!(output.status.code(), Some(255), "{words:?}");
        assert_eq!(stdout(&output), "", "{words:?}");
        stderr(&output)
    }
}

/// A program that a test's settings can name.
fn program(path: &Path, script: &str) {
    write(path, &format!("#!/bin/sh\n{script}\n"), 0o755);
}

#[test]
fn a_set_is_printed_as_names_folded_and_counted() {
    let desk = Desk::new("");
    assert_eq!(desk.nodes(&["web[1-3]"]), "web1 web2 web3");
    assert_eq!(desk.nodes(&["--expand", "web[08-10]!web09"]), "web08 web10");
    assert_eq!(desk.nodes(&["--fold", "web3,web1,web2,db"]), "db,web[1-3]");
    assert_eq!(desk.nodes(&["--count", "n[1-65536]"]), "65536");
    assert_eq!(desk.nodes(&["n[1-65536]"]).split(' ').count(), 65_536);
    assert_eq!(desk.nodes(&["alice@web[1-2]:7500"]), "web1 web2");
    assert_eq!(desk.nodes(&["web1"]), "web1");
    assert_eq!(
        desk.nodes(&["--json", "b,a[1-2]"]),
        r#"{"count":3,"fold":"a[1-2],b","names":["b","a1","a2"]}"#
    );

    for (set, sentence) in [
        ("", "column 1: needs a name beside it"),
        (
            "web[1-40",
            "column 4: `[1-40` opens a bracket that is not closed",
        ),
        (
            "n[1-1000000000]",
            "names 1000000000 hosts, and 65536 are the most",
        ),
        ("web1!web1", "column 1: `web1!web1` names no host"),
        (
            "@web",
            "column 1: `@web` is not known: the settings have no group `web`, nor any other",
        ),
        (
            "@*",
            "column 1: `@*` is not known: the settings have no groups",
        ),
        ("a/b,c", "has a '/', which no name has"),
        ("bob@web[3-1]:7", "column 9: `3-1` goes backwards"),
        ("web1,bob@web2", "column 1: `web1,bob` is no user for all"),
        ("a,b:0", "column 5: `0` is not a port"),
    ] {
        let said = desk.fault(&[set]);
        assert!(said.contains(sentence), "{set}: {said}");
    }
    let neither = desk.fault(&[]);
    assert!(neither.contains("required"), "{neither}");
}

#[test]
fn names_come_from_a_file_or_from_standard_input() {
    let desk = Desk::new("");
    let list = desk.path("list");
    write(
        &list,
        "# all of them\nweb2\n\n  web3 # the new one\nweb2\n",
        0o644,
    );
    let list = list.to_str().unwrap();
    assert_eq!(desk.nodes(&["--hosts-from", list]), "web2 web3");
    assert_eq!(
        desk.nodes(&["--fold", "--hosts-from", list, "web[1-2]"]),
        "web[1-3]"
    );
    let read = desk.with_input(&["nodes", "--hosts-from", "-", "db1"], "web9\r\nfe80::1");
    assert_eq!(stdout(&read), "db1\nweb9\nfe80::1\n");

    let refused = |text: &str| {
        let output = desk.with_input(&["nodes", "--hosts-from", "-"], text);
        assert_eq!(
            (output.status.code(), stdout(&output)),
            (Some(255), String::new())
        );
        stderr(&output)
    };
    assert!(refused("# nobody\n").contains("names no host"));
    let said = refused("web1\nweb[1-2]\n");
    assert!(
        said.contains("line 2, column 1: `web[1-2]` has a '['"),
        "{said}"
    );
    let gone = desk.fault(&["--hosts-from", desk.path("gone").to_str().unwrap()]);
    assert!(gone.contains("gone: No such file"), "{gone}");
}

#[test]
fn groups_stand_in_the_settings_and_hold_one_another() {
    let desk = Desk::new(
        "[groups]\nweb = \"web[1-4]\"\ndb = \"db[1-2]\"\nprod = \"@web,@db!web3\"\nnone = \"\"\n\
         odd = \"web[3-1]\"\na = \"x,@b\"\nb = \"@a\"\n",
    );
    assert_eq!(desk.nodes(&["@prod"]), "web1 web2 web4 db1 db2");
    assert_eq!(desk.nodes(&["@web!@prod"]), "web3");
    assert_eq!(desk.nodes(&["@web!@none", "--fold"]), "web[1-4]");
    assert_eq!(desk.nodes(&["alice@@web:7500", "--count"]), "4");

    let file = desk.path("client.toml");
    let file = file.display();
    for (set, sentence) in [
        ("@none", "column 1: `@none` names no host".to_owned()),
        (
            "@odd",
            format!("{file}:6: in the group `@odd`, column 5: `3-1` goes backwards"),
        ),
        (
            "@a",
            format!(
                "{file}:8: in the group `@b`, column 1: `@a` is a member of itself: @a → @b → @a"
            ),
        ),
        (
            "@wbe",
            "the settings have no group `wbe`; there are a, b, db, none, odd, prod, web".to_owned(),
        ),
        (
            "@inv:web",
            "the settings have no `[groups-from.inv]`, nor any other".to_owned(),
        ),
    ] {
        let said = desk.fault(&[set]);
        assert!(said.contains(&sentence), "{set}: {said}");
    }
}

/// A program that counts how often it is started.
fn counted(desk: &Desk, name: &str, script: &str) -> String {
    let path = desk.path(name);
    program(
        &path,
        &format!("echo started >> '{}.count'\n{script}", path.display()),
    );
    path.display().to_string()
}

fn starts(desk: &Desk, name: &str) -> usize {
    let count = std::fs::read_to_string(desk.path(&format!("{name}.count")));
    count.unwrap_or_default().lines().count()
}

#[test]
fn an_ansible_inventory_is_asked_once_and_kept() {
    let desk = Desk::new("");
    let inventory = counted(
        &desk,
        "inventory",
        r#"cat <<'END'
{"_meta": {"hostvars": {"alone": {"x": [1, {"y": 2}]}, "web1": {}}},
 "all": {"children": ["ungrouped", "prod"]},
 "prod": {"children": ["web", "db"]},
 "web": {"hosts": ["web1", "web2"], "vars": {"a": 1}},
 "db": {"hosts": ["db1"]},
 "odd": {"hosts": ["a!b"]},
 "loop": {"children": ["loop"]}}
END"#,
    );
    let settings = format!(
        "[groups]\nall = \"@inv:*\"\n[groups-from.inv]\nrun = [\"{inventory}\", \"--list\"]\nform = \"ansible\"\n"
    );
    write(&desk.path("client.toml"), &settings, 0o600);

    assert_eq!(desk.nodes(&["@inv:prod"]), "web1 web2 db1");
    assert_eq!(desk.nodes(&["@inv:prod!@inv:db"]), "web1 web2");
    let odd = desk.fault(&["@inv:odd"]);
    assert!(
        odd.contains("one of its members is `a!b`, which is no name"),
        "{odd}"
    );
    let turns = desk.fault(&["@inv:loop"]);
    assert!(
        turns.contains("is a member of itself: @inv:loop → @inv:loop"),
        "{turns}"
    );
    let unknown = desk.fault(&["@inv:wbe"]);
    assert!(
        unknown.contains("`inv` tells of no such group; there are all, db, "),
        "{unknown}"
    );
    assert_eq!(starts(&desk, "inventory"), 1, "what was told is kept");

    let kept = desk.path("home/.cache/ordain/groups@inv");
    let mode = std::fs::metadata(&kept).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // What is no answer of this program's is not believed.
    write(&kept, "{}", 0o600);
    assert_eq!(desk.nodes(&["@inv:web"]), "web1 web2");
    assert_eq!(starts(&desk, "inventory"), 2);
    let settings = settings.replace("--list", "--other");
    write(&desk.path("client.toml"), &settings, 0o600);
    assert_eq!(desk.nodes(&["@inv:web"]), "web1 web2");
    assert_eq!(starts(&desk, "inventory"), 3);
    let settings = settings + "keep = \"1ms\"\n";
    write(&desk.path("client.toml"), &settings, 0o600);
    assert_eq!(desk.nodes(&["@inv:web,@inv:db"]), "web1 web2 db1");
    assert_eq!(starts(&desk, "inventory"), 4, "once for one set");
}

#[test]
fn programs_tell_groups_as_json_and_as_lines() {
    let desk = Desk::new("");
    let json = counted(
        &desk,
        "json",
        r#"echo '{"web": ["web1", "web2"], "none": []}'"#,
    );
    let lines = counted(&desk, "lines", "cat; echo '# nodes'; echo n1; echo n2");
    let text = format!(
        "[groups-from.j]\nrun = [\"{json}\"]\nform = \"json\"\n\
         [groups-from.l]\nrun = [\"{lines}\", \"--of={{group}}\"]\nform = \"lines\"\nkeep = \"1h\"\n"
    );
    write(&desk.path("client.toml"), &text, 0o600);
    assert_eq!(desk.nodes(&["@j:web!@j:none"]), "web1 web2");
    assert_eq!(desk.nodes(&["@j:*"]), "web1 web2");

    // Standard input is the user's, and no program's.
    let read = desk.with_input(&["nodes", "@l:rack7", "--hosts-from", "-"], "mine\n");
    assert_eq!(stdout(&read), "n1\nn2\nmine\n", "{}", stderr(&read));
    assert_eq!(desk.nodes(&["@l:rack7"]), "n1 n2");
    assert_eq!(starts(&desk, "lines"), 1);
    assert_eq!(desk.nodes(&["@l:rack8"]), "n1 n2");
    assert_eq!(starts(&desk, "lines"), 2);
    let all = desk.fault(&["@l:*"]);
    assert!(all.contains("`l` tells one group at a time"), "{all}");
}

#[test]
fn a_program_that_fails_is_a_fault_and_no_empty_group() {
    let desk = Desk::new("");
    let cases = [
        (
            "fails",
            "echo web1; echo 'no such rack' >&2; exit 3",
            "failed (exit status: 3): no such rack",
        ),
        ("silent", "exit 1", "failed (exit status: 1)"),
        ("killed", "kill -9 $$", "failed (signal: 9"),
        (
            "much",
            "head -c 5000000 /dev/zero",
            "tells more than 4194304 bytes",
        ),
        ("binary", "printf 'a\\377b'", "is not UTF-8 text"),
        (
            "path",
            "echo ../../etc/passwd",
            "one of its members is `../../etc/passwd`, which is no name",
        ),
        ("option", "echo -oProxyCommand=x", "which is no name"),
        ("escape", r"printf '\033[2Jx\n'; exit 0", "which is no name"),
    ];
    let mut settings =
        String::from("[groups-from.gone]\nrun = [\"/gone/x\", \"{group}\"]\nform = \"lines\"\n");
    for (name, script, _) in cases {
        program(&desk.path(name), script);
        let path = desk.path(name);
        settings += &format!(
            "[groups-from.{name}]\nrun = [\"{}\", \"{{group}}\"]\nform = \"lines\"\n",
            path.display()
        );
    }
    write(&desk.path("client.toml"), &settings, 0o600);
    for (name, _, sentence) in cases {
        let said = desk.fault(&[&format!("web1!@{name}:x")]);
        assert!(said.contains(sentence), "{name}: {said}");
        assert!(!said.contains('\u{1b}'), "{said:?}");
    }
    let gone = desk.fault(&["web1!@gone:x"]);
    assert!(
        gone.contains("/gone/x did not start: No such file"),
        "{gone}"
    );
}

/// One hangs, and one leaves something behind that holds its output open.
#[test]
fn a_program_that_takes_too_long_is_ended_with_all_it_has_started() {
    let desk = Desk::new("");
    let mut settings = String::new();
    for (name, script) in [
        ("hangs", "exec sleep 1000"),
        ("leaves", "sleep 1000 & echo web1"),
    ] {
        let path = desk.path(name);
        program(
            &path,
            &format!("echo $$ > '{}.pid'\n{script}", path.display()),
        );
        settings += &format!(
            "[groups-from.{name}]\nrun = [\"{}\"]\nform = \"json\"\n",
            path.display()
        );
    }
    write(&desk.path("client.toml"), &settings, 0o600);

    let begin = Instant::now();
    std::thread::scope(|both| {
        for name in ["hangs", "leaves"] {
            let desk = &desk;
            both.spawn(move || {
                let said = desk.fault(&[&format!("@{name}:web")]);
                assert!(said.contains("did not end within 10 s"), "{said}");
                let group = std::fs::read_to_string(desk.path(&format!("{name}.pid"))).unwrap();
                wait("the end of its processes", || members(group.trim()) == 0);
            });
        }
    });
    assert!(begin.elapsed().as_secs() >= 10);
}

/// How many processes there are in a process group, zombies apart.
fn members(group: &str) -> usize {
    let stats = std::fs::read_dir("/proc").unwrap().flatten();
    let stats = stats.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    let fields = stats.filter_map(|stat| {
        let rest = stat.rsplit_once(')')?.1.split_whitespace();
        Some(rest.map(str::to_owned).collect::<Vec<_>>())
    });
    fields
        .filter(|fields| fields[2] == group && fields[0] != "Z")
        .count()
}

#[test]
fn settings_that_say_nothing_sound_of_groups_are_refused() {
    for (settings, sentence) in [
        (
            "[groups]\nweb = 1\n",
            "groups.web: found 1; accepted is a string",
        ),
        ("[groups]\n\"a b\" = \"x\"\n", "`a b` is not a name"),
        ("[groups-from.x]\n", "has no `run`"),
        ("[groups-from.x]\nrun = [\"/x\"]\n", "has no `form`"),
        (
            "[groups-from.x]\nrun = []\nform = \"yaml\"\n",
            "`yaml` is no form; accepted is ansible, json or lines",
        ),
        (
            "[groups-from.x]\nrun = [\"ls\"]\nform = \"json\"\n",
            "`ls` is no program's path",
        ),
        (
            "[groups-from.x]\nrun = []\nform = \"json\"\n",
            "has no `run`",
        ),
        (
            "[groups-from.x]\nrun = [\"/x\"]\nform = \"lines\"\n",
            "no word `{group}` in `run`",
        ),
        (
            "[groups-from.x]\nrun = [\"/x\", \"{group}\"]\nform = \"json\"\n",
            "all groups at once",
        ),
        (
            "[groups-from.x]\nrun = [\"/x\"]\nform = \"json\"\nkeep = \"0s\"\n",
            "accepted is a duration",
        ),
        (
            "[groups-from.x]\nrun = [\"/x\"]\nform = \"json\"\nkep = \"1s\"\n",
            "did you mean `keep`?",
        ),
        (
            "[hosts.\"web/*\"]\nuser = \"x\"\n",
            "is no pattern of hosts",
        ),
        (
            "[hosts.\"web*\"]\naddress = \"192.0.2.1\"\n",
            "says where one host is",
        ),
        ("[hosts.\"web*\"]\nca = \"a\"\npin = \"b\"\n", "hosts.web*"),
    ] {
        println!("{settings}");
        let said = Desk::new(settings).fault(&["a,b"]);
        assert!(said.contains(sentence), "{settings}{said}");
    }
}

#[test]
fn the_most_specific_settings_hold_and_the_line_is_shown() {
    let desk = Desk::new(
        "[defaults]\nuser = \"all\"\nca = \"all.crt\"\n\
         [hosts.\"*\"]\nport = 1\nidentity = \"/keys/any\"\n\
         [hosts.\"web*\"]\nuser = \"deploy\"\nport = 2\ntty = true\n\
         [hosts.\"web1?\"]\nport = 3\n\
         [hosts.web12]\naddress = \"192.0.2.7\"\npin = \"sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"\n",
    );
    let shown = |host: &str| {
        let output = desk.ordain(&["hosts", host]);
        assert_eq!(stderr(&output), "");
        let file = desk.path("client.toml").display().to_string();
        let lines = stdout(&output).replace(&file, "FILE");
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        lines.lines().map(words).collect::<Vec<_>>()
    };
    let ca = format!("ca {} FILE:3 [defaults]", desk.path("all.crt").display());
    assert_eq!(
        shown("web12"),
        [
            "address 192.0.2.7 FILE:14 [hosts.web12]",
            "port 3 FILE:12 [hosts.web1?]",
            "user deploy FILE:8 [hosts.web*]",
            // The entry's own pin is what makes it the right server, and not the CA of all.
            "pin sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= FILE:15 [hosts.web12]",
            "identity /keys/any FILE:6 [hosts.*]",
            "tty true FILE:10 [hosts.web*]",
        ]
    );
    assert_eq!(
        shown("WEB2.example.")[..2],
        [
            "port 2 FILE:9 [hosts.web*]",
            "user deploy FILE:8 [hosts.web*]"
        ]
    );
    assert_eq!(
        shown("db1"),
        [
            "port 1 FILE:5 [hosts.*]",
            "user all FILE:2 [defaults]",
            &*ca,
            "identity /keys/any FILE:6 [hosts.*]"
        ]
    );
    let output = desk.ordain(&["--json", "hosts", "db1"]);
    let told: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(told["host"], "db1");
    assert_eq!(told["settings"][0]["key"], "port");
    assert_eq!(told["settings"][0]["table"], "hosts.*");

    assert_eq!(
        stdout(&Desk::new("").ordain(&["hosts", "web1"])).trim_end(),
        format!("port  {}  the usual port", ordain::protocol::PORT)
    );
}

#[test]
fn a_pattern_holds_for_a_host_that_is_reached() {
    let server = Server::new().common(&["true"]).alice().start();
    let settings = format!(
        "[hosts.\"t*\"]\nport = {}\nuser = \"alice\"\npassword_file = \"password\"\nca = \"ca.crt\"\n\
         [hosts.t7]\naddress = \"127.0.0.1\"\ntls_name = \"localhost\"\n",
        server.port
    );
    write(&server.path("patterns.toml"), &settings, 0o600);
    write(&server.path("password"), PASSWORD, 0o600);
    let mut client = common::client_in(&server.path(""), "patterns.toml");
    let output = client.args(["run", "t7", "true"]).output().unwrap();
    assert_eq!(
        (output.status.code(), stderr(&output)),
        (Some(0), String::new())
    );
}

#[test]
fn a_group_is_run_at_and_its_keys_are_shown() {
    let server = Server::new().common(&["true"]).alice().start();
    let mut settings = String::from("[groups]\nboth = \"t[7-8]\"\n");
    for host in ["t7", "t8"] {
        settings += &common::host(server.port).replace("[hosts.t]", &format!("[hosts.{host}]"));
        settings += "password_file = \"password\"\n";
    }
    write(&server.path("groups.toml"), &settings, 0o600);
    let client = |words: &[&str]| {
        let mut client = common::client_in(&server.path(""), "groups.toml");
        client.args(words).output().unwrap()
    };
    let output = client(&["run", "@both", "true"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("2 exit 0"), "{}", stderr(&output));
    let output = client(&["run", "@neither", "true"]);
    assert_eq!(output.status.code(), Some(255));
    assert!(stderr(&output).contains("the settings have no group `neither`; there are both"));

    // Two names of one server are one line.
    let output = client(&["keyscan", "@both"]);
    let shown = stdout(&output);
    assert!(
        shown.starts_with(&format!("127.0.0.1:{} sha256:", server.port)),
        "{shown}"
    );
    assert_eq!(shown.lines().count(), 1, "{}", stderr(&output));
}

#[test]
fn completions_know_groups_and_the_last_of_several_names() {
    let desk = Desk::new("");
    let json = counted(&desk, "json", r#"echo '{"edge": ["e1"]}'"#);
    let text = format!(
        "[groups]\nweb = \"web[1-4]\"\n[groups-from.inv]\nrun = [\"{json}\"]\nform = \"json\"\n[hosts.db1]\nport = 1\n"
    );
    write(&desk.path("client.toml"), &text, 0o600);
    let file = desk.path("client.toml");
    let completed = |shell: &str, word: &str| {
        let words = [
            "complete",
            shell,
            "--",
            "--config",
            file.to_str().unwrap(),
            "nodes",
            word,
        ];
        let mut client = std::process::Command::new(env!("CARGO_BIN_EXE_ordain"));
        let client = client.args(words).env("HOME", desk.path("home"));
        let client = client
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_CACHE_HOME");
        stdout(&client.output().unwrap())
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(completed("bash", ""), ["@web", "db1"]);
    assert_eq!(completed("bash", "@"), ["@web"]);
    assert_eq!(starts(&desk, "json"), 0, "a key starts no program");
    assert_eq!(desk.nodes(&["@inv:edge"]), "e1");
    assert_eq!(
        completed("fish", "web1,@"),
        [
            "web1,@inv:edge\tgroup that inv tells of",
            "web1,@web\tweb[1-4]",
        ]
    );
    assert_eq!(completed("bash", "alice@@w"), ["alice@@web"]);
    assert_eq!(completed("bash", "@web!d"), ["@web\\!db1"]);
    assert_eq!(completed("bash", "@inv:e"), ["edge"]);
    for nothing in ["web[1,d", "'@web,d", "\"d", "@web\\!d"] {
        assert_eq!(
            completed("bash", nothing),
            Vec::<String>::new(),
            "{nothing}"
        );
    }
}
