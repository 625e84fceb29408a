//! The code under test: a process of its own, so that it may crash, hang and babble.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use preflane_judge::Form;

use super::number::Type;
use super::task::Shape;
use crate::failure::{Failure, excerpt};

/// The first word of a subject, and the protocol's version.
pub const HELLO: [&str; 2] = ["preflane-stress", "1"];

/// The start may take longer than an answer: Python imports a lot.
const START: u32 = 10;
/// The longest line that is read.
const LONGEST_LINE: u64 = 64 << 20;
/// What is kept of standard error.
const TAIL: usize = 2000;
/// How long a subject that has closed its output may take to end.
const FAREWELL: Duration = Duration::from_secs(2);

/// What the subject says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// What it takes.
    pub shape: Shape,
    /// The numbers it takes.
    pub number: Type,
}

/// What came back for a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Numbers of each row; none where the subject gives a result never.
    Rows(Vec<Vec<Option<f64>>>),
    /// The subject declined, and why.
    Refused(String),
}

/// A running subject.
pub struct Subject {
    child: Child,
    requests: Option<Sender<String>>,
    lines: Receiver<std::io::Result<String>>,
    tail: Arc<Mutex<VecDeque<u8>>>,
    drained: Receiver<()>,
    limit: Duration,
    hello: Hello,
}

impl Subject {
    /// Starts it and waits for its first line.
    pub fn start(command: &[OsString], limit: Duration) -> Result<Self, Failure> {
        let Some((program, arguments)) = command.split_first() else {
            return Err(Failure::new("after -- a command is needed"));
        };
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| Failure::new(format!("{}: cannot be started: {e}", name(program))))?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
            return Err(Failure::new(format!("{}: has no standard streams", name(program))));
        };
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        let (requests, to_write) = channel();
        let (to_send, lines) = channel();
        let (done, drained) = channel();
        let kept = Arc::clone(&tail);
        thread::spawn(move || write(stdin, &to_write));
        thread::spawn(move || read(stdout, &to_send));
        thread::spawn(move || {
            drain(stderr, &kept);
            let _ = done.send(());
        });
        let hello = Hello { shape: Shape::Answers(Form::Pairwise), number: Type::F64 };
        let mut subject = Self { child, requests: Some(requests), lines, tail, drained, limit, hello };
        subject.hello = subject.greeting()?;
        Ok(subject)
    }

    /// What it said of itself.
    pub fn hello(&self) -> Hello {
        self.hello
    }

    fn greeting(&mut self) -> Result<Hello, Failure> {
        let line = self.line(self.limit * START, "its first line")?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let hello = match words[..] {
            [name, version, what, number] if [name, version] == HELLO => match (what, Type::of(number)) {
                (what, Some(number)) => Shape::of_word(what).map(|shape| Hello { shape, number }),
                _ => None,
            },
            _ => None,
        };
        hello.ok_or_else(|| {
            let wanted = "preflane-stress 1 pairs (or labelled, listed, logits) f32 (or f64, bf16, f16)";
            self.failure(&format!("its first line is {:?}; {wanted} is needed", excerpt(&line)))
        })
    }

    /// Sends a batch and waits for a line a row.
    pub fn ask(&mut self, request: String, rows: usize) -> Result<Reply, Failure> {
        if let Ok(line) = self.lines.try_recv() {
            let said = line.unwrap_or_default();
            return Err(self.failure(&format!("said {:?} without being asked", excerpt(&said))));
        }
        // Where it cannot be written, the answer will be missing.
        if let Some(requests) = &self.requests {
            let _ = requests.send(request);
        }
        let end = Instant::now() + self.limit;
        let mut answer = Vec::with_capacity(rows);
        while answer.len() < rows {
            let what = format!("line {} of the {rows} of an answer", answer.len() + 1);
            let line = self.line(end.saturating_duration_since(Instant::now()), &what)?;
            if let Some(reason) = line.strip_prefix("error").filter(|_| answer.is_empty()) {
                return Ok(Reply::Refused(reason.trim().to_owned()));
            }
            let numbers: Option<Vec<_>> = line.split_whitespace().map(number).collect();
            match numbers {
                Some(numbers) if !numbers.is_empty() => answer.push(numbers),
                _ => return Err(self.failure(&format!("{what} is {:?}, not numbers", excerpt(&line)))),
            }
        }
        Ok(Reply::Rows(answer))
    }

    /// Ends it; it must have nothing left to say.
    pub fn finish(mut self) -> Result<(), Failure> {
        self.requests = None;
        match self.lines.recv_timeout(self.limit) {
            Ok(line) => {
                let said = line.unwrap_or_default();
                Err(self.failure(&format!("said {:?} without being asked", excerpt(&said))))
            }
            Err(RecvTimeoutError::Timeout) => Err(self.failure("did not end when its input did")),
            Err(RecvTimeoutError::Disconnected) => Ok(()),
        }
    }

    fn line(&mut self, patience: Duration, what: &str) -> Result<String, Failure> {
        match self.lines.recv_timeout(patience) {
            Ok(Ok(line)) => Ok(line),
            Ok(Err(e)) => Err(self.failure(&format!("{what} cannot be read: {e}"))),
            Err(RecvTimeoutError::Timeout) => {
                let limit = self.limit.as_secs_f64();
                Err(self.failure(&format!(
                    "{what} did not come in time (--time-limit {limit}; the start has {START} times that)"
                )))
            }
            Err(RecvTimeoutError::Disconnected) => {
                let end = self.ended();
                Err(self.failure(&format!("{end} before {what}")))
            }
        }
    }

    /// How it ended.
    fn ended(&mut self) -> String {
        let end = Instant::now() + FAREWELL;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return format!("ended ({status})"),
                Ok(None) if Instant::now() < end => thread::sleep(Duration::from_millis(5)),
                _ => return "closed its output".to_owned(),
            }
        }
    }

    /// Kills it; with the end of what it wrote to standard error.
    fn failure(&mut self, what: &str) -> Failure {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // What it started may hold the pipe open for ever.
        let _ = self.drained.recv_timeout(Duration::from_millis(500));
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(tail.make_contiguous()).trim().replace('\n', " | ");
        let said = if text.is_empty() {
            "it wrote nothing to standard error".to_owned()
        } else {
            format!("standard error: {text}")
        };
        Failure::new(format!("the code under test: {what}; {said}"))
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn name(program: &OsStr) -> String {
    program.to_string_lossy().into_owned()
}

/// A number of an answer; `-` for a result that the subject does not give.
fn number(word: &str) -> Option<Option<f64>> {
    if word == "-" { Some(None) } else { word.parse().ok().map(Some) }
}

fn write(mut stdin: ChildStdin, requests: &Receiver<String>) {
    for request in requests {
        if stdin.write_all(request.as_bytes()).and_then(|()| stdin.flush()).is_err() {
            return;
        }
    }
}

fn read(stdout: ChildStdout, lines: &Sender<std::io::Result<String>>) {
    let mut stdout = BufReader::new(stdout);
    loop {
        let mut line = Vec::new();
        let line = match stdout.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) if line.len() as u64 == LONGEST_LINE => Err(std::io::Error::other("the line does not end")),
            Ok(_) => Ok(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned()),
            Err(e) => Err(e),
        };
        let is_over = line.is_err();
        if lines.send(line).is_err() || is_over {
            return;
        }
    }
}

fn drain(mut stderr: ChildStderr, tail: &Mutex<VecDeque<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = stderr.read(&mut buffer) {
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend(&buffer[..length]);
        let surplus = tail.len().saturating_sub(TAIL);
        tail.drain(..surplus);
    }
}
