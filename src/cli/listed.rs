//! `--hosts-from FILE` in the place of HOST: a verb that can be asked of many hosts takes a file of
//! their names.

use super::many::HEADING;
use super::place::Place;
use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Arg, ArgMatches, Command, value_parser};
use std::any::TypeId;
use std::ffi::OsStr;
use std::path::PathBuf;

/// The option, without its dashes.
const OPTION: &str = "hosts-from";
/// What it is called in what was read, where it is not in the place of HOST.
pub(super) const BESIDE: &str = "hosts_in";
/// Verbs that speak of what one host alone has: a run, or a password.
const OF_ONE_HOST: [&str; 5] = ["attach", "output", "signal", "cancel", "passwd"];
const HELP: &str =
    "In place of HOST: the names of hosts in a file, one a line (`-` is standard input)";

/// The program with the option beside HOST, as people see it.
pub fn shown(program: Command) -> Command {
    program.mut_subcommands(|verb| match takes_hosts(&verb) {
        true => verb.arg(option(Arg::new(BESIDE)).value_parser(value_parser!(PathBuf))),
        false => verb,
    })
}

/// The program with the option in the place of HOST.
pub fn in_place(program: Command) -> Command {
    program.mut_subcommands(|verb| match takes_hosts(&verb) {
        true => verb.mut_args(|argument| match is_hosts(&argument) {
            true => option(argument).value_parser(PathBufValueParser::new().map(Place::Listed)),
            false => argument,
        }),
        false => verb,
    })
}

/// Whether a word is the option, as far as can be seen of it alone.
pub fn is_option(word: &OsStr) -> bool {
    let word = word.to_string_lossy();
    let name = word
        .strip_prefix("--")
        .and_then(|rest| rest.split('=').next());
    name == Some(OPTION)
}

/// Whether the option was read beside HOST.
pub fn was_given(found: &ArgMatches) -> bool {
    let given = |verb: &ArgMatches| verb.try_contains_id(BESIDE).is_ok_and(|given| given);
    found.subcommand().is_some_and(|(_, verb)| given(verb))
}

fn option(argument: Arg) -> Arg {
    argument
        .long(OPTION)
        .num_args(1)
        .value_name("FILE")
        .help(HELP)
        .long_help(None::<&str>)
        .help_heading(HEADING)
}

fn takes_hosts(verb: &Command) -> bool {
    !OF_ONE_HOST.contains(&verb.get_name()) && verb.get_arguments().any(is_hosts)
}

fn is_hosts(argument: &Arg) -> bool {
    argument.get_value_parser().type_id() == TypeId::of::<Place>()
}
