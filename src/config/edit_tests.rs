//! Users put into texts, changed and taken out again: what is to change changes, and nothing else.

use super::*;
use proptest::prelude::*;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea it's \"hers\"";

fn roles(names: &[&str]) -> Said {
    Said {
        roles: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        ..Said::default()
    }
}

fn with(text: &str, user: &str, said: &Said) -> Result<String, Unedited> {
    Text::read(text)?.with(user, said)
}

fn without(text: &str, user: &str) -> Result<String, Unedited> {
    Text::read(text)?.without(user)
}

fn changed(text: &str, user: &str, said: &Said) -> Result<String, Unedited> {
    Text::read(text)?.changed(user, said)
}

#[test]
fn a_new_user_stands_behind_the_others() {
    let text = "# caption\n[users.alice] # first\nroles = [ ] # none\n# totp = true\n\n# roles follow\n[roles.r]\ncommands = []\n";
    let said = Said {
        ssh_keys: Some(vec![KEY.into()]),
        password: Some("$argon2id$x".into()),
        ..roles(&["r", "s"])
    };
    let expected = format!(
        "# caption\n[users.alice] # first\nroles = [ ] # none\n# totp = true\n\n[users.bob]\nroles = [\"r\", \"s\"]\nssh_keys = [{}]\npassword = \"$argon2id$x\"\n\n# roles follow\n[roles.r]\ncommands = []\n",
        Value::from(KEY)
    );
    let made = with(text, "bob", &said).unwrap();
    assert_eq!(made, expected);
    assert_eq!(Text::read(&made).unwrap().line_of("bob"), Some(6));
    assert_eq!(without(&made, "bob").unwrap(), text);
}

#[test]
fn several_keys_have_a_line_each() {
    let said = Said {
        ssh_keys: Some(vec!["one".into(), "two".into()]),
        ..Said::default()
    };
    assert_eq!(
        with("", "bob", &said).unwrap(),
        "[users.bob]\nroles = []\nssh_keys = [\n    \"one\",\n    \"two\",\n]\n"
    );
}

/// Each with the text that is left without alice.
#[test]
fn a_user_is_taken_out_of_whatever_form_they_stand_in() {
    for (text, left) in [
        ("[users.alice]\nroles = []\n", ""),
        ("x = 1\n\n[users.alice]\nroles = []", "x = 1"),
        ("x = 1\r\n\r\n[users.alice]\r\nroles = []", "x = 1"),
        // A comment of hers goes with her, the caption and the others' stay.
        (
            "# caption\n[users.alice]\nroles = []\n# totp = true\n\n# bob's\n[users.bob]\n",
            "# caption\n\n# bob's\n[users.bob]\n",
        ),
        (
            "x = 1 # one\n\n# of the team\n# since May\n[users.alice]\nroles = []\n# bob's\n[users.bob]\n",
            "x = 1 # one\n# bob's\n[users.bob]\n",
        ),
        // What looks like a comment is a text.
        (
            "x = \"\"\"\n# a\n#\"\"\"\n[users.alice]\nroles = []\n",
            "x = \"\"\"\n# a\n#\"\"\"\n",
        ),
        (
            "[users]\nbob = {} # b\nalice = { roles = [\n  \"x\", # why\n] } # a\n# c\ncarol.roles = []\n",
            "[users]\nbob = {} # b\n# c\ncarol.roles = []\n",
        ),
        (
            "[users]\nalice.roles = []\nbob.roles = []\nalice.totp = true\n",
            "[users]\nbob.roles = []\n",
        ),
        (
            "users.alice.roles = []\nusers.bob.roles = []\n[tls]\n",
            "users.bob.roles = []\n[tls]\n",
        ),
        (
            "[users.\"alice\"]\nroles = []\n[tls]\n[users.alice.more]\nx = 1\n",
            "[tls]\n",
        ),
    ] {
        assert_eq!(without(text, "alice").as_deref(), Ok(left), "{text}");
    }
}

#[test]
fn what_is_said_anew_stands_where_the_old_stood() {
    let said = Said {
        password: Some("h".into()),
        ..roles(&["b"])
    };
    for (text, made) in [
        (
            "[users.alice]\nroles = [ \"a\" ] # why\ntotp = true # kept\n\n[tls]\n",
            "[users.alice]\nroles = [\"b\"] # why\ntotp = true # kept\npassword = \"h\"\n\n[tls]\n",
        ),
        (
            "[users.alice]\r\n[tls]\r\n",
            "[users.alice]\r\nroles = [\"b\"]\r\npassword = \"h\"\r\n[tls]\r\n",
        ),
        (
            "[users.alice]\ntotp = true",
            "[users.alice]\ntotp = true\nroles = [\"b\"]\npassword = \"h\"",
        ),
        (
            "[users]\nalice = { password = 'old', totp = true } # a\n",
            "[users]\nalice = { password = \"h\", totp = true, roles = [\"b\"] } # a\n",
        ),
        (
            "[users]\n  alice.totp = true\nbob.roles = []\n",
            "[users]\n  alice.totp = true\n  alice.roles = [\"b\"]\n  alice.password = \"h\"\nbob.roles = []\n",
        ),
        (
            "users.alice.roles = [\n'a']\ninclude = []\n",
            "users.alice.roles = [\"b\"]\nusers.alice.password = \"h\"\ninclude = []\n",
        ),
    ] {
        assert_eq!(changed(text, "alice", &said).as_deref(), Ok(made), "{text}");
    }
}

#[test]
fn what_cannot_be_edited_is_refused() {
    let text = "# a\nusers = { alice = { roles = [] } }\n";
    assert_eq!(Text::read(text).unwrap().line_of("alice"), Some(2));
    assert_eq!(with(text, "bob", &roles(&[])), Err(Unedited::Form(2)));
    assert_eq!(without(text, "alice"), Err(Unedited::Form(2)));
    assert_eq!(
        changed(text, "alice", &roles(&["b"])),
        Err(Unedited::Form(2))
    );
    assert_eq!(
        with("[[users]]\nx = 1\n", "bob", &roles(&[])),
        Err(Unedited::Unsure)
    );
    assert!(matches!(
        with("x = ", "bob", &roles(&[])),
        Err(Unedited::NotToml(_))
    ));
    // Who is there is not put in twice, and who is not there is not taken out.
    let text = "[users.alice]\n";
    assert_eq!(with(text, "alice", &roles(&[])), Err(Unedited::Unsure));
    assert_eq!(without(text, "bob"), Err(Unedited::Unsure));
    assert_eq!(changed(text, "bob", &roles(&[])), Err(Unedited::Form(1)));
}

/// Lines as administrators write them, in an order that may mean nothing.
fn line() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "",
        "  ",
        "# a comment",
        "\t# [users.old]",
        "x = 1",
        "y = \"\"\"\n# not a comment\n\n[users.no]\n\"\"\"",
        "z = '''\n#'''",
        "roles.\"a b\".commands = []",
        "roles = [ # a\n  'x',\n\n  # b\n]",
        "password = '$argon2id$'",
        "users.carol.roles = []",
        "carol = { roles = [], totp = true } # c",
        "dave.roles = []",
        "dave . totp = true",
        "[users]",
        "[users.alice]",
        "[ users . \"erin\" ] # e",
        "[users.alice.more]",
        "[[list]]",
        "[tls]",
        "[commands.x.args]",
    ])
}

fn text() -> impl Strategy<Value = String> {
    let ends = prop::sample::select(vec!["\n", "\r\n"]);
    (
        prop::collection::vec(line(), 0..12),
        ends,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(lines, end, ended, marked)| {
            let mut text = lines.join("\n");
            if ended {
                text.push('\n');
            }
            let mark = if marked { "\u{feff}" } else { "" };
            format!("{mark}{}", text.replace('\n', end))
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn who_is_put_in_and_taken_out_again_leaves_no_byte_behind(text in text(), key in any::<bool>()) {
        let Ok(read) = Text::read(&text) else { return Ok(()) };
        let said = Said {
            ssh_keys: key.then(|| vec![KEY.to_owned(), "other".to_owned()]),
            ..roles(&["r"])
        };
        let made = read.with("new", &said);
        prop_assert!(made.is_ok(), "{text:?}: {made:?}");
        let made = made.unwrap();
        prop_assert_eq!(without(&made, "new").unwrap(), text);
    }

    #[test]
    fn a_change_leaves_every_other_line(text in text()) {
        let Ok(read) = Text::read(&text) else { return Ok(()) };
        for user in ["alice", "carol", "dave", "erin"] {
            if read.line_of(user).is_none() {
                continue;
            }
            if let Ok(made) = read.changed(user, &roles(&["r"])) {
                // Comments stay, but for those within what is said anew.
                for comment in ["# a comment", "# [users.old]", "# c", "# e", "[tls]"] {
                    prop_assert_eq!(made.matches(comment).count(), text.matches(comment).count());
                }
            }
            let taken = read.without(user);
            prop_assert!(taken.is_ok(), "{text:?}: {taken:?}");
        }
    }

    #[test]
    fn any_text_is_edited_or_refused(text in "[\\[\\]{}=.#\"'a-c\n\r ]{0,40}") {
        if let Ok(read) = Text::read(&text)
            && let Ok(made) = read.with("new", &roles(&[]))
        {
            prop_assert_eq!(without(&made, "new").unwrap(), text);
        }
    }
}
