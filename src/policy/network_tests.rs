//! Networks, their members and strangers.

use super::*;
use proptest::prelude::*;

#[test]
fn members_and_strangers() {
    let cases = [
        ("10.0.5.10", "10.0.5.10", true),
        ("10.0.5.10", "10.0.5.11", false),
        ("10.0.5.10", "::ffff:10.0.5.10", true),
        ("10.0.0.0/8", "10.255.0.1", true),
        ("0.0.0.0/0", "8.8.8.8", true),
        ("0.0.0.0/0", "::1", false),
        ("2001:db8::/32", "2001:db8:1::1", true),
        ("2001:db8::/32", "2001:db9::1", false),
        ("::/0", "10.0.0.1", false),
        ("::ffff:10.0.0.0/104", "10.255.0.1", true),
        ("::ffff:10.0.0.0/104", "11.0.0.1", false),
        ("::FFFF:a00:1", "10.0.0.1", true),
        ("::ffff:0:0/96", "8.8.8.8", true),
        ("2001:DB8:0::/32", "2001:db8:1::1", true),
    ];

    for (network, address, inside) in cases {
        let network: Network = network.parse().unwrap();
        assert_eq!(
            network.contains(address.parse().unwrap()),
            inside,
            "{network} {address}"
        );
    }
}

#[test]
fn what_is_one_source() {
    let around = |text: &str| Network::around(text.parse().unwrap(), 32, 64).to_string();
    assert_eq!(around("192.0.2.7"), "192.0.2.7/32");
    assert_eq!(around("::ffff:192.0.2.7"), "192.0.2.7/32");
    assert_eq!(around("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
    assert_eq!(around("2001:db8:1:2:ffff::1"), "2001:db8:1:2::/64");
    assert_eq!(
        Network::around("10.1.2.3".parse().unwrap(), 8, 64).to_string(),
        "10.0.0.0/8"
    );
}

#[test]
fn what_is_not_a_network() {
    for text in [
        "",
        "10.0.0.0/33",
        "10.0.0.1/8",
        "::1/129",
        "10.0.0.0/+8",
        "10.0.0/8",
        "10.0.0.0/",
        "a/8",
        "1.2.3.4/8/8",
        "::ffff:10.0.0.0/90",
        "::ffff:10.0.0.1/104",
    ] {
        assert!(text.parse::<Network>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn text_and_back(bits: u32, prefix in 0u8..=32) {
        let address = masked(IpAddr::V4(Ipv4Addr::from_bits(bits)), prefix).unwrap();
        let network = Network { address, prefix };
        prop_assert_eq!(network.to_string().parse(), Ok(network));
        prop_assert!(network.contains(IpAddr::V4(Ipv4Addr::from_bits(bits))));
    }
}

#[test]
fn networks_cover_their_parts_and_nothing_wider() {
    let network = |text: &str| text.parse::<Network>().unwrap();
    for (wide, narrow, covered) in [
        ("10.0.0.0/8", "10.0.0.0/8", true),
        ("10.0.0.0/8", "10.1.0.0/16", true),
        ("10.0.0.0/8", "10.255.255.255", true),
        ("10.1.0.0/16", "10.0.0.0/8", false),
        ("10.0.0.0/8", "11.0.0.0/16", false),
        ("0.0.0.0/0", "255.255.255.255", true),
        ("0.0.0.0/0", "::/0", false),
        ("::/0", "0.0.0.0/0", false),
        ("::/0", "2001:db8::/32", true),
        ("2001:db8::/32", "2001:db8:1::/48", true),
        ("2001:db8::/32", "2001:db9::/48", false),
    ] {
        assert_eq!(
            network(wide).covers(&network(narrow)),
            covered,
            "{wide} {narrow}"
        );
    }
}

#[test]
fn an_address_is_a_network_of_one() {
    for (text, shown) in [
        ("10.0.0.1", "10.0.0.1/32"),
        ("::1", "::1/128"),
        ("2001:0db8:0:0:0:0:0:1", "2001:db8::1/128"),
        ("2001:db8::/032", "2001:db8::/32"),
    ] {
        assert_eq!(text.parse::<Network>().unwrap().to_string(), shown);
    }
}

#[test]
fn what_is_wrong_with_a_network_is_said() {
    for (text, sentence) in [
        ("x", "`x` is not an IP address or network"),
        ("10.0.0.0/33", "`/33` is longer than /32"),
        ("::/129", "`/129` is longer than /128"),
        ("10.0.0.0/", "`/` is not a prefix length"),
        ("10.0.0.0/-1", "`/-1` is not a prefix length"),
        ("10.0.0.0/1000", "`/1000` is not a prefix length"),
        (
            "10.1.2.3/8",
            "`10.1.2.3/8` has bits set beyond its prefix; the network is 10.0.0.0/8",
        ),
        (
            "2001:db8::1/32",
            "`2001:db8::1/32` has bits set beyond its prefix; the network is 2001:db8::/32",
        ),
        (
            "a\u{1b}[2J",
            "`a\\u{1b}[2J` is not an IP address or network",
        ),
    ] {
        assert_eq!(text.parse::<Network>(), Err(sentence.to_owned()), "{text}");
    }
}

#[test]
fn a_prefix_that_is_too_long_means_the_address() {
    let around = |v4, v6| Network::around("10.1.2.3".parse().unwrap(), v4, v6).to_string();
    assert_eq!(around(40, 0), "10.1.2.3/32");
    assert_eq!(around(0, 0), "0.0.0.0/0");
    let around = |v6| Network::around("2001:db8::1".parse().unwrap(), 0, v6).to_string();
    assert_eq!(around(200), "2001:db8::1/128");
    assert_eq!(around(0), "::/0");
}

proptest! {
    #[test]
    fn networks_of_sixteen_bytes_come_back_too(bits: u128, prefix in 0u8..=128) {
        let address = IpAddr::V6(Ipv6Addr::from_bits(bits));
        prop_assume!(canonical(address) == address);
        let network = Network::around(address, 32, prefix);
        prop_assume!(canonical(network.address()) == network.address());
        prop_assert_eq!(network.to_string().parse(), Ok(network));
        prop_assert!(network.contains(address));
    }

    #[test]
    fn covering_is_containing_every_member(bits: u32, other: u32, wide in 0u8..=32, narrow in 0u8..=32) {
        let at = |bits| IpAddr::V4(Ipv4Addr::from_bits(bits));
        let (wide, narrow) = (Network::around(at(bits), wide, 64), Network::around(at(other), narrow, 64));
        if wide.covers(&narrow) {
            prop_assert!(wide.contains(narrow.address()));
            prop_assert!(wide.contains(at(other)));
        }
        prop_assert!(wide.covers(&wide));
    }

    #[test]
    fn no_text_breaks_the_reader(text in "\\PC{0,40}") {
        if let Ok(network) = text.parse::<Network>() {
            prop_assert!(network.contains(network.address()));
        }
    }
}
