//! What the daemon may start by itself, whatever the roles say, and with what.

use super::*;
use std::path::Path;

fn judged(command: (String, Arc<Command>)) -> Result<Vec<String>, String> {
    let mut policy = policy();
    let (name, command) = command;
    policy.commands.insert(name.clone(), command);
    let asked = (RequestId::from_random([1; 20]), now());
    let file = Path::new("/var/lib/ordain/trail-000000000007.jsonl");
    let grant = policy.errand(("audit.archive", &name), file, asked)?;
    assert_eq!(&**grant.user(), "(ordaind)");
    assert_eq!(
        grant.rule(),
        format!("audit.archive: commands.{name} (c.toml:20)")
    );
    Ok(grant.plan().argv.clone())
}

fn store(kind: Kind) -> (String, Arc<Command>) {
    let argument = argument("file", kind, Presence::Required);
    command(
        "store",
        &[&["/bin/store"], &["--"], &["{file}"]],
        vec![argument],
    )
}

fn beneath(root: &str) -> Kind {
    Kind::Path {
        beneath: root.into(),
        pass: Pass::Name,
        only: None,
    }
}

#[test]
fn an_errand_gets_the_path_as_its_one_argument_and_needs_no_role() {
    let path = "/var/lib/ordain/trail-000000000007.jsonl";
    let expected = ["/bin/store", "--", path].map(str::to_owned);
    let text = |pattern: &str| Kind::Text(Text::new(pattern, 200).unwrap());
    assert_eq!(judged(store(text("/[a-z0-9./-]+"))), Ok(expected.to_vec()));
    assert_eq!(judged(store(beneath("/var/lib"))), Ok(expected.to_vec()));

    for (kind, why) in [
        (text("[a-z]+"), "does not match"),
        (beneath("/srv"), "takes files beneath /srv"),
        (Kind::Hostname, "can be no path"),
    ] {
        let found = judged(store(kind)).unwrap_err();
        assert!(found.contains(why), "{found}");
    }
    let (_, two) = command("two", &[&["/bin/two"]], vec![]);
    let found = judged(("two".into(), two)).unwrap_err();
    assert!(found.contains("exactly one argument"), "{found}");
}
