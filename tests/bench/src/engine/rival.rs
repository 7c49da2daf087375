//! Our end of the process that measures tfhe.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use super::{
    baseline::RIVAL,
    sizes::{Request, Sizes},
};
use crate::{BenchError, timing::Spent};

/// The process that measures tfhe; it ends when this is dropped.
pub(super) struct Rival {
    process: Child,
    /// Invariant: `Some` until dropped.
    requests: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
}

impl Rival {
    /// Starts it and waits for its keys.
    ///
    /// # Errors
    /// [`BenchError::Process`].
    pub(super) fn start(sizes: &Sizes) -> Result<Self, BenchError> {
        let mut process = std::env::current_exe()
            .and_then(|own| {
                Command::new(own)
                    .arg(RIVAL)
                    .args(sizes.arguments())
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .spawn()
            })
            .map_err(failed)?;
        let (Some(requests), Some(replies)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(BenchError::NoFigure { name: RIVAL });
        };
        let mut rival = Self {
            process,
            requests: Some(requests),
            replies: BufReader::new(replies),
        };
        rival.reply()?;
        Ok(rival)
    }

    /// Time per ciphertext.
    ///
    /// # Errors
    /// [`BenchError`] when the process ended, having said why.
    pub(super) fn measure(&mut self, request: Request) -> Result<Spent, BenchError> {
        if let Some(requests) = &mut self.requests {
            writeln!(requests, "{}", request.line()).map_err(failed)?;
        }
        let reply = self.reply()?;
        let mut numbers = reply.split_whitespace().map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(wall_ms)), Some(Ok(cpu_ms))) => Ok(Spent { wall_ms, cpu_ms }),
            _ => Err(BenchError::NoFigure { name: RIVAL }),
        }
    }

    fn reply(&mut self) -> Result<String, BenchError> {
        let mut line = String::new();
        match self.replies.read_line(&mut line).map_err(failed)? {
            0 => Err(BenchError::NoFigure { name: RIVAL }),
            _ => Ok(line),
        }
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        // The end of its input is its order to stop.
        self.requests = None;
        let _ = self.process.wait();
    }
}

fn failed(source: std::io::Error) -> BenchError {
    BenchError::Process { name: RIVAL, source }
}
