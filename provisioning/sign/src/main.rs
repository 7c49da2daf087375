//! `obscura-sign`: makes roots and signs bundles, for the model owner, on a machine of their own.
//!
//! Wires arguments to use cases and errors to exit codes. Opens no socket.

mod adapters;
mod application;
mod arguments;
mod error;

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use arguments::{Arguments, Command, RootCommand};
use clap::Parser;

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Root(RootCommand::New(arguments)) => application::root::new(&arguments),
        Command::Root(RootCommand::Next(arguments)) => application::change::next(&arguments),
        Command::Root(RootCommand::Sign(arguments)) => application::change::sign(&arguments),
        Command::Root(RootCommand::Accept { change, root, out }) => {
            application::change::accept(&change, &root, &out)
        }
        Command::Root(RootCommand::Show { root }) => application::root::show(&root),
        Command::Bundle(arguments) => application::bundle::sign(&arguments),
        Command::Inspect { bundle, root } => application::inspect::inspect(&bundle, &root),
    };
    match done {
        Ok(report) => match io::stdout().write_all(report.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_closed) => ExitCode::from(70),
        },
        Err(error) => {
            // With stderr gone, the exit code is all that is left to say it with.
            let _ = writeln!(
                io::stderr(),
                "obscura-sign: {}\n{}",
                chain(&error),
                error.advice()
            );
            ExitCode::from(error.exit_code())
        }
    }
}

/// The error and everything that caused it, on one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
