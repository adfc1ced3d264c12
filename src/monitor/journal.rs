//! The trail on its way to journald: a thread of its own reads the file behind the daemon and sends
//! each record with its fields. What journald does not take waits in the file, so an outage loses
//! nothing and delays no run.

use super::settings::Settings;
use crate::audit::Follower;
use crate::sys;
use serde_json::Value;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

/// The note of how far it has come.
const NOTE: &str = "trail.journal";
/// How long to wait for a journald that takes nothing, or is not there.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the note is written while records flow.
const NOTE_EVERY: Duration = Duration::from_secs(1);
/// How long the daemon's end may wait for a journald that is slow; the rest goes with the next
/// daemon.
const LAST_RECORDS: Duration = Duration::from_secs(2);
/// Bytes of a record that goes along whole; of a longer one only the fields do, and its number says
/// where it stands.
const WHOLE: usize = 48 * 1024;
/// Characters of one field.
const FIELD: usize = 4096;
/// Fields that are for machines that verify; they are in the whole record.
const LEFT_OUT: [&str; 7] = [
    "prev",
    "signed",
    "signature",
    "key_signature",
    "gathered_path",
    "session_key",
    "expected_hash",
];

/// The thread, while the daemon runs.
#[derive(Debug)]
pub struct Journal {
    thread: Thread,
    handle: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The last record that journald has taken.
    sent: AtomicU64,
    stop: AtomicBool,
}

impl Journal {
    /// Starts it, where the configuration wants it. `head` is where the trail had come to before
    /// this daemon: where nothing was ever sent, what is older is not.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn start(settings: &Settings, head: u64) -> io::Result<Option<Self>> {
        let Some(socket) = settings.audit.journal.clone() else {
            return Ok(None);
        };
        let note = settings.state.join(NOTE);
        let noted: Option<u64> = std::fs::read_to_string(&note)
            .ok()
            .and_then(|text| text.trim().parse().ok());
        if let Some(beyond) = noted.filter(|noted| *noted > head) {
            tracing::warn!(
                beyond,
                head,
                "the note of what the journal has got is beyond the trail; records go on from here"
            );
        }

        let sent = noted.filter(|noted| *noted <= head).unwrap_or(head);
        let shared = Arc::new(Shared {
            sent: AtomicU64::new(sent),
            stop: AtomicBool::new(false),
        });

        let sender = Sender {
            socket,
            note,
            follower: Follower::behind(settings.trail.clone(), sent),
            shared: shared.clone(),
        };

        let handle = std::thread::Builder::new()
            .name("journal".into())
            .stack_size(256 * 1024)
            .spawn(move || sender.run())?;
        Ok(Some(Self {
            thread: handle.thread().clone(),
            handle: Some(handle),
            shared,
        }))
    }

    /// There is more.
    pub fn ring(&self) {
        self.thread.unpark();
    }

    /// The last record that journald has taken.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// Sends what there is, as far as journald takes it now, and ends.
    pub fn finish(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.thread.unpark();
        if let Some(handle) = self.handle.take() {
            let _ = handle.join();
        }
    }
}

struct Sender {
    socket: PathBuf,
    note: PathBuf,
    follower: Follower,
    shared: Arc<Shared>,
}

impl Sender {
    fn run(mut self) {
        // Runs go first; what it is behind with waits in the file.
        sys::step_back();
        let (mut noted, mut at) = (self.shared.sent.load(Ordering::Relaxed), Instant::now());
        let mut until = None;
        let mut reachable = true;
        let mut socket = None;

        loop {
            let stopping = self.shared.stop.load(Ordering::Relaxed);
            if stopping
                && Instant::now() > *until.get_or_insert_with(|| Instant::now() + LAST_RECORDS)
            {
                self.note(noted);
                return;
            }

            let next = self.follower.next_record().unwrap_or_else(|fault| {
                tracing::warn!(%fault, "the trail cannot be read for the journal");
                None
            });

            let Some((seq, line)) = next else {
                noted = self.note(noted);
                if stopping {
                    return;
                }
                std::thread::park_timeout(PATIENCE);
                continue;
            };

            let datagram = datagram(seq, &line);
            while let Err(fault) = send(&mut socket, &self.socket, &datagram) {
                socket = None;
                if std::mem::take(&mut reachable) {
                    tracing::warn!(%fault, "the journal takes no records; they wait in the trail");
                }
                if self.shared.stop.load(Ordering::Relaxed) {
                    self.note(noted);
                    return;
                }

                std::thread::park_timeout(PATIENCE);
            }

            if !std::mem::replace(&mut reachable, true) {
                tracing::info!("the journal takes records again");
            }
            self.shared.sent.store(seq, Ordering::Relaxed);
            if at.elapsed() >= NOTE_EVERY {
                (noted, at) = (self.note(noted), Instant::now());
            }
        }
    }

    /// Notes how far it has come. A crash before that sends records again, which their numbers
    /// show.
    fn note(&self, noted: u64) -> u64 {
        let sent = self.shared.sent.load(Ordering::Relaxed);
        if sent != noted
            && sys::replace(&self.note, format!("{sent}\n").as_bytes(), 0o600, true).is_err()
        {
            return noted;
        }
        sent
    }
}

/// Sends one datagram; one that is too long goes without the record.
fn send(socket: &mut Option<UnixDatagram>, path: &Path, datagram: &Datagram) -> io::Result<()> {
    let open = match socket {
        Some(open) => open,
        None => {
            let opened = UnixDatagram::unbound()?;
            opened.connect(path)?;
            opened.set_write_timeout(Some(PATIENCE))?;
            socket.insert(opened)
        }
    };

    match open.send(&datagram.whole) {
        Err(fault) if fault.raw_os_error() == Some(libc::EMSGSIZE) => {
            open.send(&datagram.fields).map(drop)
        }
        sent => sent.map(drop),
    }
}

struct Datagram {
    fields: Vec<u8>,
    /// With the record.
    whole: Vec<u8>,
}

/// A record in journald's own protocol: a field a line, or with its length where it has lines
/// itself.
fn datagram(seq: u64, line: &[u8]) -> Datagram {
    let record: Value = serde_json::from_slice(line).unwrap_or_default();
    let text = |key: &str| record.get(key).and_then(Value::as_str).unwrap_or_default();
    let mut fields = Vec::new();
    let mut field = |name: &str, value: &str| put(&mut fields, name, value);
    let bad = [
        "refused",
        "violation",
        "penalty",
        "missing",
        "gap",
        "recovered",
        "vault",
        "trail-key",
        "lock",
    ];
    // Every daemon makes a vault once.
    let usual = (text("kind"), text("state")) == ("vault", "made");

    let loud = !usual
        && bad.iter().any(|word| {
            text("decision") == *word || text("outcome") == *word || text("kind") == *word
        });
    field("MESSAGE", &message(&record));
    field("PRIORITY", if loud { "4" } else { "6" });
    field("SYSLOG_IDENTIFIER", "ordain-audit");
    field("ORDAIN_SEQ", &seq.to_string());
    for (key, value) in record
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| *key != "seq" && !LEFT_OUT.contains(&key.as_str()))
    {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        field(
            &format!("ORDAIN_{}", key.to_ascii_uppercase()),
            &value.chars().take(FIELD).collect::<String>(),
        );
    }

    let mut whole = fields.clone();
    if line.len() <= WHOLE {
        put(&mut whole, "ORDAIN_RECORD", &String::from_utf8_lossy(line));
    }
    Datagram { fields, whole }
}

fn put(out: &mut Vec<u8>, name: &str, value: &str) {
    // Names are letters, digits and underscores; ours are, and a record's keys are ours.
    out.extend(name.bytes());
    if value.contains('\n') {
        out.push(b'\n');
        out.extend((value.len() as u64).to_le_bytes());
    } else {
        out.push(b'=');
    }

    out.extend(value.bytes());
    out.push(b'\n');
}

/// What `journalctl` shows: the kind, and the fields that tell most.
fn message(record: &Value) -> String {
    const TELLING: [&str; 17] = [
        "verb", "user", "command", "run", "source", "decision", "outcome", "state", "reason",
        "number", "code", "rule", "subject", "who", "text", "version", "why",
    ];

    let mut words = vec![
        record
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or("record")
            .to_owned(),
    ];

    words.extend(TELLING.iter().filter_map(|key| {
        let value = record.get(key)?;
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        let text: String = text
            .chars()
            .take(200)
            .flat_map(char::escape_debug)
            .collect();
        Some(format!(
            "{key}={}",
            if text.contains(' ') {
                format!("\"{text}\"")
            } else {
                text
            }
        ))
    }));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_becomes_fields() {
        let line = br#"{"seq":7,"prev":"x","time":"t","kind":"request","user":"alice","reason":"two\nlines","decision":"refused","argv":["a","b"],"signature":"s"}"#;
        let sent = datagram(7, line);
        let text = String::from_utf8_lossy(&sent.whole).into_owned();
        for part in [
            "PRIORITY=4\n",
            "ORDAIN_SEQ=7\n",
            "ORDAIN_USER=alice\n",
            "ORDAIN_ARGV=[\"a\",\"b\"]\n",
            "ORDAIN_RECORD={\"seq\":7",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }

        assert!(
            text.starts_with("MESSAGE=request user=alice decision=refused reason=two\\nlines\n"),
            "{text}"
        );

        let reason = [
            b"ORDAIN_REASON\n".as_slice(),
            &9u64.to_le_bytes(),
            b"two\nlines\n",
        ]
        .concat();
        assert!(
            sent.whole
                .windows(reason.len())
                .any(|window| window == reason)
        );

        assert!(!text.contains("ORDAIN_SIGNATURE") && !text.contains("ORDAIN_PREV"));
    }

    #[test]
    fn what_is_long_or_no_record_is_sent_all_the_same() {
        let long = format!(
            r#"{{"seq":1,"kind":"request","signed":"{}"}}"#,
            "x".repeat(2 * WHOLE)
        );

        let sent = datagram(1, long.as_bytes());
        assert!(sent.whole.len() < 1000 && sent.whole == sent.fields);
        assert!(
            String::from_utf8_lossy(&datagram(2, b"\xff").whole).starts_with("MESSAGE=record\n")
        );
    }
}
