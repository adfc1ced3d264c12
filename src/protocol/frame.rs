//! Frames: nine bytes of header, then a payload that is a JSON object or raw data.

use crate::ids::StreamId;
use crate::limits;

/// Bytes of a header: length (4), stream (4), kind (1), numbers big-endian.
pub const HEADER: usize = 9;

/// Which side a frame comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// The side that connected.
    Client,
    /// The side that listens.
    Server,
}

/// What a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// One JSON object.
    Control,
    /// Raw bytes, at least one.
    Data,
}

/// How far a connection has come, as far as frames are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing heard yet.
    Greeting,
    /// Both have said hello.
    Login,
    /// The user is known.
    Open,
}

macro_rules! kinds {
    ($($(#[doc = $doc:expr])+ $name:ident = $number:literal, $word:literal, $client:expr, $server:expr, $payload:ident, $streams:ident;)+) => {
        /// The kind of a frame.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Kind {
            /// Every kind there is.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The number in the header.
            pub const fn number(self) -> u8 {
                match self { $(Self::$name => $number),+ }
            }

            /// The kind of this number.
            pub const fn numbered(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$name),)+ _ => None }
            }

            /// The kind's name in PROTOCOL.md.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }

            /// What the kind's payload is.
            pub const fn payload(self) -> Payload {
                match self { $(Self::$name => Payload::$payload),+ }
            }

            /// The first phase in which this side may send the kind; `None` when it never may.
            const fn since(self, sender: Sender) -> Option<Phase> {
                match (self, sender) {
                    $((Self::$name, Sender::Client) => $client, (Self::$name, Sender::Server) => $server,)+
                }
            }

            /// Whether the kind speaks of the connection, of a stream, or may do either.
            const fn streams(self) -> Streams {
                match self { $(Self::$name => Streams::$streams),+ }
            }
        }
    };
}

#[derive(Clone, Copy)]
enum Streams {
    Zero,
    Numbered,
    Either,
}

const NEVER: Option<Phase> = None;
const GREETING: Option<Phase> = Some(Phase::Greeting);
const LOGIN: Option<Phase> = Some(Phase::Login);
const OPEN: Option<Phase> = Some(Phase::Open);

kinds! {
    /// Version and features; the server's also carries the login nonce.
    Hello = 1, "HELLO", GREETING, GREETING, Control, Zero;
    /// Who, with which session key, proved by what.
    Login = 2, "LOGIN", LOGIN, NEVER, Control, Zero;
    /// The login was accepted.
    LoggedIn = 3, "LOGGED_IN", NEVER, LOGIN, Control, Zero;
    /// On another stream than 0 that stream's end; on stream 0 a refused login, or the connection's
    /// end.
    Error = 4, "ERROR", NEVER, GREETING, Control, Either;
    /// The question whether the other side is there.
    Ping = 5, "PING", OPEN, OPEN, Control, Zero;
    /// The answer that this side is there.
    Pong = 6, "PONG", OPEN, OPEN, Control, Zero;
    /// The server is stopping: streams go on for their grace, new ones are refused.
    Goaway = 7, "GOAWAY", NEVER, OPEN, Control, Zero;
    /// A signed request; opens a stream.
    Open = 16, "OPEN", OPEN, NEVER, Control, Numbered;
    /// The run has started.
    Started = 17, "STARTED", NEVER, OPEN, Control, Numbered;
    /// What a request that runs nothing asked for; the stream's end.
    Answer = 18, "ANSWER", NEVER, OPEN, Control, Numbered;
    /// How the run ended; the stream's end, after its last output.
    Exit = 19, "EXIT", NEVER, OPEN, Control, Numbered;
    /// More bytes may be sent on this stream.
    Credit = 20, "CREDIT", OPEN, OPEN, Control, Numbered;
    /// No more standard input follows.
    Eof = 21, "EOF", OPEN, NEVER, Control, Numbered;
    /// The command reads no more standard input.
    StdinClosed = 22, "STDIN_CLOSED", NEVER, OPEN, Control, Numbered;
    /// Something that has happened, of a request that is followed.
    Event = 26, "EVENT", NEVER, OPEN, Control, Numbered;
    /// The client is no longer interested in this stream.
    Reset = 23, "RESET", OPEN, NEVER, Control, Numbered;
    /// The client's terminal has another size.
    Resize = 25, "RESIZE", OPEN, NEVER, Control, Numbered;
    /// The run waits for its turn, and for what.
    Queued = 24, "QUEUED", NEVER, OPEN, Control, Numbered;
    /// Bytes for the command's standard input.
    Stdin = 32, "STDIN", OPEN, NEVER, Data, Numbered;
    /// Bytes of the command's standard output.
    Stdout = 33, "STDOUT", NEVER, OPEN, Data, Numbered;
    /// Bytes of the command's standard error.
    Stderr = 34, "STDERR", NEVER, OPEN, Data, Numbered;
}

impl Kind {
    /// Whether this side may send the kind in this phase.
    pub const fn allowed(self, sender: Sender, phase: Phase) -> bool {
        match (self, self.since(sender), phase) {
            // A greeting is said once, a login is over when it was accepted.
            (Self::Hello, Some(_), phase) => matches!(phase, Phase::Greeting),
            (Self::Login | Self::LoggedIn, Some(_), phase) => matches!(phase, Phase::Login),
            (_, Some(since), phase) => since as u8 <= phase as u8,
            (_, None, _) => false,
        }
    }
}

/// A whole frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The stream it belongs to, 0 for the connection.
    pub stream: StreamId,
    /// The frame's kind.
    pub kind: Kind,
    /// The frame's payload, never empty.
    pub payload: Vec<u8>,
}

/// Why bytes are not a frame. Each ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameFault {
    /// The length is 0.
    Empty,
    /// The length is over the bound of this kind and phase.
    TooLarge {
        /// What the header said, in bytes.
        length: u32,
        /// What was allowed, in bytes.
        cap: usize,
    },
    /// No kind has this number.
    UnknownKind(u8),
    /// The kind exists, but not from this side, not yet, or no more.
    OutOfOrder(Kind),
    /// A connection's frame on a stream, or the other way round.
    WrongStream(Kind),
}

impl std::fmt::Display for FrameFault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => write!(out, "a frame without payload"),
            Self::TooLarge { length, cap } => {
                write!(out, "a frame of {length} bytes where {cap} are allowed")
            }
            Self::UnknownKind(number) => write!(out, "a frame of the unknown kind {number}"),
            Self::OutOfOrder(kind) => write!(out, "{} is not expected here", kind.word()),
            Self::WrongStream(kind) => write!(out, "{} on the wrong stream", kind.word()),
        }
    }
}

/// Cuts a byte stream into frames. Decides from the header alone, before a payload is waited for.
#[derive(Debug)]
pub struct Decoder {
    from: Sender,
    phase: Phase,
    /// Whether a request may have been sent with a login that is refused.
    early: bool,
}

/// What a header promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise {
    /// The stream.
    pub stream: StreamId,
    /// The kind.
    pub kind: Kind,
    /// Bytes of payload that follow, within the bounds.
    pub length: usize,
}

impl Decoder {
    /// A decoder for frames that come from `from`.
    pub const fn new(from: Sender) -> Self {
        Self {
            from,
            phase: Phase::Greeting,
            early: false,
        }
    }

    /// Notes that the connection has come further.
    pub const fn enter(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// Notes whether a request may come now that was sent with a login which is refused.
    pub const fn expect_early(&mut self, early: bool) {
        self.early = early;
    }

    /// Judges a header.
    ///
    /// # Errors
    /// Whatever is wrong with it; the connection cannot go on then.
    pub fn header(&self, bytes: [u8; HEADER]) -> Result<Promise, FrameFault> {
        let [l0, l1, l2, l3, s0, s1, s2, s3, kind] = bytes;
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        let stream = u32::from_be_bytes([s0, s1, s2, s3]);
        let kind = Kind::numbered(kind).ok_or(FrameFault::UnknownKind(kind))?;
        let early = self.early && matches!((kind, self.phase), (Kind::Open, Phase::Login));
        if !early && !kind.allowed(self.from, self.phase) {
            return Err(FrameFault::OutOfOrder(kind));
        }
        let right_stream = match kind.streams() {
            Streams::Zero => stream == 0,
            Streams::Numbered => stream != 0,
            Streams::Either => true,
        };

        if !right_stream {
            return Err(FrameFault::WrongStream(kind));
        }
        if length == 0 {
            return Err(FrameFault::Empty);
        }
        let cap = self.cap(kind);
        match usize::try_from(length) {
            Ok(length) if length <= cap => Ok(Promise {
                stream,
                kind,
                length,
            }),
            _ => Err(FrameFault::TooLarge { length, cap }),
        }
    }

    fn cap(&self, kind: Kind) -> usize {
        match (self.from, self.phase, kind.payload()) {
            (_, Phase::Greeting | Phase::Login, _) => limits::FRAME_BEFORE_LOGIN,
            // The server's answers are made of its own configuration and may be long; the client
            // bounds them.
            (Sender::Server, Phase::Open, Payload::Control) => limits::CONTROL_FRAME * 64,
            (Sender::Client, Phase::Open, Payload::Control) => limits::CONTROL_FRAME,
            (_, Phase::Open, Payload::Data) => limits::DATA_FRAME,
        }
    }

    /// Takes the first whole frame out of `bytes`, if there is one. For tests, tools and fuzzing;
    /// the programs read header and payload straight from the socket.
    ///
    /// # Errors
    /// What is wrong with the header, as [`Decoder::header`] says it.
    pub fn take(&self, bytes: &mut Vec<u8>) -> Result<Option<Frame>, FrameFault> {
        let Some(head) = bytes.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let promise = self.header(*head)?;
        if bytes.len() < HEADER + promise.length {
            return Ok(None);
        }
        let rest = bytes.split_off(HEADER + promise.length);
        let payload = bytes.split_off(HEADER);
        *bytes = rest;
        Ok(Some(Frame {
            stream: promise.stream,
            kind: promise.kind,
            payload,
        }))
    }
}

/// The header of a frame whose payload has `length` bytes.
pub const fn header(stream: StreamId, kind: Kind, length: u32) -> [u8; HEADER] {
    let [l0, l1, l2, l3] = length.to_be_bytes();
    let [s0, s1, s2, s3] = stream.to_be_bytes();
    [l0, l1, l2, l3, s0, s1, s2, s3, kind.number()]
}

/// A whole frame as bytes.
pub fn encode(stream: StreamId, kind: Kind, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    encode_into(&mut bytes, stream, kind, payload);
    bytes
}

/// Appends a whole frame to `bytes`.
pub fn encode_into(bytes: &mut Vec<u8>, stream: StreamId, kind: Kind, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&header(stream, kind, length));
    bytes.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn open(from: Sender) -> Decoder {
        Decoder {
            early: false,
            from,
            phase: Phase::Open,
        }
    }

    #[test]
    fn numbers_are_unique_and_lead_back() {
        for kind in Kind::ALL {
            assert_eq!(Kind::numbered(kind.number()), Some(*kind));
        }
    }

    #[test]
    fn what_is_wrong_with_a_header_is_told_apart() {
        let decoder = open(Sender::Client);
        let cases = [
            (header(1, Kind::Open, 0), FrameFault::Empty),
            (
                header(1, Kind::Open, 16385),
                FrameFault::TooLarge {
                    length: 16385,
                    cap: 16384,
                },
            ),
            (
                header(1, Kind::Stdin, u32::MAX),
                FrameFault::TooLarge {
                    length: u32::MAX,
                    cap: 65536,
                },
            ),
            (
                header(0, Kind::Open, 2),
                FrameFault::WrongStream(Kind::Open),
            ),
            (
                header(1, Kind::Ping, 2),
                FrameFault::WrongStream(Kind::Ping),
            ),
            (
                header(1, Kind::Stdout, 2),
                FrameFault::OutOfOrder(Kind::Stdout),
            ),
            (
                header(0, Kind::Hello, 2),
                FrameFault::OutOfOrder(Kind::Hello),
            ),
            (
                header(0, Kind::Login, 2),
                FrameFault::OutOfOrder(Kind::Login),
            ),
            ([0, 0, 0, 2, 0, 0, 0, 0, 99], FrameFault::UnknownKind(99)),
        ];

        for (bytes, fault) in cases {
            assert_eq!(decoder.header(bytes), Err(fault));
        }
    }

    #[test]
    fn a_request_that_came_with_a_login_passes_where_it_is_expected_alone() {
        let mut decoder = Decoder::new(Sender::Client);
        let short = header(1, Kind::Open, 100);
        for phase in [Phase::Greeting, Phase::Login] {
            decoder.enter(phase);
            decoder.expect_early(false);
            assert!(decoder.header(short).is_err());
            decoder.expect_early(true);
            assert_eq!(decoder.header(short).is_ok(), phase == Phase::Login);
            assert!(decoder.header(header(1, Kind::Stdin, 100)).is_err());
        }
        let long = header(1, Kind::Open, 5000);
        assert!(matches!(
            decoder.header(long),
            Err(FrameFault::TooLarge { .. })
        ));
    }

    #[test]
    fn before_the_login_only_greeting_and_login_pass() {
        let mut decoder = Decoder::new(Sender::Client);
        for (phase, passes) in [
            (Phase::Greeting, vec![Kind::Hello]),
            (Phase::Login, vec![Kind::Login]),
        ] {
            decoder.enter(phase);
            let allowed: Vec<Kind> = Kind::ALL
                .iter()
                .copied()
                .filter(|kind| kind.allowed(Sender::Client, phase))
                .collect();
            assert_eq!(allowed, passes);
        }
    }

    proptest! {
        #[test]
        fn frames_survive_every_split(
            frames in prop::collection::vec((1u32..9, prop::sample::select(vec![Kind::Stdin, Kind::Open, Kind::Eof]),
                prop::collection::vec(any::<u8>(), 1..50)), 1..5),
            cuts in prop::collection::vec(1usize..7, 1..400),
        ) {
            let decoder = open(Sender::Client);
            let mut wire = Vec::new();
            for (stream, kind, payload) in &frames {
                encode_into(&mut wire, *stream, *kind, payload);
            }
            let (mut held, mut seen, mut at) = (Vec::new(), Vec::new(), 0);
            let mut cuts = cuts.into_iter().cycle();
            while at < wire.len() {
                let end = (at + cuts.next().unwrap()).min(wire.len());
                held.extend_from_slice(&wire[at..end]);
                at = end;
                while let Some(frame) = decoder.take(&mut held).unwrap() {
                    seen.push((frame.stream, frame.kind, frame.payload));
                }
            }
            prop_assert!(held.is_empty());
            prop_assert_eq!(seen, frames);
        }

        #[test]
        fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..64), phase in 0u8..3) {
            let phase = [Phase::Greeting, Phase::Login, Phase::Open][usize::from(phase)];
            for from in [Sender::Client, Sender::Server] {
                let _ = Decoder { from, phase, early: true }.take(&mut bytes);
            }
        }
    }
}
