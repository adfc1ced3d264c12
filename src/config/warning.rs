//! The warnings by their names, and what each is about: by both an administrator acknowledges one.

macro_rules! warnings {
    ($($(#[doc = $doc:expr])+ $name:ident $word:literal $where:ident,)+) => {
        /// What is risky or odd, and allowed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Warning {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Warning {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The warning's name in the configuration, and in brackets behind its text.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }

            /// Whether it is found also where the daemon is not to run.
            const fn found(self) -> Found {
                match self { $(Self::$name => Found::$where),+ }
            }
        }
    };
}

/// Where a warning can be found.
#[derive(PartialEq, Eq)]
enum Found {
    /// On any machine: it is about the policy alone.
    Anywhere,
    /// On the machine that the configuration is for.
    There,
}

warnings! {
    /// A value could be taken for an option.
    OptionInjection "option-injection" Anywhere,
    /// A secret becomes a part of the argv.
    SecretInArgv "secret-in-argv" Anywhere,
    /// The program at a terminal can start a shell.
    ShellInside "shell-inside" Anywhere,
    /// Runs may go on for ever.
    NoTimeout "no-timeout" Anywhere,
    /// No role grants the command.
    UnusedCommand "unused-command" Anywhere,
    /// No role grants a right that the root allows.
    UnusedRoot "unused-root" Anywhere,
    /// No user has the role.
    UnusedRole "unused-role" Anywhere,
    /// The machine does not know the group.
    UnknownGroup "unknown-group" There,
    /// What a group of the system denies.
    DenyByGroup "deny-by-group" Anywhere,
    /// No command uses the definition.
    UnusedArgument "unused-argument" Anywhere,
    /// What a wildcard grants.
    Wildcard "wildcard" Anywhere,
    /// Somebody cannot log in, or nobody can.
    NoLogin "no-login" Anywhere,
    /// A password hash that is computed too fast.
    WeakHash "weak-hash" Anywhere,
    /// Password hashes that do not take the same time.
    UnevenHashes "uneven-hashes" Anywhere,
    /// Failing costs nothing.
    PenaltiesOff "penalties-off" Anywhere,
    /// A pattern of `include` that matches no file.
    EmptyInclude "empty-include" Anywhere,
    /// Runs are kept together by parentage only.
    BestEffort "best-effort" There,
    /// It listens to every IPv6 address and to no IPv4 one.
    OneFamily "one-family" Anywhere,
    /// A bound that counts every process of an account.
    AccountProcesses "account-processes" There,
    /// Privileges of an executable that have no effect.
    NoPrivileges "no-privileges" There,
    /// Ordain's own files lie below a root.
    RootOwn "root-own" There,
    /// Others can change where a root's path leads.
    RootMoves "root-moves" There,
    /// Programs that lend rights lie below a root.
    RootSetuid "root-setuid" There,
    /// Links lead out of a root.
    RootLinks "root-links" There,
    /// Keys or passwords lie below a root.
    RootSecrets "root-secrets" There,
    /// An account's home lies below a root that may be put to.
    RootHome "root-home" There,
    /// A certificate that is not valid, or not for long.
    Certificate "certificate" There,
    /// What is acknowledged is not warned of.
    UnusedAcknowledgement "unused-acknowledgement" Anywhere,
}

impl Warning {
    /// The warning of this name that can be acknowledged.
    pub fn named(word: &str) -> Option<Self> {
        Self::acknowledgeable().find(|warning| warning.word() == word)
    }

    /// Those that can be acknowledged: where they are about something that has a table of its own.
    pub fn acknowledgeable() -> impl Iterator<Item = Self> {
        let none = [Self::UnusedAcknowledgement, Self::EmptyInclude];
        Self::ALL
            .iter()
            .filter(move |warning| !none.contains(warning))
            .copied()
    }

    /// Whether it is found where a configuration is looked at `here`, on its own machine, or on
    /// another.
    pub fn is_looked_for(self, here: bool) -> bool {
        here || self.found() == Found::Anywhere
    }
}

/// What a warning is about: a table of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    section: &'static str,
    name: String,
}

impl Subject {
    /// `[commands.NAME]`
    pub fn command(name: &str) -> Self {
        Self::named("commands", name)
    }

    /// `[SECTION.NAME]`
    pub fn named(section: &'static str, name: &str) -> Self {
        Self {
            section,
            name: name.to_owned(),
        }
    }

    /// `[SECTION]`
    pub fn table(section: &'static str) -> Self {
        Self::named(section, "")
    }
}
