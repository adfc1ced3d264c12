//! The demo's folder: certificates, a user, the shipped commands, and the client's settings.

use crate::credential::{self, COST};
use crate::devca::{self, Use};
use crate::encoding;
use crate::secret::Secret;
use crate::sys;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// The configuration that ships with ordain; its commands are the demo's.
const SHIPPED: &str = include_str!("../../../config.toml");

/// Certificates, a user and the shipped commands, in the folder.
pub fn prepare(folder: &Path) -> Result<PathBuf, String> {
    let cannot = |fault: std::io::Error| format!("{}: {fault}", folder.display());
    let ca = devca::ca(1)?;
    let server = devca::issue(
        &ca,
        &["demo", "demo1", "demo2", "demo3", "localhost", "127.0.0.1"].map(str::to_owned),
        Use::Server,
        1,
    )?;

    let password = encoding::hex(&credential::random::<12>());
    let hash = credential::hash_password(&Secret::new(password.clone()), COST)?;
    let own = sys::lookup(Err(sys::effective_uid()), None, crate::limits::NAME_SERVICE)?
        .0
        .name;
    let config = configuration(&own, &hash, folder)?;
    for name in ["site", "pages"] {
        sys::make_folder(&folder.join(name), 0o700).map_err(cannot)?;
    }
    for (name, text, mode) in [
        ("ca.crt", &ca.certificate, 0o644),
        ("server.crt", &server.certificate, 0o644),
        ("server.key", &server.key, 0o600),
        ("password", &password, 0o600),
        ("config.toml", &config, 0o600),
        ("pages/index.html", &"<p>hello</p>\n".to_owned(), 0o644),
    ] {
        sys::replace(&folder.join(name), text.as_bytes(), mode, false).map_err(cannot)?;
    }

    Ok(folder.join("config.toml"))
}

/// The shipped configuration with this demo's certificates, user and place, every command as the
/// caller.
fn configuration(own: &str, hash: &str, folder: &Path) -> Result<String, String> {
    let mut config: Table = SHIPPED
        .parse()
        .map_err(|fault| format!("the shipped configuration: {fault}"))?;
    let text = |text: &str| Value::String(text.into());
    let table = |entries: Vec<(&str, Value)>| {
        Value::Table(
            entries
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
        )
    };

    let containment = if sys::cgroups_offered().is_ok() {
        "cgroup"
    } else {
        "best-effort"
    };

    config.insert(
        "server".into(),
        table(vec![
            ("listen", Value::Array(vec![text("127.0.0.1:0")])),
            ("state", text("state")),
            ("containment", text(containment)),
        ]),
    );

    config.insert(
        "tls".into(),
        table(vec![
            ("certificate", text("server.crt")),
            ("key", text("server.key")),
        ]),
    );

    config.insert(
        "users".into(),
        table(vec![
            user("demo", &["support", "monitoring", "talk", "asks"], hash),
            user("ann", &["talk", "agrees"], hash),
            user("ben", &["agrees"], hash),
        ]),
    );
    if let Some(Value::Table(roles)) = config.get_mut("roles") {
        let verbs = Value::Array(vec![text("room")]);
        roles.insert("talk".into(), table(vec![("verbs", verbs)]));
    }
    with_four_eyes(&mut config);

    with_a_root(&mut config, folder);
    run_as_the_caller(&mut config, own)?;
    leave_out_the_impossible(&mut config);
    toml::to_string(&config).map_err(|fault| fault.to_string())
}

/// A user of the demo.
fn user<'n>(name: &'n str, roles: &[&str], hash: &str) -> (&'n str, Value) {
    let roles = roles.iter().map(|role| Value::from(*role)).collect();
    let mut user = Table::new();
    user.insert("roles".into(), Value::Array(roles));
    user.insert("password".into(), Value::from(hash));
    (name, Value::Table(user))
}

/// A command that another user must agree to.
fn with_four_eyes(config: &mut Table) {
    let list = |words: &[&str]| Value::Array(words.iter().map(|word| Value::from(*word)).collect());
    let entries = [
        (
            "commands",
            "switch",
            "exec",
            list(&["/bin/echo", "switched over"]),
        ),
        ("roles", "asks", "commands", list(&["switch"])),
        ("roles", "agrees", "commands", list(&[])),
    ];
    for (section, name, key, value) in entries {
        let mut entry = Table::new();
        entry.insert(key.into(), value);
        if section == "commands" {
            let mut approval = Table::new();
            approval.insert("by".into(), Value::from("agrees"));
            entry.insert("approval".into(), Value::Table(approval));
            entry.insert(
                "summary".into(),
                Value::from("Another user must agree to this"),
            );
        }
        if let Some(Value::Table(all)) = config.get_mut(section) {
            all.insert(name.into(), Value::Table(entry));
        }
    }
}

/// A root in the demo's folder, where this machine can keep a mover to it.
fn with_a_root(config: &mut Table, folder: &Path) {
    if sys::kernel_offers().1.is_none() {
        return;
    }
    let list = |words: &[&str]| Value::Array(words.iter().map(|word| Value::from(*word)).collect());
    let mut root = Table::new();
    root.insert(
        "beneath".into(),
        Value::from(folder.join("site").to_string_lossy().as_ref()),
    );
    root.insert("allow".into(), list(&["list", "get", "put"]));
    let mut roots = Table::new();
    roots.insert("site".into(), Value::Table(root));
    config.insert("files".into(), Value::Table(roots));
    if let Some(Value::Table(role)) = config
        .get_mut("roles")
        .and_then(|roles| roles.get_mut("support"))
    {
        role.insert("files".into(), list(&["site"]));
    }
}

/// Every command runs as this user, whatever the shipped configuration says.
fn run_as_the_caller(config: &mut Table, own: &str) -> Result<(), String> {
    for section in ["defaults", "commands"] {
        let Some(Value::Table(section_table)) = config.get_mut(section) else {
            return Err(format!("the shipped configuration has no [{section}]"));
        };
        if section == "defaults" {
            section_table.insert("run_as".into(), Value::String(own.into()));
        } else {
            for (_, command) in section_table.iter_mut() {
                if let Value::Table(command) = command {
                    command.remove("run_as");
                }
            }
        }
    }
    Ok(())
}

/// Commands that this machine has no program for, or no Landlock, are left out of the tour.
fn leave_out_the_impossible(config: &mut Table) {
    let landlock = sys::kernel_offers().1.is_some();
    let possible = |command: &Value| {
        let executable = command
            .get("exec")
            .and_then(|exec| exec.get(0))
            .and_then(Value::as_str);
        executable.is_some_and(|path| Path::new(path).exists())
            && (landlock || command.get("sandbox").is_none())
    };

    let mut kept = Vec::new();
    if let Some(Value::Table(commands)) = config.get_mut("commands") {
        commands.retain(|_, command| possible(command));
        kept.extend(commands.keys().cloned());
    }

    if let Some(Value::Table(roles)) = config.get_mut("roles") {
        for (_, role) in roles.iter_mut() {
            if let Some(Value::Array(granted)) = role.get_mut("commands") {
                granted.retain(|name| {
                    name.as_str().is_some_and(|name| {
                        name.contains('*') || kept.iter().any(|known| known == name)
                    })
                });
            }
        }
    }
}

/// The configuration of another daemon: the same, with a state of its own.
pub fn another(config: &Path, state: &str) -> Result<PathBuf, String> {
    let text = std::fs::read_to_string(config).map_err(|fault| fault.to_string())?;
    let mut table: Table = text.parse().map_err(|fault| format!("{fault}"))?;
    if let Some(Value::Table(server)) = table.get_mut("server") {
        server.insert("state".into(), Value::String(state.into()));
    }
    let text = toml::to_string(&table).map_err(|fault| fault.to_string())?;
    let path = config.with_file_name(format!("{state}.toml"));
    sys::replace(&path, text.as_bytes(), 0o600, false).map_err(|fault| fault.to_string())?;
    Ok(path)
}

/// The hosts `demo`, `demo1`, `demo2` and so on, in the order of their addresses.
pub fn write_client_config<'a>(
    folder: &Path,
    addresses: impl Iterator<Item = &'a String>,
) -> Result<(), String> {
    let mut text =
        "[defaults]\nuser = \"demo\"\nca = \"ca.crt\"\npassword_file = \"password\"\n".to_owned();
    for (number, address) in addresses.enumerate() {
        let number = Some(number).filter(|number| *number > 0);
        let name = number.map_or_else(String::new, |number| number.to_string());
        let port = address.rsplit_once(':').map_or("7424", |(_, port)| port);
        text += &format!("[hosts.demo{name}]\naddress = \"127.0.0.1\"\nport = {port}\n");
    }
    sys::replace(&folder.join("client.toml"), text.as_bytes(), 0o600, false)
        .map_err(|fault| fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_configuration_is_sound_and_has_no_user() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, SHIPPED).unwrap();
        let loaded = crate::config::offline(&file).unwrap();
        assert!(loaded.policy.users.is_empty());
        assert!(loaded.policy.commands.len() >= 7);
    }

    #[test]
    fn the_demo_passes_the_full_check() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("demo");
        std::fs::create_dir(&inner).unwrap();
        let loaded =
            crate::config::load(&prepare(&inner).unwrap(), &crate::config::Machine::probe());
        assert!(loaded.is_ok(), "{loaded:?}");
    }
}
