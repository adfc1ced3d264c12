//! The recipes of the book do what they say: each page's configuration is a real daemon's, its files lie
//! where it puts them, what it shows is typed, and what comes of it is compared.
//!
//! A page stays as its readers need it, by these rules:
//!
//! * A folder stands for the root of both machines. A path of the page that is there is taken from there;
//!   every other is this machine's own. A block whose tag has a path (`sh /usr/local/bin/nightly`) is put
//!   there by the page, and what a test cannot have for real (`/usr/bin/systemctl`) by the test.
//! * An account in `run_as` is the one that the test runs as.
//! * Addresses of 192.0.2.0/24, which are nobody's, are this machine's; a host of the client's settings has
//!   a port and a key besides.
//! * The public key of a user is one to which the test has the private half.

mod common;
#[path = "common/pages.rs"]
mod pages;
#[path = "common/shown.rs"]
mod shown;

use common::{Server, grouped, keygen, run_as, stderr, stdout, write};
use pages::{Block, blocks, root};
use regex::{Captures, Regex};
use shown::{commands, play, with_status};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A page, and the folder in which it is played.
struct Recipe {
    page: PathBuf,
    folder: tempfile::TempDir,
    public: String,
}

impl Recipe {
    fn of(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for part in ["root", "bin", "home/.config/ordain"] {
            std::fs::create_dir_all(folder.path().join(part)).unwrap();
        }
        let private = keygen(&folder.path().join("home/.config/ordain"), "ed25519", "");
        let public = std::fs::read_to_string(private.with_extension("pub")).unwrap();
        let recipe = Self {
            page: root().join("docs/src/recipes").join(format!("{name}.md")),
            folder,
            public: public.trim().to_owned(),
        };
        recipe.placed().for_each(|(path, _)| recipe.put(&path, ""));
        recipe
    }

    fn blocks(&self, tag: &str) -> Vec<Block> {
        let mut found = blocks(&self.page);
        found.retain(|block| block.tag == tag);
        found
    }

    /// The files that the page shows with their places.
    fn placed(&self) -> impl Iterator<Item = (String, String)> {
        blocks(&self.page).into_iter().filter_map(|block| {
            let (_, path) = block.tag.split_once(" /")?;
            Some((format!("/{path}"), block.lines.join("\n") + "\n"))
        })
    }

    /// A path of the machines.
    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("root").join(&path[1..])
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
        write(&path, text, mode);
    }

    fn file(self, path: &str, text: &str) -> Self {
        self.put(path, text);
        self
    }

    /// A program that stands in for one that is not here, and notes what it was called with.
    fn program(self, path: &str, script: &str) -> Self {
        let name = Path::new(path).file_name().unwrap().to_str().unwrap();
        let called = self.folder.path().join("called").display().to_string();
        let text = format!("#!/bin/sh\necho \"{name} $*\" >> {called}\n{script}\n");
        self.file(path, &text)
    }

    /// A text of the page, as it is true here.
    fn here(&self, text: &str) -> String {
        let key = Regex::new(r"ssh-ed25519 AAAA[^ ]+ [\w@-]+").unwrap();
        let account = Regex::new(r"(?m)^run_as = .*$").unwrap();
        let address = Regex::new(r"192\.0\.2\.\d+(/24)?").unwrap();
        let path = Regex::new(r#"(^|["'\s=])(/[\w+.-]+(?:/[\w+.-]+)*)"#).unwrap();
        let text = key.replace_all(text, self.public.as_str());
        let text = account.replace_all(&text, run_as());
        let text = address.replace_all(&text, |found: &Captures| match found.get(1) {
            Some(_) => "127.0.0.0/24",
            None => "127.0.0.1",
        });
        let taken = |found: &Captures| match self.path(&found[2]) {
            there if there.exists() => format!("{}{}", &found[1], there.display()),
            _ => found[0].to_owned(),
        };
        path.replace_all(&text, taken).into_owned()
    }

    /// The daemon's configuration: what `ordaind init` makes, and what the page adds.
    fn config(&self) -> String {
        let best_effort = "containment = \"best-effort\", ";
        let containment = if grouped() { "" } else { best_effort };
        let (before, account) = match run_as() {
            "" => ("", ""),
            account => (", ", account),
        };
        let shown: Vec<String> = self
            .blocks("toml")
            .iter()
            .map(|block| block.lines.join("\n"))
            .collect();
        format!(
            "server = {{ {containment}listen = [\"127.0.0.1:0\"], state = \"state\", grace = \"1s\" }}\n\
             tls = {{ certificate = \"server.crt\", key = \"server.key\" }}\n\
             defaults = {{ timeout = \"60s\"{before}{account} }}\n{}\n",
            self.here(&shown.join("\n\n"))
        )
    }

    /// Plays it on so many machines.
    fn start(self, machines: usize) -> Played {
        for (path, text) in self.placed() {
            self.put(&path, &self.here(&text));
        }
        let start = |_| {
            let prepared = Server::new().prepare();
            write(&prepared.config(), &self.config(), 0o600);
            prepared.start()
        };
        let servers: Vec<Server> = (0..machines).map(start).collect();
        let played = Played {
            recipe: self,
            servers,
        };
        played.programs();
        let settings = played.settings();
        write(&played.home(".config/ordain/config.toml"), &settings, 0o600);
        played
    }
}

/// A recipe whose machines are up.
struct Played {
    recipe: Recipe,
    servers: Vec<Server>,
}

impl Played {
    /// ordain's programs, of which `ordaind` is the first machine's.
    fn programs(&self) {
        let bin = self.recipe.folder.path().join("bin");
        let ordain = env!("CARGO_BIN_EXE_ordain");
        std::os::unix::fs::symlink(ordain, bin.join("ordain")).unwrap();
        write(&bin.join("ordaind"), &self.ordaind(), 0o755);
    }

    /// A program that is the real `ordaind`, and finds the first machine's configuration as root does.
    fn ordaind(&self) -> String {
        let (own, config) = (env!("CARGO_BIN_EXE_ordaind"), self.servers[0].config());
        format!(
            "#!/bin/sh\nexec {own} --config {} \"$@\"\n",
            config.display()
        )
    }

    fn home(&self, name: &str) -> PathBuf {
        self.recipe.folder.path().join("home").join(name)
    }

    /// The client's settings: the page's own, or what a reader has by then.
    fn settings(&self) -> String {
        let config = self.recipe.config();
        let user = Regex::new(r"\[users\.(\w+)\]").unwrap();
        let user = &user.captures(&config).unwrap()[1];
        let usual = format!("[defaults]\nuser = '{user}'\nidentity = 'id_ed25519'\n[hosts.web1]\n");
        let shown = self.recipe.blocks("toml client");
        let text = shown.first().map_or(usual, |block| block.lines.join("\n"));
        let mut settings: toml::Table = text.parse().unwrap();
        let hosts = settings["hosts"].as_table_mut().unwrap();
        assert_eq!(hosts.len(), self.servers.len());
        for ((_, host), server) in hosts.iter_mut().zip(&self.servers) {
            let host = host.as_table_mut().unwrap();
            let pin = stdout(&server.ordaind(&["fingerprint"]));
            host.insert("address".into(), "127.0.0.1".into());
            host.insert("port".into(), i64::from(server.port).into());
            host.insert("pin".into(), pin.trim().into());
        }
        toml::to_string(&settings).unwrap()
    }

    /// Runs a line in the shell, as somebody whose programs and files are the page's.
    fn typed(&self, line: &str) -> Output {
        let bin = self.recipe.folder.path().join("bin");
        Command::new("timeout")
            .args(["60", "/bin/sh", "-c", line])
            .current_dir(self.home(""))
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .env("HOME", self.home(""))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Types what the page shows, and compares.
    fn plays(&self) {
        let mut ids = Vec::new();
        let here = |text: &str| self.recipe.here(text);
        let run = |line: &str| {
            let output = self.typed(&format!("exec 2>&1; {line}"));
            (output.status.code().unwrap(), stdout(&output))
        };
        let shown = with_status(commands(&self.recipe.page));
        assert!(!shown.is_empty(), "the page shows no command");
        let faults: Vec<String> = shown
            .iter()
            .filter_map(|command| play(command, &mut ids, here, run))
            .collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    /// What the programs that stand in for others were called with, and nothing from now on.
    fn called(&self) -> Vec<String> {
        let noted = self.recipe.folder.path().join("called");
        let text = std::fs::read_to_string(&noted).unwrap_or_default();
        let _ = std::fs::remove_file(noted);
        text.lines().map(str::to_owned).collect()
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.recipe.path(path)).unwrap()
    }

    /// A program that is another one from now on.
    fn replace(&self, path: &str, script: &str) {
        self.recipe.put(path, &format!("#!/bin/sh\n{script}\n"));
    }
}

#[test]
fn every_recipe_is_played_here() {
    let own = std::fs::read_to_string(root().join("tests/recipes.rs")).unwrap();
    for page in pages::below(&root().join("docs/src/recipes")) {
        let name = page.file_stem().unwrap().to_str().unwrap();
        assert!(own.contains(&format!("Recipe::of({name:?})")), "{name}");
    }
}

#[test]
fn sudoers_becomes_two_commands() {
    let played = Recipe::of("sudoers")
        .program("/usr/bin/systemctl", "")
        .file(
            "/var/log/nginx/error.log",
            "a start\nconnect() failed\nupstream timed out\n",
        )
        .start(1);
    played.plays();
    assert_eq!(played.called(), ["systemctl restart -- nginx"]);
    let other = played.typed("ordain run web1 restart-web 'nginx ssh'");
    assert_eq!(other.status.code(), Some(255), "{}", stderr(&other));
    assert!(played.called().is_empty());
}

/// The words of a line as Icinga makes them of a `CheckCommand`.
fn icinga(text: &str, host: &str) -> Vec<String> {
    let quoted = Regex::new(r#""([^"]*)""#).unwrap();
    let line = |begins: &str| text.lines().find(|line| line.trim().starts_with(begins));
    let words = |line: &str| -> Vec<String> {
        let found = quoted.captures_iter(line);
        found.map(|found| found[1].to_owned()).collect()
    };
    let mut all = words(line("command = ").unwrap());
    for argument in text.lines().filter(|line| line.trim().starts_with("\"--")) {
        all.extend(words(argument));
    }
    for word in &mut all {
        let Some(name) = word
            .strip_prefix('$')
            .and_then(|word| word.strip_suffix('$'))
        else {
            continue;
        };
        let variable = line(&format!("vars.{name} = "));
        *word = match variable.and_then(|line| line.rsplit_once(" = ")) {
            Some((_, value)) => value.to_owned(),
            None => host.to_owned(),
        };
    }
    all
}

#[test]
fn plugins_answer_nagios_and_icinga() {
    let disk = r#"[ 42 -ge "${2%\%}" ] || { echo "DISK WARNING - free space: / 42%"; exit 1; }
echo "DISK OK - free space: / 42%""#;
    let played = Recipe::of("nrpe")
        .program("/usr/lib/nagios/plugins/check_disk", disk)
        .program("/usr/lib/nagios/plugins/check_load", "")
        .file("/usr/bin/ordain", "")
        .file("/etc/icinga2/ordain.toml", "")
        .start(1);
    played.plays();
    let called = played.called();
    assert_eq!(
        called,
        [
            "check_disk -w 20% -c 10% -p /",
            "check_disk -w 50% -c 10% -p /"
        ]
    );

    // Icinga's own machine: the program, and beside the settings the key.
    let (program, settings) = (
        played.recipe.path("/usr/bin/ordain"),
        played.recipe.path("/etc/icinga2/ordain.toml"),
    );
    std::fs::remove_file(&program).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ordain"), program).unwrap();
    write(&settings, &played.settings(), 0o600);
    let key = std::fs::read_to_string(played.home(".config/ordain/id_ed25519")).unwrap();
    write(&settings.with_file_name("id_ed25519"), &key, 0o600);
    let line = icinga(&played.read("/etc/icinga2/conf.d/ordain.conf"), "web1");
    let checked = |line: &[String]| {
        let mut check = Command::new(&line[0]);
        common::run(check.args(&line[1..]).env_clear().current_dir("/"))
    };
    let answer = checked(&line);
    assert_eq!(answer.status.code(), Some(0), "{}", stderr(&answer));
    assert_eq!(stdout(&answer), "DISK OK - free space: / 42%\n");
    assert_eq!(played.called(), ["check_disk -w 20% -c 10% -p /"]);
    let of_another: Vec<String> = line
        .iter()
        .map(|word| word.replace("check-root", "check-boot"))
        .collect();
    let answer = checked(&of_another);
    assert_eq!(answer.status.code(), Some(3), "{}", stderr(&answer));
    assert!(stdout(&answer).starts_with("ORDAIN UNKNOWN - "));
}

#[test]
fn a_forced_command_becomes_commands_of_the_same_key() {
    let app = r#"case "$1" in status) echo "status of $3" ;; dump) printf 'a\000b\n\r' ;; esac"#;
    let played = Recipe::of("forced-commands")
        .program("/usr/local/sbin/app", app)
        .start(1);
    played.plays();
    assert_eq!(played.called(), ["app status -- web", "app dump"]);
    let dump = std::fs::read(played.home("app.dump")).unwrap();
    assert_eq!(dump, b"a\0b\n\r", "the same to the byte");
}

#[test]
fn a_backup_takes_the_place_of_the_one_before_only_when_it_is_whole() {
    let played = Recipe::of("backups")
        .file("/etc/nginx/nginx.conf", "user www-data;\n")
        .program("/usr/bin/pg_dump", r#"echo "a dump of $3""#)
        .start(1);
    played.plays();
    assert_eq!(played.called(), ["pg_dump --format=custom -- shop"]);
    let dump = || std::fs::read_to_string(played.home("backups/web1/shop.dump")).unwrap();
    assert_eq!(dump(), "a dump of shop\n");

    // It writes a part, and fails.
    played.replace("/usr/bin/pg_dump", "echo a part; exit 3");
    let pull = played
        .recipe
        .here("/usr/local/bin/pull-backups backups web1");
    let output = played.typed(&pull);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(
        stderr(&output),
        "backups/web1/shop.dump: status 3; the backup of before is kept\n"
    );
    assert_eq!(dump(), "a dump of shop\n");
    let left = std::fs::read_dir(played.home("backups/web1")).unwrap();
    let mut left: Vec<_> = left.map(|file| file.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["etc.tar.gz", "shop.dump"]);
}

#[test]
fn ci_deploys_with_a_token_that_nobody_sees() {
    let recipe = Recipe::of("ci");
    let noted = recipe.folder.path().join("noted").display().to_string();
    let deploy =
        format!("cat > {noted}; echo \"$DEPLOY_TOKEN\" > {noted}.token; echo \"$1 is deployed\"");
    let played = recipe
        .program("/usr/local/sbin/deploy", &deploy)
        .program("/usr/local/sbin/migrate", "seq 3")
        .start(1);
    write(&played.home("token"), "abc123\n", 0o600);
    write(&played.home("v1.2.3.tar"), "an archive", 0o600);
    played.plays();
    assert_eq!(played.called(), ["deploy v1.2.3", "migrate "]);
    let noted =
        |name: &str| std::fs::read_to_string(played.recipe.folder.path().join(name)).unwrap();
    assert_eq!(noted("noted"), "an archive");
    assert_eq!(noted("noted.token"), "abc123\n");
    assert!(!played.servers[0].trail_text().contains("abc123"));
    let unsaid = played.typed("ordain run web1 deploy v1.2.3 --token @token < v1.2.3.tar");
    assert_eq!(unsaid.status.code(), Some(255), "without a ticket");
}

#[test]
fn logs_are_read_between_two_times_and_no_others() {
    let log = "2025-03-01T07:59:59Z started\n2025-03-01T08:00:00Z opened\n2025-03-01T08:30:00Z sold\n2025-03-01T08:30:01Z closed\n";
    let played = Recipe::of("logs")
        .program("/usr/bin/journalctl", "")
        .file("/var/log/shop/shop.log", log)
        .start(1);
    played.plays();
    let time = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC";
    let line = format!(
        "^journalctl --quiet --no-pager --output=short-iso --unit=nginx.service --since=({time}) --until=({time})$"
    );
    let called = played.called();
    let found = Regex::new(&line).unwrap();
    let found = found
        .captures(&called[0])
        .unwrap_or_else(|| panic!("{called:?}"));
    assert!(found[1] < found[2], "{called:?}");
    assert_eq!(called.len(), 1, "{called:?}");
}

#[test]
fn jobs_of_the_night_run_on_all_machines_and_say_where_they_failed() {
    let played = Recipe::of("cron")
        .program("/usr/local/sbin/clean-sessions", "echo 3 were removed")
        .program("/usr/local/sbin/report", r#"echo "report of ${1#--day=}""#)
        .start(2);
    played.plays();
    let mut called = played.called();
    called.sort();
    assert_eq!(called.len(), 5, "{called:?}");
    assert!(called[..2].iter().all(|line| line == "clean-sessions "));

    played.replace("/usr/local/sbin/clean-sessions", "echo no room; exit 3");
    let nightly = played.recipe.here("/usr/local/bin/nightly 'web[1-2]'");
    let output = played.typed(&nightly);
    assert_eq!(output.status.code(), Some(1));
    let said = stdout(&output);
    assert!(said.starts_with("clean-sessions:\n"), "{said}");
    assert!(said.contains("web[1-2] (2) exit 3"), "{said}");
    assert!(!said.contains("report"), "{said}");
    assert_eq!(played.called().len(), 2, "the other job had its turn");
}

/// An archive of a version, as `packaging/build tarball` makes it; its `ordaind` is this script.
fn archive(played: &Played, ordaind: &str) {
    let bin = played.home("ordain-1/bin");
    std::fs::create_dir_all(&bin).unwrap();
    for (name, text) in [
        ("ordaind", ordaind),
        ("ordain", "#!/bin/sh\n"),
        ("ordain-certs", "#!/bin/sh\n"),
    ] {
        write(&bin.join(name), text, 0o755);
    }
    let packed = played.typed("tar --create --gzip --file ordain.tar.gz ordain-1");
    assert!(packed.status.success(), "{}", stderr(&packed));
}

#[test]
fn ordain_upgrades_itself_or_leaves_all_as_it_is() {
    let old = "#!/bin/sh\necho ordaind 0.0.1\n";
    let played = Recipe::of("upgrade")
        .program("/usr/bin/systemctl", "")
        .file("/usr/local/bin/ordaind", old)
        .file("/usr/local/bin/ordain", old)
        .file("/usr/local/bin/ordain-certs", old)
        .start(1);
    let upgrade = "sum=$(sha256sum ordain.tar.gz | cut -d ' ' -f 1); ordain run web1 upgrade-ordain \"$sum\" < ordain.tar.gz";

    // Half an archive, as a client sends it that ends in the middle.
    archive(&played, &played.ordaind());
    let half = upgrade.replace("< ordain.tar.gz", "< half");
    let output = played.typed(&format!("head -c 100 ordain.tar.gz > half; {half}"));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "this is not the archive of that sum\n");
    assert_eq!(played.read("/usr/local/bin/ordaind"), old);

    // A version that does not take the configuration.
    archive(&played, "#!/bin/sh\necho what is this; exit 1\n");
    let output = played.typed(upgrade);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "what is this\n");
    assert_eq!(played.read("/usr/local/bin/ordaind"), old);
    assert!(played.called().is_empty(), "nothing was restarted");

    archive(&played, &played.ordaind());
    played.plays();
    assert_eq!(played.read("/usr/local/bin/ordaind"), played.ordaind());
    assert_eq!(played.read("/usr/local/bin/ordaind.before"), old);
    let called = played.called();
    assert_eq!(called, ["systemctl --no-block restart ordaind"]);
}
