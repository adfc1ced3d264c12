//! The table: which message the frontend may send in which stage, and with how many descriptors.
//! Whatever is not in it ends the frontend.

use super::{Name, ToMonitor};

/// How far a connection has come, as the monitor knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The frontend has not said that it is ready.
    Starting,
    /// The connection is unknown to the monitor.
    Unknown,
    /// The client has the nonce of its connection.
    Greeted,
    /// A login is being verified.
    Verifying,
    /// A user is logged in.
    Open,
}

/// Whether this message may come in this stage.
pub const fn expected(message: &ToMonitor, stage: Stage) -> bool {
    match (message, stage) {
        (ToMonitor::Ready { .. }, Stage::Starting) => true,
        (_, Stage::Starting) | (ToMonitor::Ready { .. }, _) => false,
        (ToMonitor::Hello { .. }, stage) => matches!(stage, Stage::Unknown),
        (ToMonitor::Login { .. }, stage) => matches!(stage, Stage::Greeted),
        (ToMonitor::Request { .. }, stage) => matches!(stage, Stage::Open),
        (ToMonitor::Leave { .. } | ToMonitor::Taken { .. }, stage) => matches!(stage, Stage::Open),
        (ToMonitor::Violation { .. } | ToMonitor::Gone { .. }, stage) => {
            matches!(stage, Stage::Greeted | Stage::Verifying | Stage::Open)
        }
        // Speaks of clients that got no nonce, and of nobody.
        (ToMonitor::Misdeed { .. } | ToMonitor::Spoilt { .. } | ToMonitor::Alive, _) => true,
        // Speaks of a run, which may outlive its connection.
        (
            ToMonitor::NotTakenUp { .. }
            | ToMonitor::Finished { .. }
            | ToMonitor::CutShort { .. }
            | ToMonitor::Exceeded { .. }
            | ToMonitor::Widen { .. }
            | ToMonitor::Moved { .. }
            | ToMonitor::Narrowed { .. }
            | ToMonitor::Closed { .. },
            _,
        ) => true,
    }
}

/// Which descriptors come with a message, exactly.
pub const fn carries(message: &ToMonitor) -> &'static [Name] {
    match message {
        ToMonitor::Login { .. } => &[Name::Client],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Bound, Misdeed, SecretValue, Way};
    use super::*;

    fn all() -> Vec<ToMonitor> {
        let mut all = asked();
        all.extend(told());
        all
    }

    /// What clients ask for.
    fn asked() -> Vec<ToMonitor> {
        let text = String::new;
        let (connection, stream) = (1, 1);
        vec![
            ToMonitor::Ready {
                landlock: text(),
                uid: 1,
            },
            ToMonitor::Hello {
                connection,
                source: text(),
                nonce: None,
            },
            ToMonitor::Login {
                connection,
                signed: text(),
                signature: text(),
                password: SecretValue::default(),
                key_signature: text(),
                gathered: None,
                code: SecretValue::default(),
                exporter: None,
            },
            ToMonitor::Request {
                connection,
                stream,
                signed: text(),
                signature: text(),
                secrets: vec![],
            },
            ToMonitor::Leave { connection, stream },
        ]
    }

    /// What the frontend has seen.
    fn told() -> Vec<ToMonitor> {
        let text = String::new;
        let (connection, stream, run) = (1, 1, [0; 10]);
        vec![
            ToMonitor::Finished {
                run,
                stdin: 0,
                stdout: 0,
                stderr: 0,
                cut: false,
                held_open: false,
            },
            ToMonitor::Violation {
                connection,
                text: text(),
            },
            ToMonitor::Gone {
                connection,
                lost: false,
            },
            ToMonitor::CutShort { run },
            ToMonitor::Exceeded {
                run,
                bound: Bound::Idle,
            },
            ToMonitor::Closed { run, descriptor: 0 },
            ToMonitor::Misdeed {
                source: std::net::Ipv4Addr::LOCALHOST.into(),
                misdeed: Misdeed::NoLogin,
            },
            ToMonitor::Alive,
            ToMonitor::NotTakenUp {
                run,
                connection,
                stream,
            },
            ToMonitor::Taken {
                connection,
                stream,
                kept: true,
            },
            ToMonitor::Spoilt { nonce: [0; 32] },
            ToMonitor::Widen {
                run,
                way: Way::Output,
            },
            ToMonitor::Moved { run },
            ToMonitor::Narrowed {
                run,
                way: Way::Input,
            },
        ]
    }

    #[test]
    fn message_by_stage() {
        use Stage::*;
        let table: &[(Stage, &[usize])] = &[
            (Starting, &[0]),
            (Unknown, &[1, 5, 8, 9, 10, 11, 12, 13, 15, 16, 17, 18]),
            (Greeted, &[2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 18]),
            (Verifying, &[5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 18]),
            (
                Open,
                &[3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18],
            ),
        ];

        for (stage, passes) in table {
            let seen: Vec<usize> = all()
                .iter()
                .enumerate()
                .filter(|(_, message)| expected(message, *stage))
                .map(|(index, _)| index)
                .collect();
            assert_eq!(&seen, passes, "{stage:?}");
        }

        for (at, message) in all().iter().enumerate() {
            let names: &[Name] = if at == 2 { &[Name::Client] } else { &[] };
            assert_eq!(carries(message), names, "{message:?}");
        }
    }
}
