//! Roles that come by a group of the system: who has them, who loses them and when, and what becomes of
//! everybody while the name service fails or says nothing.

mod common;

use common::{Cmd, PASSWORD, Server, Setup, invocation, is_root, stderr, stdout, wait, write};
use ordain::client::ClientError;
use ordain::protocol::Code;
use ordain::verb::{Cancel, List, Whoami};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn setup() -> Setup {
    Server::new()
        .command(Cmd::new("true", &["/bin/true"]))
        .command(Cmd::new("sleep", &["/bin/sleep", "1000"]).grace("100ms"))
        .role("all", &["*"])
        .role("less", &["true"])
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

/// The account that this test runs as, and its own group.
fn own_account() -> Option<(String, String)> {
    let id = |what| {
        let output = Command::new("id").arg(what).output().unwrap();
        let name = stdout(&output).trim().to_owned();
        (output.status.success() && !name.is_empty()).then_some(name)
    };
    id("-un").zip(id("-gn"))
}

#[test]
fn a_group_gives_roles_and_everything_says_which() {
    let Some((account, group)) = own_account() else {
        eprintln!("skipped: whoever runs this has no name here");
        return;
    };
    let server = setup()
        .table(
            "groups-of-system",
            &format!("\"{group}\" = [\"all\"]\nno-such-group = [\"less\"]"),
        )
        .user_with(
            "alice",
            &["less"],
            &format!("password = \"{{hash}}\"\naccount = \"{account}\""),
        )
        // This machine knows no account of that name, and nothing says that it must.
        .user("no-such-user-here", &["less"])
        .start();

    let ran = server.ordain(&["run", "t", "true"]);
    assert_eq!(ran.status.code(), Some(0), "{}", stderr(&ran));
    let requests = server.records("request");
    let rule = requests.last().unwrap()["rule"].as_str().unwrap();
    let by_entry = "roles.less.commands `true`";
    assert!(
        rule.starts_with(by_entry) && !rule.contains("group"),
        "{rule}"
    );

    let whoami = stdout(&server.ordain(&["whoami", "t"]));
    assert!(whoami.contains("roles: less, all\n"), "{whoami}");
    let by_group = format!("some by the groups: {group}\n");
    assert!(whoami.contains(&by_group), "{whoami}");
    let list = stdout(&server.ordain(&["list", "t"]));
    assert!(list.contains("sleep"), "{list}");
    let explained = stdout(&server.ordain(&["explain", "t", "sleep"]));
    let gives = format!(": account `{account}` is in it, which gives the roles all");
    assert!(explained.contains(&gives), "{explained}");

    // The trail names what gave the role that decided.
    runtime().block_on(async {
        let session = server.session("alice").await;
        let run = session.run(invocation("sleep", &[])).await.unwrap();
        let wanted = format!(", given by the group `{group}` (");
        let granted = server.records("request");
        let rule = granted.last().unwrap()["rule"].as_str().unwrap().to_owned();
        assert!(
            rule.starts_with("roles.all.commands `*`") && rule.contains(&wanted),
            "{rule}"
        );
        drop(run);
        let nobody = server.session("no-such-user-here").await;
        let view = nobody.ask(&Whoami {}).await.unwrap();
        assert_eq!((view.roles, view.groups), (vec!["less".into()], vec![]));
    });

    let access = stdout(&server.ordaind(&["access", "alice"]));
    let named = format!("by less, all (group {group})");
    assert!(access.contains(&named), "{access}");
    let json = stdout(&server.ordaind(&["access", "alice", "--command", "sleep", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let row = &json["access"][0];
    assert_eq!(row["roles"], serde_json::json!(["all"]));
    assert_eq!(row["groups"], serde_json::json!({ "all": group }));
    let explained = stdout(&server.ordaind(&["explain", "alice", "sleep"]));
    assert!(explained.contains(&gives), "{explained}");
    let shown = stdout(&server.ordaind(&["user", "show", "alice"]));
    let listed = stdout(&server.ordaind(&["user", "list"]));
    let all_roles = format!("alice              less, all (group {group})");
    assert!(listed.starts_with(&all_roles), "{listed}");
    let listed = stdout(&server.ordaind(&["user", "list", "--json"]));
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let given = |at: usize| &listed["users"][at]["roles_of_groups"];
    assert_eq!(*given(0), serde_json::json!({ "all": group }));
    assert_eq!(*given(1), serde_json::json!({}));
    let roles = "roles: less\n";
    let more = format!("roles of groups: all (group {group})\n");
    assert!(shown.contains(roles) && shown.contains(&more), "{shown}");

    let offline = server.ordaind(&["explain", "--offline", "alice", "sleep"]);
    assert_eq!(offline.status.code(), Some(1));
    let said = stdout(&offline);
    assert!(said.contains("the name service was not asked"), "{said}");
    let check = stdout(&server.ordaind(&["check"]));
    assert!(
        check.contains("groups-of-system.no-such-group: this machine knows no such group, so it gives nobody a role [unknown-group]"),
        "{check}"
    );
    let check = stdout(&server.ordaind(&["check", "--offline"]));
    assert!(!check.contains("unknown-group"), "{check}");
}

#[test]
fn an_account_that_is_named_and_not_there_lets_nobody_in() {
    let server = setup()
        .table("groups-of-system", "root = [\"less\"]")
        .user_with(
            "alice",
            &["less"],
            "password = \"{hash}\"\naccount = \"no-such-user-here\"",
        )
        .start();
    let refused = runtime().block_on(server.try_session("alice", PASSWORD));
    assert!(refused.err().unwrap().is(Code::GroupsUnknown));
    let login = server.records("login").pop().unwrap();
    assert_eq!(
        login["reason"],
        "this machine does not know the account that the user's `account` names"
    );
}

#[test]
fn the_account_of_a_user_is_written_and_shown() {
    let Some((account, group)) = own_account() else {
        eprintln!("skipped: whoever runs this has no name here");
        return;
    };
    let server = setup()
        .table("groups-of-system", &format!("\"{group}\" = [\"all\"]"))
        .user("alice", &["less"])
        .start();
    let words = ["user", "add", "bob", "--account", &account];
    let added = server.ordaind(&words);
    assert_eq!(added.status.code(), Some(0), "{}", stderr(&added));
    let text = || std::fs::read_to_string(server.config()).unwrap();
    let line = format!("[users.bob]\nroles = []\naccount = \"{account}\"\n");
    assert!(text().contains(&line), "{}", text());
    let shown = stdout(&server.ordaind(&["user", "show", "bob"]));
    let named = format!("account: {account}\n");
    assert!(shown.contains(&named), "{shown}");
    let listed = stdout(&server.ordaind(&["user", "list"]));
    let given = format!("all (group {group})");
    assert!(listed.contains(&given), "{listed}");

    let set = server.ordaind(&["user", "set", "bob", "--account", "no-such-user-here"]);
    assert_eq!(set.status.code(), Some(0), "{}", stderr(&set));
    let out = stdout(&server.ordaind(&["user", "list"]));
    assert!(out.contains("bob    no such account"), "{out}");
    assert!(out.starts_with("alice  less"), "{out}");
    let shown = stdout(&server.ordaind(&["user", "show", "bob"]));
    assert!(
        shown.contains("this machine does not know that account"),
        "{shown}"
    );
}

#[test]
fn a_list_in_which_groups_are_missing_is_not_told_for_a_whole_one() {
    let Some(etc) = Etc::new() else { return };
    let server = admins(&etc, "1s").start();
    let listed = ordaind(&server, &["user", "list"]);
    assert_eq!(listed.status.code(), Some(0), "{}", stderr(&listed));
    let out = stdout(&listed);
    assert!(out.starts_with("carl  all (group admins)"), "{out}");

    etc.fails();
    let listed = ordaind(&server, &["user", "list"]);
    assert_eq!(listed.status.code(), Some(1));
    let out = stdout(&listed);
    assert!(out.starts_with("carl  groups not known"), "{out}");
    assert!(out.contains("dora  less, groups not known"), "{out}");
    let listed = stdout(&ordaind(&server, &["user", "list", "--json"]));
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(
        listed["users"][0]["roles_of_groups"],
        serde_json::Value::Null
    );
}

/// A folder in the place of the daemon's /etc: who is in which group is the test's to say.
struct Etc(tempfile::TempDir);

impl Etc {
    /// `None` where nobody may do that; it is said.
    fn new() -> Option<Self> {
        let private = ["--mount", "/bin/sh", "-c", "mount --bind /tmp /mnt"];
        let can = |mut command: Command| command.output().is_ok_and(|done| done.status.success());
        let mut unshare = Command::new("unshare");
        unshare.args(private);
        if !is_root() || !can(unshare) {
            eprintln!("skipped: only root can give a daemon an /etc of its own");
            return None;
        }

        let etc = Self(tempfile::tempdir().unwrap());
        for name in ["passwd", "ld.so.cache"] {
            if let Ok(bytes) = std::fs::read(Path::new("/etc").join(name)) {
                std::fs::write(etc.path(name), bytes).unwrap();
            }
        }
        let more = "carl:x:4201:4201::/:/bin/false\ndora:x:4202:4202::/:/bin/false\n";
        let passwd = std::fs::read_to_string(etc.path("passwd")).unwrap() + more;
        write(&etc.path("passwd"), &passwd, 0o644);
        write(
            &etc.path("nsswitch.conf"),
            "passwd: files\ngroup: files\n",
            0o644,
        );
        etc.members("carl,dora");
        Some(etc)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// These accounts are in the group `admins` from now on, all at once.
    fn members(&self, names: &str) {
        let system = std::fs::read_to_string("/etc/group").unwrap();
        let text = format!("{system}admins:x:4300:{names}\n");
        write(&self.path("group.new"), &text, 0o644);
        std::fs::rename(self.path("group.new"), self.path("group")).unwrap();
    }

    /// No group can be looked up any more.
    fn fails(&self) {
        std::fs::remove_file(self.path("group")).unwrap();
    }

    /// Whoever looks a group up waits for ever.
    fn hangs(&self) {
        let fifo = self.path("group.fifo");
        let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        std::fs::rename(fifo, self.path("group")).unwrap();
    }

    /// Lets go whoever waits, and these are the members.
    fn answers(&self, names: &str) {
        let hanging = self.path("hanging");
        std::fs::rename(self.path("group"), &hanging).unwrap();
        self.members(names);
        // Whoever waits for a writer gets one that says nothing.
        drop(std::fs::OpenOptions::new().write(true).open(hanging));
    }
}

/// Carl and dora get what `admins` gives, and have nothing else; erin has nothing to do with it.
fn admins(etc: &Etc, age: &str) -> Setup {
    setup()
        .env("ORDAIN_ETC", etc.0.path().to_str().unwrap())
        .env("ORDAIN_FAULT", "name-service-time:300")
        .table("groups-of-system", "admins = [\"all\"]")
        .table("login", &format!("groups_age = \"{age}\""))
        .user("carl", &[])
        .user("dora", &["less"])
}

/// One of the daemon's own verbs, with the daemon's /etc.
fn ordaind(server: &Server, words: &[&str]) -> Output {
    Command::new("nsenter")
        .args(["--mount", "--target", &server.child.id().to_string()])
        .arg(env!("CARGO_BIN_EXE_ordaind"))
        .arg("--config")
        .arg(server.config())
        .args(words)
        .output()
        .unwrap()
}

fn reload(server: &Server) {
    let output = ordaind(server, &["reload"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

/// Asks until the answer is this.
async fn until<T>(
    what: &str,
    mut ask: impl AsyncFnMut() -> Result<T, ClientError>,
    wanted: impl Fn(&Result<T, ClientError>) -> bool,
) {
    let tries = std::time::Instant::now() + common::PATIENCE;
    loop {
        if wanted(&ask().await) {
            return;
        }
        assert!(std::time::Instant::now() < tries, "{what}");
        // Nothing rings for this, and each try leaves a record.
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[test]
fn whoever_leaves_a_group_loses_its_roles_with_sessions_and_runs() {
    let Some(etc) = Etc::new() else { return };
    let server = admins(&etc, "1s").start();
    runtime().block_on(async {
        let (carl, dora) = (server.session("carl").await, server.session("dora").await);
        let run = carl.run(invocation("sleep", &[])).await.unwrap();
        let others = dora.run(invocation("sleep", &[])).await.unwrap();

        etc.members("dora");
        tokio::task::spawn_blocking({
            let trail = server.path("state/trail.jsonl");
            move || {
                wait("the end of what carl may not run any more", || {
                    std::fs::read_to_string(&trail)
                        .unwrap()
                        .contains("\"reason\":\"revoked\"")
                });
            }
        })
        .await
        .unwrap();
        assert!(carl.ask(&List {}).await.unwrap_err().is(Code::Revoked));
        // Whoever has stayed has lost nothing.
        let list = dora.ask(&List {}).await.unwrap();
        assert_eq!(list.commands.len(), 2);

        let carl = server.session("carl").await;
        let refused = carl.run(invocation("true", &[])).await.err().unwrap();
        assert!(refused.is(Code::NotPermitted), "{refused}");
        drop((run, others));

        // Whoever comes back into it has its roles after that time, in the same session.
        etc.members("dora,carl");
        let ask = async || carl.ask(&List {}).await;
        until("carl is back", ask, |list| {
            list.as_ref().is_ok_and(|list| list.commands.len() == 2)
        })
        .await;
    });
    let mut ends = server.records("end");
    ends.retain(|end| end["reason"] == "revoked");
    let whose: Vec<&serde_json::Value> = ends.iter().map(|end| &end["user"]).collect();
    assert_eq!(whose, ["carl"]);
}

#[test]
fn a_reload_asks_anew_and_takes_what_is_gone() {
    let Some(etc) = Etc::new() else { return };
    let server = admins(&etc, "1h").start();
    runtime().block_on(async {
        let (carl, dora) = (server.session("carl").await, server.session("dora").await);
        etc.members("dora");
        // What was asked holds for its time.
        assert_eq!(carl.ask(&List {}).await.unwrap().commands.len(), 2);
        reload(&server);
        assert!(carl.ask(&List {}).await.unwrap_err().is(Code::Revoked));
        assert_eq!(dora.ask(&List {}).await.unwrap().commands.len(), 2);

        // What the group gives becomes less, and nobody's groups have changed.
        let text = std::fs::read_to_string(server.config()).unwrap();
        let less = text.replace("admins = [\"all\"]", "admins = [\"less\"]");
        write(&server.config(), &less, 0o600);
        reload(&server);
        assert!(dora.ask(&List {}).await.unwrap_err().is(Code::Revoked));

        // Another group is a question that nobody has answered yet.
        let dora = server.session("dora").await;
        let more = text.replace(
            "admins = [\"all\"]",
            "admins = [\"less\"]\nroot = [\"all\"]",
        );
        write(&server.config(), &more, 0o600);
        reload(&server);
        assert_eq!(dora.ask(&List {}).await.unwrap().commands.len(), 1);
        etc.fails();
        write(&server.config(), &text, 0o600);
        reload(&server);
        let refused = dora.ask(&List {}).await.unwrap_err();
        assert!(refused.is(Code::GroupsUnknown), "{refused}");
    });
    let refused = server.records("request").pop().unwrap();
    assert_eq!(refused["rule"], "groups-of-system");
    assert_eq!(refused["decision"], "refused");
}

#[test]
fn while_the_name_service_fails_nobody_gets_more_or_less_than_they_have() {
    let Some(etc) = Etc::new() else { return };
    let server = admins(&etc, "1s").penalties("login = \"5s\"").start();
    runtime().block_on(async {
        let carl = server.session("carl").await;
        let run = carl.run(invocation("sleep", &[])).await.unwrap();
        let other = carl.run(invocation("sleep", &[])).await.unwrap();
        etc.fails();
        // Dora would have `less` by her entry alone, and is refused all the same; it costs nothing.
        for _ in 0..12 {
            let refused = server.try_session("dora", PASSWORD).await.err().unwrap();
            assert!(refused.is(Code::GroupsUnknown), "{refused}");
        }
        let said = "the name service failed, so the user's groups are not known";
        assert_eq!(server.records("login").pop().unwrap()["reason"], said);

        // What is known of carl holds for a while, and then nothing new is granted. What goes on goes on.
        let ask = async || carl.ask(&List {}).await;
        until("carl's groups are too old", ask, |list| match list {
            Ok(list) => {
                assert_eq!(list.commands.len(), 2);
                false
            }
            Err(error) => {
                assert!(error.is(Code::GroupsUnknown), "{error}");
                true
            }
        })
        .await;
        assert!(server.records("end").is_empty());
        // What only takes away from oneself does not wait for it.
        let cancel = Cancel {
            run: other.id().unwrap().into(),
        };
        carl.ask(&cancel).await.unwrap();
        server.wait_for_records("end", 1);
        let explained = ordaind(&server, &["explain", "carl", "true"]);
        let why = "ordaind: it is not known in which groups of this system `carl` is: the name service failed: ";
        assert!(stderr(&explained).contains(why), "{}", stderr(&explained));

        etc.members("carl");
        until("carl's groups are known", ask, |list| list.is_ok()).await;
        server.session("dora").await;
        assert_eq!(server.records("end").len(), 1);
        drop((run, other));
    });
    server.wait_for_log("the groups of a user are not known");
    server.wait_for_log("the name service answers again");
}

/// Each of the accounts was waited for by itself, and whose a group is for ever.
#[test]
fn a_name_service_that_hangs_holds_up_no_program() {
    let mut setup = setup().table("groups-of-system", "wheel = [\"all\"]");
    for number in 1..=6 {
        setup = setup.user(&format!("user{number}"), &["less"]);
    }
    let setup = setup.alice().prepare();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o770);
    std::fs::set_permissions(setup.folder(), open).unwrap();
    let asked: [&[&str]; 6] = [
        &["user", "list"],
        &["user", "show", "user6"],
        &["access", "user5"],
        &["explain", "--offline", "user4", "true"],
        &["check"],
        &["status"],
    ];
    let programs = asked.map(|words| {
        let mut ordaind = Command::new(env!("CARGO_BIN_EXE_ordaind"));
        ordaind.env("ORDAIN_FAULT", "name-service:stuck");
        ordaind.arg("--config").arg(setup.config()).args(words);
        (words, common::Going::new(ordaind))
    });
    for (words, program) in programs {
        let output = program.ends();
        assert!(!output.status.success(), "{words:?}: {}", stdout(&output));
    }
}

/// Four questions that hang are all that hang, and whoever is in is served as if nothing were.
#[test]
fn a_name_service_that_hangs_holds_up_nobody_who_is_in() {
    let Some(etc) = Etc::new() else { return };
    let server = admins(&etc, "1h").user("erin", &["less"]).start();
    let threads = || {
        let folder = format!("/proc/{}/task", server.child.id());
        let tasks = std::fs::read_dir(folder).unwrap().flatten();
        let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
        let names = tasks.map(name).map(Result::unwrap_or_default);
        names.filter(|name| name.trim() == "name-service").count()
    };
    runtime().block_on(async {
        let carl = server.session("carl").await;
        etc.hangs();
        for _ in 0..6 {
            let refused = server.try_session("dora", PASSWORD).await.err().unwrap();
            assert!(refused.is(Code::GroupsUnknown), "{refused}");
            carl.ask(&List {}).await.unwrap();
        }
        assert_eq!(threads(), 4);
        // Nobody is asked about for whoever has proved nothing, so that time tells them nothing.
        for user in ["dora", "carl", "nobody-at-all"] {
            let refused = server.try_session(user, "wrong").await.err().unwrap();
            assert!(refused.is(Code::LoginRefused), "{refused}");
        }
        // Carl's groups were asked lately.
        server.session("carl").await;

        etc.answers("dora");
        let ask = async || server.try_session("dora", PASSWORD).await;
        until("dora is in", ask, |session| session.is_ok()).await;
    });
    wait("the end of what hung", || threads() == 0);
}
