//! What stands between a command and the network side and records what passes: a process of its own, with
//! the descriptors that it was given and nothing else.

mod pipes;
mod port;
mod tape;

use crate::cast::{Closed, Finish, FromRecorder, Output};
use crate::exit::Status;
use crate::sys::{self, Look};
use pipes::Way;
use port::{Heard, Port};
use std::fs::File;
use std::io;
use std::time::{Duration, Instant};
use tape::Tape;

/// How long nothing has come until what was recorded is written out: what a crash may take.
const QUIET: Duration = Duration::from_secs(1);

/// The whole process: it is told what to record, does it until the monitor says that the run is over, and
/// ends once everything was passed on.
pub fn serve() -> Status {
    match begin() {
        Ok(()) => Status::OK,
        Err(_) => Status::FAULT,
    }
}

fn begin() -> io::Result<()> {
    let port = Port::new(sys::adopt(0)?);
    let (task, file) = port.task()?;
    let tape = match Tape::new(File::from(file), &task) {
        Ok(tape) => tape,
        Err(fault) => return port.say(&FromRecorder::Failed(fault.to_string())),
    };
    port.say(&FromRecorder::Ready)?;
    let Some(ways) = port.pipes()? else {
        return Ok(());
    };
    Recorder {
        port,
        tape: Some(tape),
        required: task.required,
        failed: false,
        ways,
        begun: Instant::now(),
        state: State::Records,
    }
    .run()
}

/// How far a recording has come.
#[derive(Debug, PartialEq, Eq)]
enum State {
    /// The run goes on.
    Records,
    /// The recording is over; what was recorded is still passed on.
    PassesOn,
}

/// A recording that goes on.
struct Recorder {
    port: Port,
    /// What is recorded on, until it is over or has failed.
    tape: Option<Tape>,
    required: bool,
    failed: bool,
    ways: [Way; 2],
    begun: Instant,
    state: State,
}

impl Recorder {
    fn run(mut self) -> io::Result<()> {
        loop {
            if self.state == State::PassesOn && self.ways.iter().all(Way::is_over) {
                return Ok(());
            }
            let [port, reads, writes] = self.wait()?;
            let quiet = !port[0] && !reads.contains(&true);
            if port[0] {
                match self.port.hear()? {
                    Heard::Nothing => {}
                    Heard::Finish(finish) => self.finish(Some(&finish))?,
                    Heard::Gone => self.finish(None)?,
                }
            }
            for (at, (read, write)) in reads.into_iter().zip(writes).enumerate() {
                self.pass(at, read, write)?;
            }
            self.keep_up(quiet)?;
        }
    }

    /// Waits for whatever comes first: which of the monitor's words, of the ends that are read, and of the
    /// ends that are written.
    fn wait(&self) -> io::Result<[[bool; 2]; 3]> {
        let records = self.state == State::Records;
        let reads = records && !(self.failed && self.required);
        let mut looks = Vec::with_capacity(5);
        let mut whose = Vec::with_capacity(5);
        if records {
            looks.push(look(self.port.as_fd(), true, false));
            whose.push((0, 0));
        }
        for (at, way) in self.ways.iter().enumerate() {
            if let Some(from) = way.from().filter(|_| reads && way.has_passed()) {
                looks.push(look(from, true, false));
                whose.push((1, at));
            }
            if let Some(to) = way.to() {
                looks.push(look(to, false, !way.has_passed()));
                whose.push((2, at));
            }
        }
        sys::wait_for_any(&mut looks, QUIET)?;
        let mut ready = [[false; 2]; 3];
        for (look, (what, at)) in looks.iter().zip(whose) {
            if let Some(place) = ready.get_mut(what).and_then(|places| places.get_mut(at)) {
                *place = look.ready;
            }
        }
        Ok(ready)
    }

    /// Moves what can be moved of one output: first it is recorded, then it is passed on.
    fn pass(&mut self, at: usize, read: bool, write: bool) -> io::Result<()> {
        let Some(way) = self.ways.get_mut(at) else {
            return Ok(());
        };
        if write && !way.write() {
            // Nobody takes it any more; what the command has written until now is recorded.
            self.take_the_rest(at)?;
            if let Some(way) = self.ways.get_mut(at) {
                way.close();
            }
            return Ok(());
        }
        if read && way.has_passed() {
            let count = way.read()?;
            self.record(at, 0)?;
            if let Some(way) = self.ways.get_mut(at).filter(|_| count > 0) {
                way.write();
            }
        }
        Ok(())
    }

    /// Records what was read of one output, from this byte of it on that waits.
    fn record(&mut self, at: usize, from: usize) -> io::Result<()> {
        let now = self.now();
        let (Some(way), Some(tape)) = (self.ways.get(at), self.tape.as_mut()) else {
            return Ok(());
        };
        let output = Output::BOTH.get(at).copied().unwrap_or(Output::Stdout);
        let bytes = way.waiting().get(from..).unwrap_or_default();
        let done = tape.wrote(now, output, bytes);
        if let Err(fault) = done {
            self.fail(&fault)?;
            // What is not recorded is not passed on.
            if let Some(way) = self.ways.get_mut(at).filter(|_| self.required) {
                way.forget(from);
            }
        }
        Ok(())
    }

    /// Reads and records what an output holds now.
    fn take_the_rest(&mut self, at: usize) -> io::Result<()> {
        if self.failed && self.required {
            return Ok(());
        }
        let mut taken = 0;
        while taken < pipes::MOST {
            let Some(way) = self.ways.get_mut(at) else {
                return Ok(());
            };
            let before = way.waiting().len();
            let count = way.read_on()?;
            if count == 0 {
                return Ok(());
            }
            taken += count;
            self.record(at, before)?;
        }
        Ok(())
    }

    /// Ends a segment that is large or old enough, and where all is quiet writes out what has waited.
    fn keep_up(&mut self, quiet: bool) -> io::Result<()> {
        let Some(tape) = self.tape.as_mut() else {
            return Ok(());
        };
        let written_out = if quiet { tape.write_out() } else { Ok(()) };
        match written_out.and_then(|()| tape.keep_up()) {
            Ok(None) => Ok(()),
            Ok(Some(segment)) => self.port.say(&FromRecorder::Segment(segment)),
            Err(fault) => self.fail(&fault),
        }
    }

    /// The run is over: what is left of its output is recorded, and the recording is finished.
    fn finish(&mut self, finish: Option<&Finish>) -> io::Result<()> {
        for at in 0..self.ways.len() {
            self.take_the_rest(at)?;
        }
        self.state = State::PassesOn;
        if self.failed && self.required {
            self.ways.iter_mut().for_each(Way::end);
        }
        let now = self.now();
        let ended = match self.tape.as_mut() {
            Some(tape) => tape.finish(now, finish.map(|finish| finish.status.as_str())),
            None => Ok(()),
        };
        if let Err(fault) = ended {
            self.fail(&fault)?;
        }
        let Some(sum) = self.tape.take().map(Tape::sum) else {
            return Ok(());
        };
        let closed = Closed {
            whole: !self.failed,
            ..sum
        };
        match self.port.say(&FromRecorder::Closed(closed)) {
            Err(_) if finish.is_none() => Ok(()),
            done => done,
        }
    }

    fn fail(&mut self, fault: &io::Error) -> io::Result<()> {
        if std::mem::replace(&mut self.failed, true) {
            return Ok(());
        }
        if let Some(tape) = self.tape.as_mut() {
            tape.give_up();
        }
        self.port.say(&FromRecorder::Failed(fault.to_string()))
    }

    /// Microseconds since the beginning.
    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

const fn look(descriptor: std::os::fd::BorrowedFd<'_>, read: bool, write: bool) -> Look<'_> {
    Look {
        descriptor,
        read,
        write,
        ready: false,
    }
}
