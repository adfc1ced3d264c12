//! Every bound that is not a setting: its value, its unit and its reason, in one place.

use std::time::Duration;

/// Bytes of a frame's payload before the login: enough for a login, too little to hoard.
pub const FRAME_BEFORE_LOGIN: usize = 4 * 1024;
/// Bytes of a control payload after the login. A signed request passes to the monitor in one
/// message, whose values are capped at 16 KiB, so a request is smaller than that.
pub const CONTROL_FRAME: usize = 16 * 1024;
/// Bytes of the signed text inside a request frame; what remains holds signature, secrets and
/// escapes.
pub const SIGNED_TEXT: usize = 12 * 1024;
/// Bytes of a data payload: 4 TLS records, which amortises a system call without hoarding memory.
pub const DATA_FRAME: usize = 64 * 1024;
/// Bytes of one message between monitor and frontend, all fields together.
pub const IPC_MESSAGE: usize = 48 * 1024;
/// Bytes that may wait for a frontend whose queue is full; one that does not read is replaced.
pub const LINK_BACKLOG: usize = 8 * 1024 * 1024;
/// Descriptors of the frontend's that may wait to be closed, which takes microseconds: as many as
/// logins may wait.
pub const CLOSING: usize = 1024;
/// Clients that wait in the kernel to be accepted.
pub const ACCEPT_QUEUE: u32 = 4096;
/// How far a frontend's numbers of connections may go beyond its first: a million a second, for
/// twelve days.
pub const CONNECTION_NUMBERS: u64 = 1 << 40;
/// Descriptors that may travel with one message between the two processes.
pub const IPC_DESCRIPTORS: usize = 8;
/// Bytes a peer may send on a stream before the other side grants more: a gigabit at 4 ms.
pub const STREAM_WINDOW: usize = 512 * 1024;
/// Bytes of a stream's window at the most, as far as it grows: a gigabit at 64 ms.
pub const STREAM_MOST: usize = 8 * 1024 * 1024;
/// Frames that wait for the socket per connection: keeps the writer busy, bounds the memory.
pub const OUTBOX_FRAMES: usize = 16;
/// Bytes of the kernel's buffer between a command and the frontend, where the kernel allows it.
pub const PIPE_BUFFER: usize = 1024 * 1024;

/// Wrong logins that one connection may make.
pub const LOGIN_TRIES: u32 = 3;
/// Bytes of a user name.
pub const USER_NAME: usize = 64;
/// Bytes of a password; argon2 itself would take 4 GiB.
pub const PASSWORD: usize = 1024;
/// Characters of a password that its user chooses, at the least; one that an administrator sets is
/// theirs to judge.
pub const NEW_PASSWORD: usize = 12;
/// For how long `ordain login` keeps a login, where the configuration does not say otherwise: a
/// working day.
pub const LOGIN_LIFETIME: Duration = Duration::from_secs(8 * 3600);
/// SSH keys that one user may have.
pub const SSH_KEYS: usize = 64;
/// Rounds of bcrypt for the passphrase of a key's file: some minutes. ssh-keygen's usual number is 24.
pub const BCRYPT_ROUNDS: u32 = 16 * 1024;
/// How long an SSH agent may take to answer: long enough for a person to find the key and touch it.
pub const AGENT: Duration = Duration::from_secs(60);
/// Logins that may share one signature of an SSH key: each knows how many there are, and the way to
/// it has ten hashes then, which a login has room for beside the longest signature.
pub const GATHERED: usize = 1024;
/// Bytes of an SSH agent's answer.
pub const AGENT_ANSWER: usize = 256 * 1024;
/// Nonces that the frontend has in stock: clients that shake hands at once. Whoever finds none
/// waits for one of their own.
pub const NONCES: usize = 64;
/// Logins that may wait for a verifier; past it a login is told to come back.
pub const LOGINS_WAITING: usize = 1024;
/// How long a login may wait for a verifier before it is told to come back.
pub const LOGIN_QUEUE: Duration = Duration::from_secs(30);
/// Memory of one password verification that no configuration may exceed, in KiB (1 GiB).
pub const ARGON2_MEMORY_KIB: u32 = 1024 * 1024;

/// Bytes of one argument after the template: Linux's own cap on one word is 128 KiB, frames are
/// smaller.
pub const ARGUMENT: usize = 8 * 1024;
/// Bytes of a compiled pattern.
pub const PATTERN_SIZE: usize = 1024 * 1024;
/// Bytes of a compiled pattern times bytes of the longest value: what judging a value takes at the
/// worst, some 6 ms of the thread that decides for everybody.
pub const PATTERN_WORK: usize = 128 * 1024 * 1024;
/// Arguments one command may declare, and one request may carry.
pub const ARGUMENTS: usize = 64;
/// Bytes of a run's arguments in a list of runs: a thousand lines of it are one frame.
pub const SHOWN_ARGUMENTS: usize = 160;
/// Values one repeated argument may have.
pub const REPEATS: usize = 64;
/// Fields of one request's text; no verb has as many.
pub const REQUEST_FIELDS: usize = 32;
/// Bytes of a command's, role's or argument's name.
pub const NAME: usize = 64;
/// Bytes of a reason: why a run is asked for, why a warning is acknowledged.
pub const REASON: usize = 256;
/// Bytes of one text that is said in the room: a paragraph.
pub const SAID: usize = 2048;
/// Lines of one text that is said in the room: less than a terminal shows at once.
pub const SAID_LINES: usize = 20;
/// Things that have happened which one answer of `room` tells, and which are read out of the trail at
/// once.
pub const ROOM_PAGE: usize = 256;
/// Records of the trail that are read for one such answer: some milliseconds of a thread beside.
pub const ROOM_RECORDS: usize = 10_000;
/// For how long what somebody has said counts against `limits.said_per_user`.
pub const SAID_COUNTS: Duration = Duration::from_secs(60);
/// Bytes of a certificate or key file: what goes to the frontend through a pipe at once.
pub const PEM_FILE: u64 = 60 * 1024;
/// Bytes of one configuration file.
pub const CONFIG_FILE: u64 = 4 * 1024 * 1024;

/// The client asks for a sign of life this often: shorter than the 60 s that harsh NATs forget
/// after.
pub const PING_EVERY: Duration = Duration::from_secs(30);
/// Silence after which the server takes a client for gone: three lost pings.
pub const SILENCE: Duration = Duration::from_secs(100);
/// How long a process may take from clone to exec before it is given up and killed.
pub const SPAWN: Duration = Duration::from_secs(2);
/// Threads that start processes; each is held by one start at a time. One user's starts hold all of
/// them but one.
pub const SPAWNERS: usize = 4;
/// How long other processes of a command may go on after its main process ended.
pub const LINGER: Duration = Duration::from_secs(2);
/// How long a pipe may be held open, silent, by a process that outlived its run, before it is left.
pub const HELD_OPEN: Duration = Duration::from_millis(500);
/// How long a client whose link is lost may come back, where the command does not say otherwise.
pub const RESUME_WINDOW: Duration = Duration::from_secs(60);
/// How long reaching a server may take, where nobody says otherwise.
pub const CONNECT: Duration = Duration::from_secs(10);
/// For how long a client tries to heal a link at the most, whatever the server says.
pub const RESUME_MOST: Duration = Duration::from_secs(24 * 3600);
/// For how long a client waits for the end of a server's stop at the most, whatever the server says.
pub const STOP_MOST: Duration = Duration::from_secs(600);
/// How long a run may wait for its turn, where the command does not say otherwise.
pub const QUEUE_TIMEOUT: Duration = Duration::from_secs(600);
/// Bytes of each stream that are kept of every run: what a lost link may have swallowed (a window),
/// what a full pipe holds, and some to spare.
pub const SPOOL_LEAST: u64 = 2 * 1024 * 1024;
/// Bytes of each stream that are kept of a run whose window has grown: the widest window, what a full
/// pipe holds, and some to spare.
pub const SPOOL_WIDE: u64 = 10 * 1024 * 1024;
/// Bytes of each stream that are kept of a run that outlives its client, where the command does not
/// say otherwise.
pub const SPOOL_DURABLE: u64 = 64 * 1024 * 1024;
/// Bytes of each stream that may be kept: both streams lie in one file, behind one another.
pub const SPOOL_MOST: u64 = 1 << 40;
/// Spools up to this size are kept in memory, larger ones in a file without a name.
pub const SPOOL_IN_MEMORY: u64 = SPOOL_LEAST;
/// Runs that have ended and whose output is kept.
pub const RUNS_KEPT: usize = 512;
/// Events that are on their way to one who follows; what happens beyond is counted and not told.
pub const EVENTS_WAITING: usize = 32;
/// Request ids that are remembered for a user; past it they are refused, because none may be
/// forgotten early.
pub const REQUEST_IDS: usize = 100_000;
/// How long a request's id is remembered.
pub const REQUEST_ID_AGE: Duration = Duration::from_secs(600);
/// For how long a request may be good at the most: its id is remembered for as long.
pub const REQUEST_GOOD: Duration = Duration::from_secs(24 * 3600);
/// Sessions whose link is lost that are remembered, all users together.
pub const SESSIONS_PARKED: usize = 4096;
/// Logins kept for one user; the oldest makes room.
pub const LOGINS_PER_USER: usize = 64;
/// Places that a user has logged in from that are remembered; the one that was used least lately
/// makes room.
pub const PLACES: usize = 16;
/// Records a minute of what one source does before a login; more are counted.
pub const RECORDS_OF_A_STRANGER: u32 = 10;
/// Records a minute of requests of one user that are refused; more are counted.
pub const REFUSALS_OF_A_USER: u32 = 60;
/// Records a minute of what all sources together do before a login; more are counted.
pub const RECORDS_OF_STRANGERS: u32 = 1000;
/// Sources that are told apart when what they do before a login is counted.
pub const STRANGERS_TOLD_APART: usize = 200;
/// Bytes a minute that every user may add to the trail, however little its disk has to spare.
pub const TRAIL_LEAST: u64 = 64 * 1024;
/// How many records come between two signatures of the trail, as far as the disk keeps up.
pub const CHECKPOINT_RECORDS: u64 = 1000;
/// How often the trail is signed at least, when anything was written.
pub const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);
/// How old a file of the trail is at the least before `audit.keep_size` removes it, where the
/// configuration does not say otherwise: whoever fills the trail must not push out what they have
/// done before anybody has looked.
pub const KEEP_LEAST: Duration = Duration::from_secs(7 * 86_400);
/// How often it is looked whether files of the trail are to be removed, where nothing is rotated.
pub const KEEP_LOOK: Duration = Duration::from_secs(60);
/// How long the clock must have gone on evenly before anything is removed by its age: whoever sets
/// it forward must not have the trail removed at once.
pub const KEEP_EVEN: Duration = Duration::from_secs(86_400);
/// First pause before what failed with a file of the trail is tried again; doubles up to
/// [`KEEP_PAUSE_MOST`].
pub const KEEP_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause before what failed with a file of the trail is tried again.
pub const KEEP_PAUSE_MOST: Duration = Duration::from_secs(3600);
/// Between SIGTERM and SIGKILL of a run whose user may not run it any more: it is to be over within
/// a second.
pub const REVOKED_GRACE: Duration = Duration::from_millis(500);
/// How long the monitor waits for the frontend's byte counts before it records the end without
/// them.
pub const FINISHED: Duration = Duration::from_secs(5);
/// How long the memory of a password verification is kept for the next one.
pub const VERIFIER_MEMORY: Duration = Duration::from_secs(30);
/// How long name service (users and groups) may take while a configuration loads, a program looks users
/// up, or somebody logs in; all that is asked while one question hangs takes no longer than that one.
pub const NAME_SERVICE: Duration = Duration::from_secs(10);
/// Questions to the name service that are asked at once for users who are here. One that hangs keeps its
/// place, so that no more threads hang than these.
pub const LOOKUPS: usize = 4;
/// Servers whose keys the client looks at at once: each takes a descriptor and a handshake.
pub const KEYS_AT_ONCE: usize = 32;
/// First pause before a new frontend, or before accepting again after an error; doubles up to a
/// second.
pub const BACK_OFF: Duration = Duration::from_millis(10);
/// How often it is looked whether the certificate's files have changed.
pub const CERTIFICATE_LOOK: Duration = Duration::from_secs(2);
/// How long before its end a certificate is warned of.
pub const CERTIFICATE_WARNING: Duration = Duration::from_secs(21 * 86_400);
/// Lines of what a reload has changed that its record holds.
pub const CHANGES_TOLD: usize = 500;
/// Warnings and errors that `status` remembers.
pub const FAULTS_KEPT: usize = 10;
/// Commands whose runs are counted by name; names that reloads bring beyond that are counted
/// together.
pub const COMMANDS_COUNTED: usize = 4096;
/// From how much of a limit on `status` speaks of it, in percent.
pub const LIMIT_NEAR: u64 = 80;
/// How often a frontend is asked for a sign of life, where the service manager's watchdog does not
/// want it more often.
pub const FRONTEND_LOOK: Duration = Duration::from_secs(5);
/// Looks without any sign of life after which a frontend is replaced.
pub const FRONTEND_LOOKS: u32 = 3;
/// How long clients may take to hear how their runs ended and that the daemon is over.
pub const LAST_WORD: Duration = Duration::from_secs(1);
/// How long a certificate's files may not fit before that is a fault of the daemon's health.
pub const CERTIFICATE_PATIENCE: Duration = Duration::from_secs(60);
/// Names of one node set: each is a host that something is asked of.
pub const NODES: usize = 65_536;
/// Bytes of one such name: what DNS allows.
pub const NODE_NAME: usize = 253;
/// Bytes of a node set as it is typed: half of what Linux lets one word have.
pub const NODE_TEXT: usize = 64 * 1024;
/// Bytes of the text of one group, which a program may have told.
pub const NODE_GROUP: usize = 4 * 1024 * 1024;
/// Groups within groups.
pub const NODE_NESTING: usize = 16;
/// Names that are gone through while a node set is read, some 0.3 s: a short text can name the same
/// names thousands of times.
pub const NODE_WORK: usize = 4 * 1024 * 1024;
/// How long a program may take to tell groups of hosts.
pub const GROUPS_TOLD: Duration = Duration::from_secs(10);
/// Bytes that a program may tell of groups.
pub const GROUPS_TEXT: u64 = 4 * 1024 * 1024;

/// Bytes of one name of a file: what file systems have.
pub const FILE_NAME: usize = 255;
/// Bytes of a path below a root: what Linux lets a path have.
pub const FILE_PATH: usize = 4096;
/// Names of a path below a root: a folder of each is held open while what is in it is moved.
pub const FILE_DEPTH: usize = 256;
/// Bytes of one message between the monitor and a mover; all but the first are far shorter.
pub const MOVER_WORD: usize = 64 * 1024;
/// Bytes of one message between the monitor and a recorder; all but the first are far shorter.
pub const RECORDER_WORD: usize = 64 * 1024;
/// Bytes of one line of a recording: what is read at once, each byte as six, and as base64.
pub const CAST_LINE: usize = 2 * 1024 * 1024;
/// Bytes of a recording in one answer; all but the last have as many.
pub const RECORDING_PART: usize = 512 * 1024;
/// Bytes that a recorder reads at once.
pub const RECORDER_READ: usize = 128 * 1024;
/// Bytes of a recording, compressed, after which a segment of it ends.
pub const SEGMENT: u64 = 4 * 1024 * 1024;
/// How old a segment of a recording gets. Only whole ones are vouched for in the trail.
pub const SEGMENT_AGE: Duration = Duration::from_secs(60);
/// How long a recorder may take to begin, and to finish.
pub const RECORDER: Duration = Duration::from_secs(10);
/// Recordings that are kept at the most, whatever their size.
pub const RECORDINGS: usize = 100_000;
/// How often it is looked whether a recording has become too old.
pub const RECORDINGS_LOOK: Duration = Duration::from_secs(600);
/// Bytes of recordings that are kept, where nothing is said.
pub const RECORDINGS_SIZE: u64 = 10 * 1024 * 1024 * 1024;
/// How long recordings are kept, where nothing is said.
pub const RECORDINGS_AGE: Duration = Duration::from_secs(90 * 86_400);

/// Bytes of one record of a mover's stream, without its header.
pub const FILE_RECORD: usize = 1024 * 1024;
/// Pieces of a file that one record tells of.
pub const FILE_CHUNKS: usize = 8192;
/// Pieces of a file of which it is remembered where the other side has them: 8 GiB of them, in some
/// 12 MiB of memory. What lies behind is sent.
pub const FILE_PIECES: usize = 128 * 1024;
/// How long what a transfer has left behind waits for the next attempt, before any transfer into the
/// same folder removes it.
pub const FILE_LEFT: Duration = Duration::from_secs(86_400);
/// Bytes of the largest file that is taken from a peer: what usual file systems can have.
pub const FILE_SIZE: u64 = 1 << 44;
/// Bytes from which on a file is worth asking what the other side has of it.
pub const FILE_ASKED: u64 = 1024 * 1024;
/// Files of a put that are made sure of one by one; of more, the whole file system is.
pub const FILES_SYNCED: usize = 16;

/// Bytes of the plan of a run that others must agree to: whoever decides gets it whole.
pub const APPROVAL_PLAN: usize = 32 * 1024;
/// How long a run may wait for others to agree.
pub const APPROVAL_MOST: Duration = Duration::from_secs(14 * 86_400);
/// How many must agree to a run at the most.
pub const APPROVERS: usize = 16;
