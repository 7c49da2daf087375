//! The campaign's end of the observer: starts the process, gives orders, takes verdicts.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use crate::{
    error::FaultsError,
    ledger::Verdict,
    observe::{Order, failed},
};

/// A running observer; it ends when this value does.
#[derive(Debug)]
pub(crate) struct Observer {
    child: Child,
    orders: Option<ChildStdin>,
    verdicts: BufReader<ChildStdout>,
}

impl Observer {
    /// Starts `program observe` for the site in `folder`.
    ///
    /// # Errors
    /// [`FaultsError::Observer`].
    pub(crate) fn start(program: &Path, folder: &Path, port: u16) -> Result<Self, FaultsError> {
        let mut child = Command::new(program)
            .arg("observe")
            .arg("--site")
            .arg(folder)
            .args(["--port", &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failed("does not start", Some(error)))?;
        let (orders, verdicts) = (child.stdin.take(), child.stdout.take());
        let verdicts = verdicts.ok_or_else(|| failed("has no output", None))?;
        Ok(Self {
            child,
            orders,
            verdicts: BufReader::new(verdicts),
        })
    }

    /// Gives an order.
    ///
    /// # Errors
    /// [`FaultsError::Observer`] when it is gone.
    pub(crate) fn order(&mut self, order: &Order) -> Result<(), FaultsError> {
        let text = serde_json::to_string(order).unwrap_or_default();
        let mut orders = self.orders.as_ref().ok_or_else(|| failed("has no input", None))?;
        writeln!(orders, "{text}").map_err(|error| failed("ended", Some(error)))
    }

    /// Asks for the verdict of the round.
    ///
    /// # Errors
    /// [`FaultsError::Observer`].
    pub(crate) fn judge(&mut self) -> Result<Verdict, FaultsError> {
        self.order(&Order::Judge)?;
        let mut line = String::new();
        let read = self.verdicts.read_line(&mut line);
        read.map_err(|error| failed("ended", Some(error)))?;
        serde_json::from_str(&line).map_err(|_malformed| failed("gave no verdict", None))
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        // The end of its input is what it ends at.
        self.orders = None;
        let _ = self.child.wait();
    }
}
