//! `ordaind init`: a key, a certificate that vouches for itself, and the smallest configuration.

use super::{complain, say};
use crate::devca;
use crate::exit::Status;
use crate::sys;
use crate::tls::{Fingerprint, certificates};
use std::path::{Path, PathBuf};

/// Makes the files, and says what to do next.
pub fn init(folder: Option<&Path>) -> Status {
    match make(folder) {
        Ok(()) => Status::OK,
        Err(why) => {
            complain(&format!("ordaind: {why}"));
            Status::FAULT
        }
    }
}

/// Makes whatever is not there.
fn make(folder: Option<&Path>) -> Result<(), String> {
    let root = sys::effective_uid() == 0;
    let usual = if root { "/etc/ordain" } else { "." };
    let folder = folder.unwrap_or(Path::new(usual));
    let files = ["config.toml", "server.key", "server.crt"].map(|name| folder.join(name));
    let [config, key, certificate] = &files;
    if let Some(file) = [key, certificate].into_iter().find(|file| file.exists()) {
        return Err(format!(
            "{} exists already; nothing was changed (--dir makes a new key elsewhere)",
            file.display()
        ));
    }

    // A configuration that is there, a package's or one's own, is kept.
    let kept = config.exists();
    std::fs::create_dir_all(folder).map_err(|fault| format!("{}: {fault}", folder.display()))?;
    let host = sys::host_name();
    let names: Vec<String> = [host.as_str(), "localhost"]
        .into_iter()
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();

    // A pin names the key and does not look at dates, so the certificate need not be renewed.
    let pair = devca::self_signed(&names, 36_500)?;
    let fingerprint = certificates(pair.certificate.as_bytes())?
        .first()
        .map(Fingerprint::of)
        .transpose()?
        .ok_or("no certificate was made")?;
    let text = configuration(root, sys::cgroups_offered().is_ok());
    let written = [
        (key, &pair.key, 0o600),
        (certificate, &pair.certificate, 0o644),
        (config, &text, 0o600),
    ];

    for (file, bytes, mode) in written
        .into_iter()
        .filter(|(file, ..)| !(kept && *file == config))
    {
        sys::replace(file, bytes.as_bytes(), mode, false)
            .map_err(|fault| format!("{}: {fault}", file.display()))?;
    }

    let [config, key, certificate] = files;
    tell(&Made {
        config,
        key,
        certificate,
        kept,
        usual: root && folder == Path::new("/etc/ordain"),
        fingerprint,
        host,
    });
    Ok(())
}

/// What was made, and what was there.
struct Made {
    config: PathBuf,
    key: PathBuf,
    certificate: PathBuf,
    /// Whether the configuration was there, and is kept.
    kept: bool,
    /// Whether the configuration is where the daemon looks by itself.
    usual: bool,
    fingerprint: Fingerprint,
    /// This machine's name; empty where it has none.
    host: String,
}

/// Says what was made, and what to do next.
fn tell(made: &Made) {
    let (config, key) = (made.config.display(), made.key.display());
    let certificate = made.certificate.display();
    let option = if made.usual {
        String::new()
    } else {
        format!(" --config {config}")
    };

    match made.kept {
        true => say(&format!(
            "wrote {certificate} and {key}; {config} was there and is kept"
        )),
        false => say(&format!("wrote {config}, {certificate} and {key}")),
    }

    say(&format!("the server's key is {}", made.fingerprint));
    say(
        "it will listen on every address, port 7424; the configuration says where else, and where its state is kept",
    );
    say("");
    say("next:");
    say(&format!(
        "  1. ordaind{option} user add YOU --roles everybody --password"
    ));
    say(&format!("  2. ordaind{option} check"));
    say(&format!("  3. ordaind{option}"));
    say(&format!(
        "  4. on a client: ordain --pin {} run YOU@{} uptime",
        made.fingerprint,
        if made.host.is_empty() {
            "HOST"
        } else {
            &made.host
        }
    ));
}

/// The smallest configuration for this machine.
fn configuration(root: bool, groups: bool) -> String {
    let (run_as, here) = if root {
        (
            "run_as = \"daemon\"\n",
            "# Who a command runs as must be said, here or at each command.\n",
        )
    } else {
        (
            "",
            "# Without root every command runs as the daemon's own user.\n",
        )
    };

    let home = std::env::home_dir()
        .unwrap_or_default()
        .join(".local/state/ordain");
    let state = if root {
        "/var/lib/ordain".into()
    } else {
        home.display().to_string()
    };

    let server = if groups {
        format!("# server = {{ listen = [\"*:7424\"], state = \"{state}\" }}\n")
    } else {
        format!(
            "[server]\n# listen = [\"*:7424\"]\n# state = \"{state}\"\n# No control group could be made when this file was: under systemd with Delegate=yes this line can go.\ncontainment = \"best-effort\"\n"
        )
    };

    format!(
        r#"# ordain's configuration. `ordaind check` says what is wrong or risky here; ordain.toml(5) explains every key.

# Where it listens, and where trail, locks and control socket are, unless said otherwise:
{server}
[tls]
certificate = "server.crt"
key = "server.key"

{here}[defaults]
{run_as}timeout = "60s"

[commands.uptime]
summary = "How long this machine has been up, and its load"
exec = ["/bin/cat", "/proc/uptime", "/proc/loadavg"]

[roles.everybody]
commands = ["uptime"]

# `ordaind user add YOU --roles everybody --password` puts a user here. By hand:
# [users.YOU]
# roles = ["everybody"]
# password = "$argon2id$…"     # from `ordaind hash-password`
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_init_makes_passes_check() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("ordain");
        make(Some(&inner)).unwrap();
        let loaded =
            crate::config::load(&inner.join("config.toml"), &crate::config::Machine::probe());
        assert!(loaded.is_ok(), "{loaded:?}");
        assert!(make(Some(&inner)).unwrap_err().contains("exists already"));

        // One's own configuration is kept.
        let own = folder.path().join("own");
        std::fs::create_dir(&own).unwrap();
        std::fs::write(own.join("config.toml"), "# mine").unwrap();
        make(Some(&own)).unwrap();
        assert_eq!(
            std::fs::read_to_string(own.join("config.toml")).unwrap(),
            "# mine"
        );

        assert!(own.join("server.key").exists());
    }

    #[test]
    fn the_package_ships_what_init_would_write() {
        assert_eq!(
            include_str!("../../packaging/config.toml"),
            configuration(true, true),
            "packaging/config.toml"
        );
    }
}
