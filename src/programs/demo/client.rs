//! The client that the demo calls, and what it shows of it.

use crate::programs::{complain, say};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The client, as a user would call it.
pub struct Client {
    /// Where it is.
    pub program: PathBuf,
    /// Its settings.
    pub config: PathBuf,
}

impl Client {
    /// Made ready to be called with these words.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("--config")
            .arg(&self.config)
            .args(words)
            .current_dir(self.config.parent().unwrap_or(Path::new("/")))
            // What the client notes is the demo's, too.
            .env("XDG_STATE_HOME", self.config.with_file_name("home"));
        command
    }

    /// Shows a command line, runs it, and holds its exit status to what was meant to happen.
    pub fn show(
        &self,
        title: &str,
        words: &[&str],
        stdin: Option<&str>,
        expected: i32,
    ) -> Result<(), String> {
        let pipe = stdin
            .map(|text| format!("printf {text} | "))
            .unwrap_or_default();
        say("");
        say(&format!("# {title}"));
        say(&format!("$ {pipe}ordain {}", words.join(" ")));
        let mut child = self
            .command(words)
            .stdin(if stdin.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .spawn()
            .map_err(|fault| format!("{}: {fault}", self.program.display()))?;
        if let (Some(text), Some(mut pipe)) = (stdin, child.stdin.take()) {
            let _ = pipe.write_all(text.as_bytes());
        }
        let status = child.wait().map_err(|fault| fault.to_string())?.code();
        say(&format!("  (exit status {})", status.unwrap_or(-1)));
        if status == Some(expected) {
            Ok(())
        } else {
            Err(format!(
                "`ordain {}` exited with {status:?}, not {expected}",
                words.join(" ")
            ))
        }
    }
    /// Shows a command line, and asks for a run that others must agree to. Returns once it waits, with
    /// its id.
    pub fn ask(&self, title: &str, words: &[&str]) -> Result<(Asking, String), String> {
        say("");
        say(&format!("# {title}"));
        say(&format!("$ ordain {}", words.join(" ")));
        let child = self
            .command(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|fault| format!("{}: {fault}", self.program.display()))?;
        let mut asking = Asking(child);
        let said = asking.0.stderr.take().ok_or("it says nothing")?;
        let mut said = BufReader::new(said);
        let mut line = String::new();
        said.read_line(&mut line)
            .map_err(|fault| fault.to_string())?;
        say(&format!("  {}", line.trim_end()));
        let run = line.trim_end().trim_end_matches('`').rsplit(' ').next();
        // What it says later is not waited for.
        std::thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                complain(&line);
            }
        });
        Ok((asking, run.unwrap_or_default().to_owned()))
    }
}

/// A client whose run waits; it is ended where the demo fails before.
pub struct Asking(Child);

impl Asking {
    /// Shows what the run has written, and how it has ended.
    pub fn wait(&mut self) -> std::io::Result<std::process::ExitStatus> {
        if let Some(written) = self.0.stdout.take() {
            let lines = BufReader::new(written).lines();
            lines.map_while(Result::ok).for_each(|line| say(&line));
        }
        self.0.wait()
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
