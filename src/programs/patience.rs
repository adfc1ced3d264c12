//! Patience with a server that stops: how long another is waited for, and what may pass meanwhile.

use super::display::plain;
use crate::client::ClientError;
use crate::exit::Human;
use crate::limits::CONNECT;
use crate::protocol::Code;
use std::time::{Duration, Instant};

/// Waits for a server that has said it is stopping, as long as it says that takes and another may
/// take to begin; where the person has said how long, that long.
pub struct Patience {
    stop: Option<Duration>,
    whole: Duration,
    until: Instant,
    pause: Duration,
}

impl Patience {
    /// For a server that says how long its stop may take, where a person has not said how long to wait.
    pub fn new(said: Option<Duration>, stop: Option<Duration>) -> Self {
        let whole = said.unwrap_or_else(|| stop.unwrap_or_default() + CONNECT);
        Self {
            stop,
            whole,
            until: Instant::now() + whole,
            pause: Duration::from_millis(50),
        }
    }

    /// What is being waited for, and how long.
    pub fn sentence(&self, host: &str) -> String {
        let most = self.stop.map_or_else(String::new, |stop| {
            format!(", which may take up to {}", Human(stop))
        });
        format!(
            "ordain: {}: the server is stopping{most}; waiting for it to come back, for {} at the most",
            plain(host),
            Human(self.whole)
        )
    }

    /// Lets some time pass, where what has come of the last try may pass too.
    pub async fn pause(&mut self, error: ClientError) -> Result<(), ClientError> {
        if !passes(&error) {
            return Err(error);
        }
        if Instant::now() + self.pause >= self.until {
            let text = format!(
                "the server was stopping, and after {} none has taken its place: {} (--connect-timeout waits longer)",
                Human(self.whole),
                error.text
            );
            return Err(ClientError { text, ..error });
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Duration::from_secs(1));
        Ok(())
    }
}

/// Whether what has come of a try may be another a moment later.
pub fn passes(error: &ClientError) -> bool {
    let passing = [
        Code::Stopping,
        Code::Connect,
        Code::ConnectTimeout,
        Code::ConnectionLost,
        Code::LoginBusy,
        Code::GroupsUnknown,
    ];
    passing.iter().any(|code| error.is(*code))
}
