//! Spellings of one host, and what is none.

use super::*;
use proptest::prelude::*;

fn host(text: &str) -> Host {
    text.parse().unwrap_or_else(|why| panic!("{text}: {why}"))
}

#[test]
fn spellings_of_one_host_are_equal() {
    for spellings in [
        &[
            "web1.example",
            "WEB1.example",
            "web1.example.",
            "Web1.Example.",
        ][..],
        &[
            "bücher.example",
            "BÜCHER.example",
            "xn--bcher-kva.example",
            "bu\u{308}cher.example.",
        ],
        &["192.0.2.1", "::ffff:192.0.2.1", "::ffff:c000:201"],
        &["2001:db8::1", "2001:DB8:0:0::1", "2001:0db8:0000::0001"],
        &["fe80::1%eth0", "FE80:0::1%eth0"],
        &["fe80::1%2", "fe80::1%02"],
        &["db_1", "DB_1"],
    ] {
        for spelling in spellings {
            assert_eq!(host(spelling), host(spellings[0]), "{spelling}");
            assert_eq!(
                host(&host(spelling).to_string()),
                host(spelling),
                "{spelling}"
            );
        }
    }

    assert_eq!(host("Bücher.example.").to_string(), "xn--bcher-kva.example");
    // Interfaces' names have cases.
    assert_ne!(host("fe80::1%eth0"), host("fe80::1%ETH0"));
}

#[test]
fn what_is_no_host() {
    for bad in [
        "",
        ".",
        "-o",
        "a b",
        "a/b",
        "a\nb",
        "a@b",
        "a..b",
        ".a",
        "web1..",
        "127.1",
        "1",
        "0x7f.1",
        "2130706433",
        "1.2.3.4.5",
        "300.1.1.1",
        "a.0x",
        "fe80::1%",
        "fe80::1%a/b",
        "2001:db8::1%eth0",
        "web1%eth0",
        "192.0.2.1%eth0",
        "fe80::1%eth0%eth1",
        "a:b",
        "[::1]",
        "xn--a",
        "a\u{202e}b",
    ] {
        assert!(bad.parse::<Host>().is_err(), "{bad}");
    }
    let long = |labels: usize| vec!["a".repeat(49); labels].join(".");
    assert!(long(5).parse::<Host>().is_ok());
    assert!(long(6).parse::<Host>().is_err());
    assert!("a".repeat(64).parse::<Host>().is_err());
}

#[test]
fn with_ports() {
    for (text, expected, port) in [
        ("web1", "web1", None),
        ("web1:99", "web1", Some("99")),
        ("192.0.2.1:99", "192.0.2.1", Some("99")),
        ("::1", "::1", None),
        ("[::1]", "::1", None),
        ("[fe80::1%eth0]:99", "fe80::1%eth0", Some("99")),
        ("[::ffff:192.0.2.1]:99", "192.0.2.1", Some("99")),
    ] {
        assert_eq!(Host::and_port(text), Ok((host(expected), port)), "{text}");
    }
    for bad in ["[::1", "[::1]x", "[web1]:1", ":1", "[]:1", "[fe80::1%]:1"] {
        assert!(Host::and_port(bad).is_err(), "{bad}");
    }
    assert_eq!(host("::1").with_port(1), "[::1]:1");
    assert_eq!(host("::ffff:192.0.2.1").with_port(1), "192.0.2.1:1");
    assert_eq!(host("fe80::1%eth0").with_port(1), "[fe80::1%eth0]:1");
    assert_eq!(host("fe80::1%eth0").in_certificates(), "fe80::1");
}

proptest! {
    #[test]
    fn whatever_is_a_host_has_one_form(text in "\\PC{0,40}|[a-zäß.A-Z0-9_%:-]{0,30}") {
        if let Ok(host) = text.parse::<Host>() {
            let shown = host.to_string();
            prop_assert!(shown.is_ascii());
            prop_assert_eq!(shown.parse(), Ok(host.clone()));
            let with_port = host.with_port(7);
            prop_assert_eq!(Host::and_port(&with_port), Ok((host, Some("7"))));
        }
    }
}
