//! The image process: `obscura-agent` starts it with a connected socket as standard input.

use std::{
    os::{fd::AsFd, unix::net::UnixStream},
    process::ExitCode,
};

use clap::Parser;
use obscura_imaging::adapters::{confine::confine, serve::serve};
use obscura_local::{Channel, imaging::MAX_FRAME_BYTES};

/// Reads picture files that may be hostile, and draws results, without network or files; started by obscura-agent,
/// not by hand.
///
/// Exit codes: 0 ok, 2 usage, 70 internal. A file that kills it ends no other process.
#[derive(Parser)]
#[command(version)]
struct Arguments {}

fn main() -> ExitCode {
    Arguments::parse();
    let stdin = std::io::stdin();
    let socket = rustix::net::sockopt::socket_type(&stdin).and(Ok(stdin.as_fd().try_clone_to_owned()));
    let Ok(Ok(socket)) = socket else {
        eprintln!("obscura-agent-imaging: standard input is not a socket; obscura-agent starts this program");
        return ExitCode::from(2);
    };
    if let Err(error) = confine() {
        eprintln!("obscura-agent-imaging: the process cannot be confined: {error}");
        return ExitCode::from(70);
    }
    let mut channel = Channel::new(UnixStream::from(socket), MAX_FRAME_BYTES);
    match serve(&mut channel) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("obscura-agent-imaging: {error}");
            ExitCode::from(70)
        }
    }
}
